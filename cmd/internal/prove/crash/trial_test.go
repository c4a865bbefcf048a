//go:build amd64

package crash

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/vipaso/vipasod/preauth"
)

// A trial finds out what becomes of one flow when the power is cut.
type trial struct {
	flow   flow
	log    *Log
	states []preauth.Hash // all that there were, in order
	index  []int          // of the state that each number of done ops leaves
	told   []int          // index of the state that the last mark before promised

	mu     sync.Mutex
	opened map[look]found
	tally  tally
	first  error
}

// A look is the opening of files with that content, once or twice.
type look struct {
	files preauth.Hash
	twice bool
}

// found is what was stored, or why that is not known.
type found struct {
	state preauth.Hash
	err   error
}

// tally counts what was found.
type tally struct{ images, lost, corrupt, phantom int }

// A cut is one image: what a power cut at a point leaves.
type cut struct {
	done, variant int
	files         map[string][]byte
}

func newTrial(t *testing.T, f flow, level string) *trial {
	t.Helper()
	return trialOf(f, recorded(t, f, level, nil))
}

func trialOf(f flow, log *Log) *trial {
	return &trial{flow: f, log: log, opened: make(map[look]found)}
}

// each hands cuts to do, on all cores, each with a directory of its own.
func (r *trial) each(t *testing.T, wanted func(done int) []int, do func(dir string, c cut)) {
	t.Helper()
	cuts := make(chan cut)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		dir := scratch(t)
		workers.Go(func() {
			for c := range cuts {
				do(dir, c)
			}
		})
	}
	for d := NewDisk(r.log); ; {
		for _, v := range wanted(d.Done()) {
			cuts <- cut{d.Done(), v, d.Image(v)}
		}
		if !d.Next() {
			break
		}
	}
	close(cuts)
	workers.Wait()
}

// open opens an image as a starting process does, and returns what is stored.
func (r *trial) open(dir string, c cut) (preauth.Hash, error) {
	if err := WriteDir(dir, c.files); err != nil {
		return preauth.Hash{}, err
	}
	if err := r.flow.sound(dir); err != nil {
		return preauth.Hash{}, err
	}
	return state(filepath.Join(dir, r.flow.file))
}

// learn finds out what is stored after each op if only the process dies.
// Every later look is held against that. What is stored before and after some
// ops was stored between them too, unless the flow returns. It looks from a
// number of ops on, which must be zero or follow a mark.
func (r *trial) learn(t *testing.T, first int) {
	t.Helper()
	all := make([]*preauth.Hash, len(r.log.Ops)+1)
	dirs := make(chan string, runtime.GOMAXPROCS(0))
	for range cap(dirs) {
		dirs <- scratch(t)
	}
	at := func(done int) {
		dir := <-dirs
		defer func() { dirs <- dir }()
		f := r.look(dir, r.cutAt(done, Everything))
		if f.err != nil {
			t.Errorf("%s killed after op %d: %v", r.flow.name, done, f.err)
		}
		all[done] = &f.state
	}
	var looking sync.WaitGroup
	var between func(from, to int)
	between = func(from, to int) {
		if to-from < 2 {
			return
		}
		if *all[from] == *all[to] && !r.flow.returns {
			for i := from + 1; i < to; i++ {
				all[i] = all[from]
			}
			return
		}
		middle := (from + to) / 2
		at(middle)
		looking.Go(func() { between(from, middle) })
		between(middle, to)
	}
	at(first)
	if first < len(r.log.Ops) {
		at(len(r.log.Ops))
	}
	between(first, len(r.log.Ops))
	looking.Wait()
	for i := range first {
		all[i] = all[first]
	}
	told := 0
	for done, s := range all {
		if len(r.states) == 0 || *s != r.states[len(r.states)-1] {
			r.states = append(r.states, *s)
		}
		r.index = append(r.index, len(r.states)-1)
		if done > 0 && r.log.Ops[done-1].Kind == Mark {
			told = len(r.states) - 1
		}
		r.told = append(r.told, told)
	}
}

// cutAt is one image of the log.
func (r *trial) cutAt(done, variant int) cut {
	d := NewDisk(r.log)
	for d.Done() < done {
		d.Next()
	}
	return cut{done, variant, d.Image(variant)}
}

// try opens one image and judges it. Many are equal: where nothing is on its
// way to the disk, all are. What is found in one is found in its equals, and
// may be right at one point and wrong at another.
func (r *trial) try(dir string, c cut) {
	f := r.look(dir, c)
	r.judge(c, f.state, f.err, r.told[c.done], r.index[c.done])
}

// look opens an image, unless an equal one was opened: twice, if all that was
// not waited for is gone.
func (r *trial) look(dir string, c cut) found {
	at := look{contentOf(c.files), c.variant == Nothing}
	r.mu.Lock()
	f, known := r.opened[look{at.files, true}]
	if !known && !at.twice {
		f, known = r.opened[at]
	}
	r.mu.Unlock()
	if known {
		return f
	}
	if f.state, f.err = r.open(dir, c); f.err == nil && at.twice {
		f.err = r.again(dir, f.state)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opened[at] = f
	return f
}

// contentOf is a hash of the names and contents of files.
func contentOf(files map[string][]byte) preauth.Hash {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(h, "%q %d\n", name, len(files[name]))
		h.Write(files[name])
	}
	return preauth.Hash(h.Sum(nil))
}

// again fails if another start finds anything else than the first.
func (r *trial) again(dir string, first preauth.Hash) error {
	if err := r.flow.sound(dir); err != nil {
		return err
	}
	second, err := state(filepath.Join(dir, r.flow.file))
	if err == nil && second != first {
		err = fmt.Errorf("opened again, something else is stored")
	}
	return err
}

// judge counts what an image has been opened as. It must be one of the states
// from the last that was promised to the last that was reached.
func (r *trial) judge(c cut, s preauth.Hash, err error, from, to int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tally.images++
	switch {
	case err != nil:
		r.tally.corrupt++
	case slices.Contains(r.states[from:to+1], s):
	case slices.Contains(r.states[:from], s):
		r.tally.lost++
		err = fmt.Errorf("state %d was promised, %d is stored", from, slices.Index(r.states, s))
	default:
		r.tally.phantom++
		err = fmt.Errorf("what is stored never was")
	}
	if err != nil && r.first == nil {
		r.first = fmt.Errorf("power cut after op %d, image %d: %w", c.done, c.variant, err)
	}
}
