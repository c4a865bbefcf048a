package daemon

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"

	"github.com/vipaso/vipasod/daemon/catalogue"
	"github.com/vipaso/vipasod/preauth"
)

// finding is how one check came out.
type finding struct {
	result devicev1.CheckResult
	reason string // of the error catalogue, if any
	detail string
	next   string // empty: what the catalogue says of the reason
}

func fine(format string, args ...any) finding {
	return finding{result: devicev1.CheckResult_CHECK_RESULT_OK, detail: fmt.Sprintf(format, args...)}
}

func warning(reason, format string, args ...any) finding {
	return finding{result: devicev1.CheckResult_CHECK_RESULT_WARNING, reason: reason, detail: fmt.Sprintf(format, args...)}
}

func failed(reason, format string, args ...any) finding {
	return finding{result: devicev1.CheckResult_CHECK_RESULT_FAILED, reason: reason, detail: fmt.Sprintf(format, args...)}
}

// broken is the finding of a check that an error has ended.
func broken(err error) finding {
	reason, _ := reasonOf(err)
	return failed(reason, "%v", err)
}

// to says what to do, where the catalogue's words are too general.
func (f finding) to(next string) finding {
	f.next = next
	return f
}

// check is one thing that the doctor looks at.
type check struct {
	name string
	look func(*Device, context.Context) finding
}

// checks are what the doctor looks at, in the order in which a person would:
// what everything stands on comes first.
func checks() []check {
	return []check{
		{"store", (*Device).checkStore},
		{"keys", (*Device).checkKeys},
		{"enrollment", (*Device).checkEnrollment},
		{"radio", (*Device).checkRadio},
		{"clock", (*Device).checkClock},
		{"backend", (*Device).checkBackend},
		{"trust bundle", (*Device).checkBundle},
		{"outbox", (*Device).checkOutbox},
		{"limits", (*Device).checkLimits},
		{"disk", (*Device).checkDisk},
	}
}

// diagnose examines the device. A check that cannot be carried out has failed
// and does not keep the others from being.
func (d *Device) diagnose(ctx context.Context) []*devicev1.Check {
	var list []*devicev1.Check
	for _, c := range checks() {
		f := c.look(d, ctx)
		list = append(list, &devicev1.Check{
			Name: c.name, Result: f.result, Reason: f.reason, Detail: f.detail,
			NextStep: firstOf(f.next, nextOf(f.reason)),
		})
	}
	return list
}

// examineMax is the size in bytes up to which the doctor reads the whole
// store: larger ones would keep payments waiting.
const examineMax = 4 << 20

func (d *Device) checkStore(ctx context.Context) finding {
	stats, err := d.store.Stats(ctx)
	if err != nil {
		return broken(err)
	}
	if !stats.Writable {
		f := failed(stats.Reason, "takes no writes, schema %d", stats.SchemaVersion)
		if stats.Detail != "" {
			f.detail += ": " + stats.Detail
		}
		return f
	}
	if stats.Bytes > examineMax {
		return fine("takes writes, %s, schema %d; `vipasoctl store check` reads all of it", size(stats.Bytes), stats.SchemaVersion)
	}
	problems, err := d.store.Check(ctx)
	switch {
	case err != nil:
		return broken(err)
	case len(problems) > 0:
		return failed(catalogue.StoreCorrupt, "%d problems, the first: %s", len(problems), problems[0])
	}
	return fine("takes writes, %s, schema %d, everything agrees", size(stats.Bytes), stats.SchemaVersion)
}

func (d *Device) checkRadio(context.Context) finding {
	if err := d.radioUsable(); err != nil {
		reason, _ := reasonOf(err)
		e, _ := catalogue.Lookup(reason)
		r := d.radioStatus()
		said := firstOf(r.Detail, e.What)
		if d.opt.Driver != "hci" {
			return failed(reason, "%s", said)
		}
		return machine{}.judgeAdapter(r.Adapter, reason, said)
	}
	return judgeRadio(d.opt.Driver, d.opt.Radio.Status(), d.now())
}

func (d *Device) checkBackend(ctx context.Context) finding {
	_, oldest, deadline, err := d.store.Unsettled(ctx)
	if err != nil {
		return broken(err)
	}
	return judgeBackend(d.sync.State(), d.backendURL(d.self.Load()), oldest, deadline, d.now())
}

func (d *Device) checkEnrollment(context.Context) finding {
	who := d.self.Load()
	if !who.Enrolled() {
		return failed(catalogue.NotEnrolled, "the device has no certificate")
	}
	if _, err := d.enrolled(); err != nil && !errors.Is(err, preauth.ErrExpired) {
		reason, _ := reasonOf(err)
		return failed(reason, "%v", err)
	}
	if err := who.disowned(); err != nil {
		reason, _ := reasonOf(err)
		return failed(reason, "%v", err)
	}
	return judgeCertificate(who.cert.Body, d.now())
}

func (d *Device) checkClock(context.Context) finding {
	return judgeClock(d.clock, d.sync.State().Online)
}

func (d *Device) checkBundle(ctx context.Context) finding {
	who := d.self.Load()
	if !who.Enrolled() {
		return fine("none before the device is enrolled")
	}
	l, err := d.limitsOf(ctx, who)
	if err != nil {
		return broken(err)
	}
	return judgeBundle(who.trust, d.business(), l, d.now())
}

// outboxLook is how many items of the outbox the doctor reads.
const outboxLook = 1000

func (d *Device) checkOutbox(ctx context.Context) finding {
	n, err := d.store.OutboxSize(ctx)
	if err != nil {
		return broken(err)
	}
	items, err := d.store.DueItems(ctx, farFuture, outboxLook)
	if err != nil {
		return broken(err)
	}
	return judgeOutbox(n, items, d.now())
}

func (d *Device) checkLimits(ctx context.Context) finding {
	who := d.self.Load()
	if !who.Enrolled() {
		return fine("none before the device is enrolled")
	}
	e, err := d.exposure(ctx, who)
	if err != nil {
		return broken(err)
	}
	open, err := d.allowances(ctx)
	if err != nil {
		return broken(err)
	}
	return judgeLimits(e, open)
}

func (d *Device) checkDisk(context.Context) finding {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(d.opt.Dir, &fs); err != nil {
		return failed(catalogue.StoreReadOnly, "%s: %v", d.opt.Dir, err)
	}
	return judgeDisk(fs.Bavail*uint64(fs.Bsize), d.opt.Dir)
}
