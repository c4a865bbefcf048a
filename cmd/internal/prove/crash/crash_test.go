//go:build amd64

package crash

import (
	"flag"
	"testing"
	"time"

	"github.com/vipaso/vipasod/cmd/internal/prove/report"
)

var (
	out    = flag.String("out", "", "leave the results in this directory")
	each   = flag.Int("each", 0, "how many images to try at each point of a flow; 0 tries five at some points")
	points = flag.Int("points", 24, "how many points of each flow to try when not each")
)

// TestPowerCut: whatever a power cut leaves of a till's, a customer's or the
// backend's files, all that was promised is there, nothing that never was,
// and nothing in part. A device that was locked stays so, and no other is.
func TestPowerCut(t *testing.T) {
	var all report.PowerCuts
	for _, f := range flows {
		t.Run(f.name, func(t *testing.T) {
			r := tried(t, f, safe, *points, *each)
			r.tally.images += r.cutTwice(t)
			all.Flows = append(all.Flows, r.result(""))
		})
	}
	all.Flows = append(all.Flows, findsLess(t)...)
	if err := report.Save(*out, "power.json", all); err != nil {
		t.Error(err)
	}
}

// result is what a report says of a trial; control is what was taken away.
func (r *trial) result(control string) report.Flow {
	return report.Flow{
		Name: r.flow.name, Writes: len(r.log.Ops), Images: r.tally.images, Control: control,
		Lost: r.tally.lost, Corrupt: r.tally.corrupt, Phantom: r.tally.phantom,
	}
}

// findsLess checks that with any less of safety the same flows lose what was
// promised. Few images at each point are enough to lose something.
func findsLess(t *testing.T) (all []report.Flow) {
	for _, f := range []flow{wallet, books} {
		for _, level := range []string{"NORMAL", "OFF"} {
			t.Run(f.name+" "+level, func(t *testing.T) {
				r := tried(t, f, level, 8, min(*each, 3))
				if r.tally.lost == 0 {
					t.Error("nothing is lost")
				}
				all = append(all, r.result("synchronous="+level))
			})
		}
	}
	return all
}

// tried tries a flow at a level, with so many images at each point, or, if that
// is 0, five at some points.
func tried(t *testing.T, f flow, level string, points, each int) *trial {
	t.Helper()
	begun := time.Now()
	r := newTrial(t, f, level)
	r.learn(t, 0)
	r.cutEverywhere(t, points, each)
	t.Logf("%s, synchronous %s: %d ops, %d states, %d images, %d of them different, in %.1f s: %d lost, %d corrupt, %d phantom", f.name, level,
		len(r.log.Ops), len(r.states), r.tally.images, len(r.opened), time.Since(begun).Seconds(), r.tally.lost, r.tally.corrupt, r.tally.phantom)
	return r
}

// cutEverywhere tries images at points of the log: at all, or at some, half
// of them just after something was promised.
func (r *trial) cutEverywhere(t *testing.T, points, each int) {
	t.Helper()
	apart, marks := max(1, len(r.log.Ops)*2/points), 0
	for _, o := range r.log.Ops {
		if o.Kind == Mark {
			marks++
		}
	}
	marksApart, mark := max(1, marks*2/points), 0
	r.each(t, func(done int) (variants []int) {
		if each > 0 {
			for v := range each {
				variants = append(variants, v)
			}
			return variants
		}
		chosen := done%apart == 0
		if done > 0 && r.log.Ops[done-1].Kind == Mark {
			mark++
			chosen = chosen || mark%marksApart == 0
		}
		if chosen {
			variants = []int{Nothing, NoNames, NoData, byLot + done, byLot + done + 1}
		}
		return variants
	}, r.try)
}

// cutTwice lets the power come back at some points and go again while the
// store is being opened. It returns how many images it has tried.
func (r *trial) cutTwice(t *testing.T) (images int) {
	t.Helper()
	times := 3 + *each
	for n := range times {
		first := r.cutAt(len(r.log.Ops)*(n+1)/(times+1), byLot+n)
		dir := scratch(t)
		if err := WriteDir(dir, first.files); err != nil {
			t.Fatal(err)
		}
		second := trialOf(r.flow, recordedIn(t, dir, r.flow, reopen, nil))
		second.learn(t, 0)
		r.judge(first, second.states[0], nil, r.told[first.done], r.index[first.done])
		apart := 1 + len(second.log.Ops)/8
		second.each(t, func(at int) []int {
			if at%apart != 0 {
				return nil
			}
			return []int{Everything, Nothing, NoNames, byLot + at}
		}, second.try)
		images += second.tally.images
		if second.first != nil {
			t.Errorf("power back after op %d, then: %v", first.done, second.first)
		}
	}
	t.Logf("%s, and again while opening after %d of them: %d images", r.flow.name, times, images)
	if r.first != nil {
		t.Error(r.first)
	}
	return images
}
