package daemon

import (
	"sync"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"

	"github.com/vipaso/vipasod/preauth"
)

// progress tells user interfaces how far a payment has come. It is a courtesy
// and never waits: what must not be missed is in the event log.
type progress struct {
	mu   sync.Mutex
	subs map[preauth.ID][]chan *businessv1.Progress
}

// progressMax is how many steps may wait for one listener.
const progressMax = 64

// subscribe returns the steps of a payment from now on, and how to stop.
func (p *progress) subscribe(id preauth.ID) (<-chan *businessv1.Progress, func()) {
	ch := make(chan *businessv1.Progress, progressMax)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.subs == nil {
		p.subs = make(map[preauth.ID][]chan *businessv1.Progress)
	}
	p.subs[id] = append(p.subs[id], ch)
	return ch, func() { p.unsubscribe(id, ch) }
}

func (p *progress) unsubscribe(id preauth.ID, ch chan *businessv1.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	subs := p.subs[id]
	for i, c := range subs {
		if c == ch {
			p.subs[id] = append(subs[:i:i], subs[i+1:]...)
		}
	}
	if len(p.subs[id]) == 0 {
		delete(p.subs, id)
	}
}

func (p *progress) tell(id preauth.ID, step businessv1.ProgressStep, customers int, detail string) {
	m := &businessv1.Progress{Step: step, Customers: uint32(customers), Detail: detail}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, ch := range p.subs[id] {
		select {
		case ch <- m:
		default:
		}
	}
}
