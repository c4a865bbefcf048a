package radio

import (
	"context"
	"fmt"
	"maps"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/sim"
)

// rude is a radio that has refused something.
type rude struct {
	link.Radio
	conn    net.Conn
	mu      sync.Mutex
	refused map[string]uint64
}

func (r *rude) refuse(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused[what]++
}

func (r *rude) Status() link.Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.Radio.Status()
	s.Refused = maps.Clone(r.refused)
	return s
}

// TestRefused carries the counts of two radio processes, one after the other,
// to their client, without a link or the adapter's state being touched.
func TestRefused(t *testing.T) {
	air := sim.NewAir(1, sim.Conditions{})
	defer air.Close()
	processes := make(chan *rude, 10)
	c := NewClient(Options{Dial: func(context.Context) (net.Conn, error) {
		ours, theirs, err := socketpair()
		if err != nil {
			return nil, err
		}
		defer theirs.Close()
		far, err := net.FileConn(theirs)
		if err != nil {
			return nil, err
		}
		r := &rude{Radio: air.Join("rude"), refused: map[string]uint64{}, conn: far}
		go func() {
			Serve(t.Context(), far, r, nil)
			r.Close()
		}()
		processes <- r
		return ours, nil
	}})
	run(t, c)
	is := func(want map[string]uint64, restarts uint32) {
		t.Helper()
		limit := time.After(patience)
		for {
			got := c.Status()
			if maps.Equal(got.Refused, want) && got.Up && got.Restarts == restarts {
				return
			}
			select {
			case <-time.After(10 * time.Millisecond):
			case <-limit:
				t.Fatalf("%+v, want %v and %d restarts", got, want, restarts)
			}
		}
	}
	first := <-processes
	is(nil, 0)
	first.refuse("prepared write")
	first.refuse("prepared write")
	is(map[string]uint64{"prepared write": 2}, 0)
	first.refuse("empty PDU")
	is(map[string]uint64{"prepared write": 2, "empty PDU": 1}, 0)
	first.conn.Close() // the process has died
	second := <-processes
	is(map[string]uint64{"prepared write": 2, "empty PDU": 1}, 1)
	second.refuse("prepared write")
	is(map[string]uint64{"prepared write": 3, "empty PDU": 1}, 1)
}

// TestTallyBound: a radio process that makes up kinds takes no more room.
func TestTallyBound(t *testing.T) {
	var a tally
	for process := range 5 {
		counts := map[string]uint64{}
		for i := range 3 * kindsMax {
			counts[fmt.Sprintf("process %d, kind %d", process, i)] = 1
		}
		a.report(counts)
		a.restart()
	}
	if n := len(a.total()); n != kindsMax {
		t.Errorf("%d kinds", n)
	}
}
