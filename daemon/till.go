package daemon

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

const (
	linksMax     = 4                   // customers connected at a time
	adapterPause = time.Second         // after the radio failed
	idleAfter    = 15 * time.Second    // twice that, and a session with nothing to wait for is ended
	asksMax      = 16                  // requests of one payment to one customer
	owedFor      = 60 * 24 * time.Hour // how long outcomes are kept for the customer to come back
)

// till drives the business role: while a payment is open, or a receipt or
// cancel is owed, it scans, dials what it may want, and talks to each
// customer in a session of its own.
type till struct {
	d    *Device
	wake signal // something to look at: a sale opened or ended, a link ended

	mu        sync.Mutex
	payers    map[link.EID]*payer     // nil while a link is dialled or shakes hands
	byRequest map[preauth.Hash]*payer // the session a request was made for
	dials     dials
	acked     map[preauth.Hash]bool // outcomes that their customer has stored
	timer     timer
	progress  progress
	visits    visits
	rereads   bool // what could not be read is about to be read again
}

func newTill(d *Device) *till {
	return &till{
		d: d, payers: make(map[link.EID]*payer),
		byRequest: make(map[preauth.Hash]*payer),
		acked:     make(map[preauth.Hash]bool),
	}
}

// run serves the till until ctx ends.
func (t *till) run(ctx context.Context) error {
	done := make(chan struct{})
	var sessions sync.WaitGroup
	go func() {
		defer close(done)
		t.deadlines(ctx)
	}()
	t.scan(ctx, &sessions)
	sessions.Wait()
	<-done
	return ctx.Err()
}

// deadlines ends a payment that nobody paid in time, or that every customer
// in range has declined.
func (t *till) deadlines(ctx context.Context) {
	for ctx.Err() == nil {
		wake := t.wake.wait()
		sale, open, err := t.d.store.OpenSale(ctx)
		var at time.Time
		var ev payment.BusinessEvent
		if err == nil && open {
			at, ev, err = t.ends(ctx, sale)
		}
		if err != nil && ctx.Err() == nil {
			t.d.log.Error("open payment not read", "error", err)
			pause(ctx, adapterPause)
			continue
		}
		if !open || t.d.self.Load().Locked {
			select {
			case <-wake:
			case <-ctx.Done():
			}
			continue
		}
		timer := time.NewTimer(time.Until(at))
		select {
		case <-wake:
		case <-ctx.Done():
		case <-timer.C:
			if _, err := t.d.stepSale(ctx, sale.ID, saleStep{in: payment.BusinessInput{Event: ev}}); err != nil && !errors.Is(err, payment.ErrState) {
				t.d.log.Error("payment not ended", "payment", sale.ID.String(), "error", err)
				pause(ctx, adapterPause)
			}
		}
		timer.Stop()
	}
}

// scan looks for customers while there is a reason to.
func (t *till) scan(ctx context.Context, sessions *sync.WaitGroup) {
	var ear *ear // nil while the till does not listen
	var c crowd
	defer func() { t.deafen(ctx, ear) }()
	for ctx.Err() == nil {
		wake := t.wake.wait()
		aim := t.aim(ctx)
		if t.d.opt.Radio == nil || !aim.any() {
			t.deafen(ctx, ear)
			ear = nil
			select {
			case <-wake:
			case <-ctx.Done():
			}
			continue
		}
		if ear == nil {
			var err error
			if ear, err = t.d.ears.open(ctx); err != nil {
				t.d.log.Warn("scan", "error", err)
				pause(ctx, adapterPause)
				continue
			}
		}
		c.aim = aim
		t.watch(ctx, ear, wake, &c, sessions)
	}
}

// deafen stops listening, if the till does.
func (t *till) deafen(ctx context.Context, ear *ear) {
	if ear == nil {
		return
	}
	if err := t.d.ears.close(ctx, ear); err != nil && ctx.Err() == nil {
		t.d.log.Warn("scan not stopped", "error", err)
	}
}

// aim is whom the till looks for.
type aim struct {
	sale store.Sale // with State OPEN, if any
	open bool
	owed [][16]byte // resume keys of customers who wait for an outcome
	// visit: a customer who does not know of a reversal may be any of those
	// who are near.
	visit bool
}

func (a aim) any() bool { return a.open || len(a.owed) > 0 }

// aim reads from the store whom to look for. What could not be read is read
// again in a moment.
func (t *till) aim(ctx context.Context) aim {
	var a aim
	sale, open, err := t.d.store.OpenSale(ctx)
	t.unread("open payment not read", err)
	a.sale, a.open = sale, err == nil && open && sale.State == payment.Open
	owed, err := t.d.store.OwedAsks(ctx)
	t.unread("owed outcomes not read", err)
	for _, o := range owed {
		if t.d.clock.Floor().Sub(o.CreatedAt) < owedFor && !t.isAcked(o.Request) {
			a.owed = append(a.owed, o.ResumeKey)
			a.visit = a.visit || seeks(o, time.Now())
		}
	}
	a.visit = a.visit && t.mayVisit()
	if a.open {
		asks, err := t.d.store.AsksOf(ctx, sale.ID)
		t.unread("requests not read", err)
		for _, k := range asks {
			if !k.Answered() {
				a.owed = append(a.owed, k.ResumeKey)
			}
		}
	}
	return a
}

// unread has the till look again after a read that failed, if it did: nobody
// else wakes it while nothing changes. However many fail until then, it looks
// once.
func (t *till) unread(what string, err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rereads {
		return
	}
	t.rereads = true
	t.d.log.Error(what, "error", err)
	time.AfterFunc(adapterPause, func() {
		t.mu.Lock()
		t.rereads = false
		t.mu.Unlock()
		t.wake.fire()
	})
}

func (t *till) isAcked(request preauth.Hash) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.acked[request]
}

// wants reports whether an advertisement may be a customer to talk to.
func (a aim) wants(b link.Beacon) bool {
	if b.Resume {
		for _, key := range a.owed {
			if link.MatchesResume(key, b.EID) {
				return true
			}
		}
	}
	if !a.open {
		return a.visits(b)
	}
	if !a.sale.Tag.Zero() {
		return b.Targeted && link.MatchesResume(a.sale.Tag, b.EID)
	}
	return !b.Targeted
}

// forgetDials lets a new payment dial everybody again.
func (t *till) forgetDials() {
	t.mu.Lock()
	t.dials = dials{}
	t.mu.Unlock()
	t.wake.fire()
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// watchIdle ends p's session when it has had nothing to wait for during a
// whole interval, until stop is called: a customer that does not close holds
// one of few links.
func (t *till) watchIdle(ctx context.Context, p *payer) (stop func()) {
	ctx, stop = context.WithCancel(ctx)
	go func() {
		tick := time.NewTicker(idleAfter)
		defer tick.Stop()
		for idle := false; ; {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			was := idle
			if idle = !t.waitsFor(ctx, p); idle && was {
				p.close(secure.CloseDone)
				return
			}
		}
	}()
	return stop
}

// waitsFor reports whether an open payment waits for p's answer, or p for its
// outcome.
func (t *till) waitsFor(ctx context.Context, p *payer) bool {
	sale, open, err := t.d.store.OpenSale(ctx)
	if err != nil || !open {
		return false
	}
	for _, a := range sale.Asks {
		if t.payerOf(a.Request) == p && (!a.Answered() || a.Request == sale.Winner) {
			return true
		}
	}
	return false
}

// endSessions ends every session, or, with newer, the older ones with the same
// customer: they are lost, or one too many.
func (t *till) endSessions(newer *payer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.payers {
		if p == nil || newer != nil && !newer.replaces(p) {
			continue
		}
		go p.close(secure.CloseBusy)
	}
}
