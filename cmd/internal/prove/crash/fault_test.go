//go:build amd64

package crash

import (
	"flag"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"

	"github.com/vipaso/vipasod/cmd/internal/prove/report"
)

var (
	faults = flag.Int("faults", 1, "how many calls of each kind to fail, each in a run of its own; if there are no more than six, all")
	flips  = flag.Int("flips", 40, "how many bits of each file to flip")
)

// A table says what became of each kind of fault.
type table struct {
	result report.Damage
}

// row adds a line: what was done to whom, and what came of it.
func (tb *table) row(what, who, outcome string) {
	tb.result.Rows = append(tb.result.Rows, report.DamageRow{What: what, Who: who, Outcome: outcome})
}

func (tb *table) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "fault\tof\toutcome")
	for _, r := range tb.result.Rows {
		fmt.Fprintln(w, r.What+"\t"+r.Who+"\t"+r.Outcome)
	}
	w.Flush()
	return b.String()
}

// TestFaults does to the files of a till, a customer and the backend what
// disks and people do to files. What was promised is there afterwards, or the
// damage is found; the table says which.
func TestFaults(t *testing.T) {
	var tb table
	for _, f := range []flow{wallet, books} {
		t.Run("calls fail for the "+f.name, func(t *testing.T) { failCalls(t, f, &tb) })
	}
	for _, f := range []flow{till, wallet, books} {
		t.Run("full disk for the "+f.name, func(t *testing.T) { fillDisk(t, f, &tb) })
		t.Run("read-only for the "+f.name, func(t *testing.T) { denyWrites(t, f, &tb) })
		t.Run("damage to the "+f.name, func(t *testing.T) { damage(t, f, &tb) })
	}
	t.Logf("\n%s", tb.String())
	if err := report.Save(*out, "damage.json", tb.result); err != nil {
		t.Error(err)
	}
}

// A failure is a way in which calls fail.
type failure struct {
	name  string
	fault Fault
}

var failures = []failure{
	{"no space to write", Fault{Kind: Write, Errno: syscall.ENOSPC}},
	{"a write fails", Fault{Kind: Write, Times: 1, Errno: syscall.EIO}},
	{"a write fails and is done", Fault{Kind: Write, Times: 1, Errno: syscall.EIO, Done: true}},
	{"an fsync fails", Fault{Kind: Sync, Times: 1, Errno: syscall.EIO}},
	{"all fsyncs fail", Fault{Kind: Sync, Errno: syscall.EIO}},
	{"an fsync fails and is done", Fault{Kind: Sync, Times: 1, Errno: syscall.EIO, Done: true}},
	// Not one alone: SQLite keeps it to itself if the names cannot be waited
	// for, so that only a disk that goes on failing is found.
	{"all fsyncs of names fail", Fault{Kind: SyncDir, Errno: syscall.EIO}},
	{"a truncation fails", Fault{Kind: Truncate, Times: 1, Errno: syscall.EIO}},
	{"no file can be made", Fault{Kind: Create, Errno: syscall.ENOSPC}},
	{"a rename fails", Fault{Kind: Rename, Times: 1, Errno: syscall.EIO}},
	{"a removal fails", Fault{Kind: Unlink, Times: 1, Errno: syscall.EIO}},
}

// failCalls fails calls of a flow, and then cuts the power as well.
func failCalls(t *testing.T, f flow, tb *table) {
	for _, kind := range failures {
		ended, tried, all := 0, 0, &trial{flow: f}
		for _, n := range callsToFail(t, f, kind.fault) {
			fault := kind.fault
			fault.From = n
			r := trialOf(f, recorded(t, f, safe, &fault))
			tried++
			if r.log.Exit != 0 {
				ended++
			}
			r.cutAfter(t)
			all.tally.images += r.tally.images
			if r.first != nil {
				t.Errorf("%s, the %d.: %v", kind.name, n, r.first)
			}
		}
		if tried > 0 {
			tb.row(kind.name, f.name, fmt.Sprintf("%d tried, the process ended %d times; %d power cuts after it: nothing lost", tried, ended, all.tally.images))
		}
	}
}

// callsToFail returns which of the calls that a fault is for to fail: some,
// and the last write into a new file before it gets its name.
func callsToFail(t *testing.T, f flow, fault Fault) (all []int) {
	t.Helper()
	fault.From = 1 << 30
	log := recorded(t, f, safe, &fault)
	times := min(*faults, log.Faulty)
	if log.Faulty <= 6 {
		times = log.Faulty
	}
	for i := range times {
		all = append(all, 1+log.Faulty*(2*i+1)/(2*times))
	}
	writes := 0
	for _, o := range log.Ops {
		if o.Kind == Rename && fault.Kind == Write {
			return append(all, writes)
		}
		if o.Kind == Write {
			writes++
		}
	}
	return all
}

// cutAfter tries images of the end of a log.
func (r *trial) cutAfter(t *testing.T) {
	t.Helper()
	last := 0
	for i, o := range r.log.Ops {
		if o.Kind == Mark {
			last = i + 1
		}
	}
	r.learn(t, last)
	r.each(t, func(done int) (variants []int) {
		for v := 0; done == len(r.log.Ops) && v < 8; v++ {
			variants = append(variants, v)
		}
		return variants
	}, r.try)
}
