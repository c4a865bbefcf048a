package prove

import (
	"errors"
	"flag"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/vipaso/vipasod/cmd/internal/prove/report"
	"github.com/vipaso/vipasod/store"
	"github.com/vipaso/vipasod/syncer/outbox"
)

var offline = flag.Int("offline", 1000, "how many payments TestDayOffline makes before there is a network again")

// TestDayOffline sells for a day without a network to one customer, whose
// pre-authorization takes no more payments than that, and then hands all of it
// in, first the till and then the customer: the backend pays every one, once.
// A thousandth payment costs no more than the first, in calls, in commits and
// in work.
func TestDayOffline(t *testing.T) {
	const price = 10
	n := *offline
	stage, err := NewStage(memoryDir(), uint32(n))
	if err != nil {
		t.Fatal(err)
	}
	begun, took := time.Now(), time.Duration(0)
	luna, _ := playOn(t, stage, allHonest, func(s *script) {
		s.reserve(s.ann(), int64(n)*price)
		s.w.cutOff = true
		for range n {
			s.pay(s.luna(), s.ann(), price)
			s.w.now = s.w.now.Add(24 * time.Hour / time.Duration(n))
		}
		s.w.cutOff = false
		back := time.Now()
		s.drain(s.luna(), n)
		took = time.Since(back)
		for rows, query := range map[string]string{
			"claims":    `SELECT count(*) FROM claims`,
			"verdicts":  `SELECT count(*) FROM verdicts`,
			"transfers": `SELECT count(*) FROM transfers WHERE reason = 'CAPTURE'`,
		} {
			var got int
			if err := s.w.office.eye.QueryRow(query).Scan(&got); err != nil || got != n {
				t.Errorf("%d %s for %d payments: %v", got, rows, n, err)
			}
		}
		s.drain(s.ann(), n)
	})
	if luna != int64(n)*price {
		t.Errorf("luna is owed %d for %d payments of %d", luna, n, price)
	}
	t.Logf("%d payments without a network, then handed in and paid in %s; all in %s", n, took.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond))
	if err := errors.Join(stage.Close(), report.Save(*out, "drain.json", report.Drain{Payments: n, Took: took})); err != nil {
		t.Error(err)
	}
}

// drain hands in all n payments of a device: full batches, one commit of the
// device for each payment, and as much work for the last batch as for the
// first, counted in allocations of both sides.
func (s *script) drain(o owner, n int) {
	s.t.Helper()
	var calls int
	var least, most uint64
	before := o.base().st.Commits()
	for left := n; ; left -= outbox.BatchItems {
		s.ok(begin(o, false, true))
		c := o.base().sync
		if c == nil {
			break
		}
		size := 0
		for _, it := range c.items {
			size += it.Size()
		}
		if len(c.items) != min(left, outbox.BatchItems) || size > outbox.BatchBytes {
			s.t.Fatalf("%s hands in %d payments of %d left, %d bytes", o.who().name, len(c.items), left, size)
		}
		begun := allocations()
		s.ok(s.w.work(c))
		if b, err := proto.Marshal(c.results); err != nil || len(b) > outbox.BatchBytes {
			s.t.Fatalf("%s is answered %d bytes: %v", o.who().name, len(b), err)
		}
		s.ok(finish(o))
		if work := allocations() - begun; len(c.items) == outbox.BatchItems {
			if most = max(most, work); calls == 0 {
				least = work
			}
			least = min(least, work)
		}
		calls++
	}
	commits := o.base().st.Commits() - before
	s.t.Logf("%s hands in %d payments by %d calls and %d commits, %d to %d allocations for each full batch", o.who().name, n, calls, commits, least, most)
	if want := (n + outbox.BatchItems - 1) / outbox.BatchItems; calls != want || commits != int64(n) || most > least+least/4 {
		s.t.Errorf("want %d calls, %d commits and as much work for each", want, n)
	}
}

// allocations is how often this process has allocated memory.
func allocations() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
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
