package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

const (
	rotateMin = 10 * time.Minute // identifiers on the air live between these
	rotateMax = 15 * time.Minute
	turnEvery = 3 * time.Second  // while there are several reasons to advertise, each has its turn
	lostPause = 10 * time.Second // before a lost link that could not be stored is stored again
	recentFor = 60 * time.Second // how long a till may answer an old advertisement
)

// wallet drives the customer role: while a user interface listens, or a
// payment is AUTHORIZED, it advertises, and talks to each till that dials in a
// session of its own.
type wallet struct {
	d    *Device
	wake signal // listeners or unfinished payments changed

	mu        sync.Mutex
	listeners map[int]preauth.ID // tag of each, zero for any
	nextID    int
	sessions  map[*merchant]struct{}
	byRequest map[preauth.Hash]*merchant
	sent      []advert // newest last
	rotate    bool     // a payment has ended: take a new identifier
	links     int      // accepted links, shaking hands or in session
	patience  patience
	lost      []preauth.Hash             // whose link was lost when the store took no write
	unheard   map[preauth.Hash]time.Time // Charges that the backend did not know, since when by its time
}

// advert is an advertisement and until when a till may answer it.
type advert struct {
	data []byte
	last time.Time // when it was last on the air; zero while it still is
}

func newWallet(d *Device) *wallet {
	return &wallet{
		d: d, listeners: make(map[int]preauth.ID),
		sessions: make(map[*merchant]struct{}), byRequest: make(map[preauth.Hash]*merchant), patience: make(patience),
		unheard: make(map[preauth.Hash]time.Time),
	}
}

// recover ends what a restart has ended: a request that was shown cannot be
// answered any more, and a voucher that may have left is in doubt.
func (w *wallet) recover(ctx context.Context) error {
	open, err := w.d.store.UnfinishedAttempts(ctx)
	if err != nil {
		return err
	}
	for _, a := range open {
		if a.State == payment.Provisional {
			continue
		}
		if _, err := w.d.stepAttempt(ctx, a.Request, payment.CustomerInput{Event: payment.LinkLost}, nil); err != nil {
			return err
		}
	}
	return nil
}

// run serves the customer device until ctx ends.
func (w *wallet) run(ctx context.Context) error {
	var sessions sync.WaitGroup
	defer sessions.Wait()
	if w.d.opt.Radio == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	sessions.Go(func() { w.advertise(ctx) })
	for {
		l, err := w.d.opt.Radio.Accept(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			pause(ctx, adapterPause)
		case w.crowded():
			l.Close("busy")
		default:
			sessions.Go(func() {
				defer w.left()
				w.serve(ctx, l)
			})
		}
	}
}

// crowded counts a link in, unless there are as many as a device can serve: a
// stranger may open links for as long as it likes.
func (w *wallet) crowded() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.links >= linksMax {
		return true
	}
	w.links++
	return false
}

func (w *wallet) left() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.links--
}

// listen makes the device discoverable until stop is called. tag, if there is
// one, is what the customer read at the till.
func (w *wallet) listen(tag preauth.ID) (stop func()) {
	w.mu.Lock()
	id := w.nextID
	w.nextID++
	w.listeners[id] = tag
	w.mu.Unlock()
	w.wake.fire()
	return func() {
		w.mu.Lock()
		delete(w.listeners, id)
		w.mu.Unlock()
		w.wake.fire()
	}
}

// listening reports whether a user interface is there to show a request.
func (w *wallet) listening() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.listeners) > 0
}

// advertise keeps the right thing on the air. What it advertises for may be
// several things, which do not fit into one advertisement: they take turns.
func (w *wallet) advertise(ctx context.Context) {
	var now purpose // zero while nothing is on the air
	var until time.Time
	for turn := 0; ctx.Err() == nil; turn++ {
		wake := w.wake.wait()
		all := w.purposes(ctx)
		switch {
		case len(all) == 0 && now != purpose{}:
			now = purpose{}
			w.put(ctx, link.Advertisement{})
		case len(all) > 0 && !w.linked():
			fresh := w.takeRotate() || !slices.Contains(all, now)
			if !fresh && time.Now().Before(until) {
				break
			}
			now = all[turn%len(all)]
			until = time.Now().Add(rotateMin + mathrand.N(rotateMax-rotateMin))
			if len(all) > 1 {
				until = time.Now().Add(turnEvery)
			}
			w.put(ctx, link.Advertisement{On: true, ServiceData: now.beacon().Encode(), ReadValue: readValue()})
		}
		pause := max(time.Second, time.Until(until))
		if w.loseAgain(ctx) {
			pause = min(pause, lostPause)
		}
		timer := time.NewTimer(pause)
		select {
		case <-wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// put changes what is on the air, and remembers it for the tills that answer.
func (w *wallet) put(ctx context.Context, a link.Advertisement) {
	w.mu.Lock()
	now := time.Now()
	kept := w.sent[:0]
	for _, s := range w.sent {
		if s.last.IsZero() {
			s.last = now
		}
		if now.Sub(s.last) < recentFor {
			kept = append(kept, s)
		}
	}
	w.sent = kept
	if a.On {
		w.sent = append(w.sent, advert{data: a.ServiceData})
	}
	w.mu.Unlock()
	if err := w.d.opt.Radio.Advertise(ctx, a); err != nil && ctx.Err() == nil {
		w.d.log.Warn("advertise", "on", a.On, "error", err)
	}
	w.d.changed.fire()
}

// recent reports whether this device sent the advertisement lately.
func (w *wallet) recent(data []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sent {
		if string(s.data) == string(data) && (s.last.IsZero() || time.Since(s.last) < recentFor) {
			return true
		}
	}
	return false
}

// purpose is one thing that the device advertises for: to be asked by any
// till, by the one whose tag was read, or to resume a payment with its till.
// Any till may dial for the last one, too.
type purpose struct {
	listen bool
	tag    preauth.ID
	resume [16]byte // of the unfinished payment, zero for none
}

// purposes reads what there is to advertise for.
func (w *wallet) purposes(ctx context.Context) []purpose {
	open, err := w.d.store.UnfinishedAttempts(ctx)
	if err != nil {
		w.d.log.Error("unfinished payments not read", "error", err)
	}
	var all []purpose
	for _, a := range slices.Backward(open) {
		if a.State == payment.Authorized && !w.live(a.Request) && len(all) < unfinishedMax {
			all = append(all, purpose{resume: a.ResumeKey})
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	any, resumes := false, len(all)
	for _, tag := range w.listeners {
		if p := (purpose{listen: true, tag: tag}); !tag.Zero() && !slices.Contains(all, p) {
			all = append([]purpose{p}, all...)
		}
		any = any || tag.Zero()
	}
	if any && resumes == 0 {
		all = append(all, purpose{listen: true})
	}
	return all
}

// beacon is what to put on the air for p, with a fresh identifier.
func (p purpose) beacon() link.Beacon {
	b := link.Beacon{Version: secure.VersionMax, BaseHandle: link.DefaultBaseHandle}
	var r [3]byte
	rand.Read(r[:])
	switch {
	case p.resume != [16]byte{}:
		b.Resume, b.EID = true, link.ResumeEID(p.resume, r)
	case !p.tag.Zero():
		b.Targeted, b.EID = true, link.ResumeEID(p.tag, r)
	default:
		rand.Read(b.EID[:])
	}
	return b
}

func (w *wallet) takeRotate() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.rotate
	w.rotate = false
	return r
}

func (w *wallet) linked() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.sessions) > 0
}

func (w *wallet) live(request preauth.Hash) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.byRequest[request]
	return ok
}

// releaseBefore frees holds whose settle_by is before a time that the backend
// signed.
func (w *wallet) releaseBefore(ctx context.Context, signed time.Time) error {
	held, err := w.d.store.HeldPast(ctx, signed)
	if err != nil {
		return err
	}
	for _, a := range held {
		in := payment.CustomerInput{Event: payment.SettleByPassed}
		if _, err := w.d.stepAttempt(ctx, a.Request, in, nil); err != nil && !errors.Is(err, payment.ErrState) {
			return err
		}
	}
	return nil
}

// stepAttempt steps a customer's payment by an event, stores it and sends
// what follows. change may fill in what else the row gets; it is called with
// the lock held.
func (d *Device) stepAttempt(ctx context.Context, request preauth.Hash, in payment.CustomerInput, change func(*store.Attempt, *store.Change)) (store.Attempt, error) {
	a, fx, err := d.storeAttemptStep(ctx, request, in, change)
	if err != nil {
		return a, err
	}
	d.wallet.deliver(a, fx)
	return a, nil
}

// storeAttemptStep reads, steps and stores a payment under the lock, which is
// free again even if that panics, as in storeStep.
func (d *Device) storeAttemptStep(ctx context.Context, request preauth.Hash, in payment.CustomerInput, change func(*store.Attempt, *store.Change)) (store.Attempt, payment.Effects, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a, err := d.store.Attempt(ctx, request)
	if err != nil {
		return a, payment.Effects{}, err
	}
	return d.storeAttempt(ctx, a, in, change)
}

// storeAttempt steps and stores a. The caller holds the lock.
func (d *Device) storeAttempt(ctx context.Context, a store.Attempt, in payment.CustomerInput, change func(*store.Attempt, *store.Change)) (store.Attempt, payment.Effects, error) {
	next, fx, err := a.Attempt.Step(in, d.now())
	if err != nil {
		return a, payment.Effects{}, err
	}
	from := a.State
	a.Attempt = next
	c := &store.Change{}
	if change != nil {
		change(&a, c)
	}
	c.Attempts = append(c.Attempts, a)
	c.Events = append(c.Events, attemptEvents(a, fx.Notes)...)
	for _, it := range fx.Outbox {
		key := store.ItemKey{Kind: it.Kind, Request: a.Request}
		if handedIn(c, key) {
			continue
		}
		c.Outbox = append(c.Outbox, store.Item{
			ItemKey: key, Payment: a.Payment, Currency: a.Currency, Total: a.Amount + a.Tip,
			CreatedAt: d.now(), Deadline: deadlineOf(a),
		})
	}
	if err := d.commit(ctx, c); err != nil {
		return a, payment.Effects{}, err
	}
	if from != next.State {
		d.report(a.Payment, from, next.State, next.Reason)
		d.wallet.wake.fire() // what there is to advertise for may have changed
	}
	if len(c.Outbox) > 0 {
		d.sync.Kick()
	}
	return a, fx, nil
}

// deadlineOf is when the backend stops taking what the attempt hands in.
func deadlineOf(a store.Attempt) time.Time {
	if a.SettleBy.IsZero() {
		return a.CreatedAt.Add(30 * 24 * time.Hour)
	}
	return a.SettleBy
}

// endSessions ends every session.
func (w *wallet) endSessions() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for m := range w.sessions {
		go m.close(secure.CloseBusy)
	}
}
