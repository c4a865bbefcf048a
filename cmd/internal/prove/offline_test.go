package prove

import (
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/vipaso/vipasod/cmd/internal/prove/report"
	"github.com/vipaso/vipasod/store"
)

var offline = flag.Int("offline", 30, "how many payments TestDayOffline makes before there is a network again")

// TestDayOffline sells for a day without a network, and then hands all of it
// in: the backend pays every one of them, once.
func TestDayOffline(t *testing.T) {
	const price = 10
	begun, took := time.Now(), time.Duration(0)
	luna, _ := play(t, allHonest, func(s *script) {
		s.reserve(s.ann(), 100_00)
		s.w.cutOff = true
		for range *offline {
			s.pay(s.luna(), s.ann(), price)
			s.w.now = s.w.now.Add(24 * time.Hour / time.Duration(*offline))
		}
		s.w.cutOff = false
		back := time.Now()
		for left := 1; left > 0; {
			s.sync(s.luna())
			items, err := s.luna().st.DueItems(ctx, s.w.now.AddDate(100, 0, 0), 1)
			s.ok(err)
			left = len(items)
		}
		took = time.Since(back)
	})
	if luna != int64(*offline)*price {
		t.Errorf("luna is owed %d for %d payments of %d", luna, *offline, price)
	}
	t.Logf("%d payments without a network, then handed in and paid in %s; all in %s", *offline, took.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond))
	if err := report.Save(*out, "drain.json", report.Drain{Payments: *offline, Took: took}); err != nil {
		t.Error(err)
	}
}

// TestLadder leaves the log of one payment for a report: a customer pays while
// neither device has a network, and both hand it in later.
func TestLadder(t *testing.T) {
	var log []line
	play(t, allHonest, func(s *script) {
		s.reserve(s.ann(), 50_00)
		s.w.cutOff = true
		before := len(s.w.log.lines)
		s.ask(s.luna(), 12_00, store.ForceOffline, s.ann())
		s.w.now = s.w.now.Add(4 * time.Second)
		s.accept(s.ann())
		s.carry()
		s.part()
		s.w.cutOff = false
		s.w.now = s.w.now.Add(6 * time.Hour)
		s.sync(s.luna())
		s.w.now = s.w.now.Add(time.Hour)
		s.sync(s.ann())
		log = s.w.log.lines[before:]
	})
	p := report.Payment{Parties: []string{"ann", "luna", "backend"}}
	for _, n := range log {
		r := report.Rung{After: n.at - log[0].at, From: n.from, To: n.to, What: n.what, Stored: n.to == "" && strings.Contains(n.what, "→")}
		if n.to == "" && !r.Stored && !strings.Contains(n.what, "opens payment") || strings.Contains(n.what, "session") {
			continue
		}
		r.Stored = r.Stored || strings.Contains(n.what, "opens payment")
		p.Rungs = append(p.Rungs, r)
	}
	if len(p.Rungs) < 8 {
		t.Errorf("%d rungs: %v", len(p.Rungs), p.Rungs)
	}
	if err := report.Save(*out, "payment.json", p); err != nil {
		t.Error(err)
	}
}
