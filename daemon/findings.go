package daemon

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/daemon/catalogue"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
	"github.com/vipaso/vipasod/store"
	"github.com/vipaso/vipasod/syncer"
)

const (
	diskWarn = 100e6   // bytes left on the disk
	diskFail = 8 << 20 // less, and the store takes no writes
	headroom = 5       // the share of a limit that should be left: a fifth
	// bundleOld is when a till should hear the backend again soon; at
	// preauth.BundleMaxAge it has to.
	bundleOld = 48 * time.Hour
)

// farFuture is after every time that the store holds.
var farFuture = time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)

func judgeRadio(driver string, s link.Status, now time.Time) finding {
	name := driver
	if s.Adapter != driver {
		name += " " + s.Adapter
	}
	heard := "no other device heard yet"
	if !s.LastPeer.IsZero() {
		heard = "another device heard " + ago(now.Sub(s.LastPeer))
	}
	heard += refusals(s.Refused)
	if s.Restarts > 1 {
		return warning("", "%s is up, started %d times; %s", name, s.Restarts, heard).
			to("If that goes on, see the radio's log with `journalctl -u vipasod-radio`.")
	}
	return fine("%s is up; %s", name, heard)
}

// refusals says what strangers have sent that was refused. It is no warning:
// whoever is near can do that, and nothing comes of it.
func refusals(counts map[string]uint64) string {
	var list []string
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		list = append(list, fmt.Sprintf("%d × %s", counts[what], what))
	}
	if len(list) == 0 {
		return ""
	}
	return "; refused from strangers: " + strings.Join(list, ", ")
}

// judgeBackend takes being offline for what it is, normal, until money gets
// old by it.
func judgeBackend(s syncer.State, url string, oldest, deadline, now time.Time) finding {
	switch {
	case url == "":
		return fine("none before the device is enrolled")
	case s.Online && s.Reason == "":
		return fine("%s answers, last %s", url, ago(now.Sub(s.LastAnswer)))
	case refusedBy(s.Reason):
		return warning(s.Reason, "%s: %s", url, s.LastError)
	}
	silent := "has not answered since the start"
	if !s.LastAnswer.IsZero() {
		silent = "answered last " + ago(now.Sub(s.LastAnswer))
	}
	if s.LastError != "" {
		silent += " (" + s.LastError + ")"
	}
	if lateAt(oldest, deadline, now) {
		return failed(catalogue.Offline, "%s %s, and money must be handed in before %s", url, silent, clockText(deadline)).
			to("Connect a network: `vipasoctl sync now`.")
	}
	if !oldest.IsZero() && now.Sub(oldest) > moneyOld {
		return warning(catalogue.Offline, "%s %s, and money waits since %s", url, silent, clockText(oldest)).
			to("Connect a network when you can: `vipasoctl sync now`.")
	}
	return fine("%s %s; being offline is normal, payments are kept and sent later", url, silent)
}

// judgeCertificate warns late: a certificate is renewed by itself when a third
// of its life is left.
func judgeCertificate(c *peerv1.DeviceCert, now time.Time) finding {
	begin, end := time.UnixMilli(c.GetNotBeforeMs()), time.UnixMilli(c.GetNotAfterMs())
	left := end.Sub(now)
	switch {
	case left <= 0:
		return failed(catalogue.CertExpired, "enrolled, but the certificate ended at %s", clockText(end)).
			to("Connect a network: `vipasoctl sync now` renews the certificate.")
	case left < end.Sub(begin)/6:
		return warning(catalogue.CertExpired, "enrolled, the certificate ends in %s and was not renewed", span(left)).
			to("Connect a network: `vipasoctl sync now` renews the certificate.")
	}
	return fine("enrolled, the certificate ends in %s", span(left))
}

// judgeClock compares the wall clock with the time that the backend has
// signed. A clock that is ahead can be told only while the backend answers.
func judgeClock(c *clock, online bool) finding {
	floor := c.Floor()
	ahead := time.Since(floor)
	switch {
	case floor.IsZero():
		return fine("no time of the backend to compare with yet")
	case c.Regressed():
		return warning(catalogue.ClockRegressed, "the clock is %s behind the backend's time; payments go by the latter", span(-ahead))
	case online && ahead > regressed:
		return warning("", "the clock is %s ahead of the backend's time: certificates may look expired", span(ahead)).
			to("Set the clock with `sudo timedatectl set-ntp true`.")
	}
	return fine("agrees with the backend's time")
}

func judgeBundle(t preauth.Trust, business bool, l preauth.Limits, now time.Time) finding {
	age := now.Sub(t.SignedAt())
	const next = "Connect a network for a moment: `vipasoctl sync now`."
	switch {
	case !business, age <= bundleOld:
		return fine("epoch %d, %s old", t.Epoch(), span(age))
	case age <= preauth.BundleMaxAge:
		return warning(catalogue.BundleStale, "epoch %d, %s old: in %s this till takes no offline payments", t.Epoch(), span(age), span(preauth.BundleMaxAge-age)).to(next)
	case age <= l.BundleMaxAge():
		return warning(catalogue.BundleStale, "epoch %d, %s old, which somebody has allowed: every offline payment is at risk", t.Epoch(), span(age)).to(next)
	}
	return failed(catalogue.BundleStale, "epoch %d, %s old: this till takes no offline payments", t.Epoch(), span(age)).to(next)
}

// judgeOutbox looks at what waits for the backend; items has the earliest
// deadline first.
func judgeOutbox(n int, items []store.Item, now time.Time) finding {
	if n == 0 {
		return fine("empty")
	}
	oldest := items[0].CreatedAt
	refused, late := 0, 0
	var reason string
	for _, it := range items {
		if it.CreatedAt.Before(oldest) {
			oldest = it.CreatedAt
		}
		if it.Error != "" {
			refused++
			reason = firstOf(reason, it.Error)
		}
		if !it.Deadline.IsZero() && it.Deadline.Before(now) {
			late++
		}
	}
	waits := fmt.Sprintf("%d waiting, the oldest since %s", n, clockText(oldest))
	switch {
	case late > 0:
		return failed(catalogue.TooLate, "%s; %d past their deadline", waits, late).
			to("Hand over what waits with `vipasoctl sync now`, then `vipasoctl payments list --unsynced`.")
	case refused > 0:
		found := warning(reason, "%s; %d were not accepted", waits, refused)
		if reason == catalogue.PreauthNotFound { // whose next step is for the device that has it
			found = found.to("The backend does not know the pre-authorization: ask its operator whether its books are an older copy. What is owed is kept, and tried again.")
		}
		return found
	}
	return fine("%s", waits)
}

// judgeLimits says how much of each limit is in use, and what is allowed beyond
// the rules.
func judgeLimits(e preauth.Exposure, open allowed) finding {
	if over := overLimits(e, money.Amount{}); len(over) > 0 {
		reason, _ := reasonOf(over[0])
		return failed(reason, "%v", over[0])
	}
	parts := []string{fmt.Sprintf("%d of %d payments", e.Count, e.Limits.CountMax)}
	near := reaches(e.Count, e.Limits.CountMax)
	for _, currency := range slices.Sorted(maps.Keys(e.Limits.Currencies)) {
		total, most := e.Totals[currency], e.Limits.Currencies[currency].TotalMax
		near = near || reaches(total, most)
		parts = append(parts, fmt.Sprintf("%s of %s %s", money.Format(total, currency), money.Format(most, currency), currency))
	}
	text := strings.Join(parts, ", ") + " not settled"
	if near {
		return warning("", "%s", text).to("Connect a network and hand over what waits: `vipasoctl sync now`.")
	}
	for _, kind := range slices.Sorted(maps.Keys(open)) {
		a := open[kind]
		return warning("", "%s; %s until %s, allowed by %s", text, kind, clockText(a.Until), a.Person).
			to("It ends by itself; `vipasoctl override list` shows all, `vipasoctl override end KIND` takes it back.")
	}
	return fine("%s", text)
}

// reaches reports whether so much of a limit is in use that it will soon be
// felt.
func reaches(used, most int64) bool { return most-used < most/headroom }

func judgeDisk(free uint64, dir string) finding {
	switch {
	case free < diskFail:
		return failed(catalogue.StoreFull, "%s left in %s", size(free), dir)
	case free < diskWarn:
		return warning(catalogue.StoreFull, "%s left in %s", size(free), dir)
	}
	return fine("%s left in %s", size(free), dir)
}

// clockText is a moment as findings show it.
func clockText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// span is a length of time in words, with the precision that matters.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

func ago(d time.Duration) string { return span(d) + " ago" }

// size is a number of bytes in words.
func size(n uint64) string {
	switch {
	case n < 1e3:
		return fmt.Sprintf("%d B", n)
	case n < 1e6:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1e9:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}
