package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// verdictLimit is how long a session with an online till waits for a verdict.
const verdictLimit = 10 * time.Second

// requested takes a till's Request: a new one is stored and shown, one for a
// payment that was accepted already is answered with the stored voucher.
func (w *wallet) requested(ctx context.Context, m *merchant, body []byte) error {
	s := preauth.Session{Business: m.cert, Binding: m.sess.Binding(), NonceHash: m.sess.NonceHash()}
	r, err := s.OpenRequest(body)
	if err != nil {
		return err
	}
	if !w.listening() {
		return nil // nobody is there to show it to; the till's ttl ends it
	}
	if w.closes(m) {
		return nil // the till asks again when it has noticed
	}
	d := w.d
	d.mu.Lock()
	a, err := w.storeRequest(ctx, m, r)
	d.mu.Unlock()
	switch {
	case err != nil:
		return err
	case a.State == payment.Declined:
		w.attach(a.Request, m, answerLimit)
		m.send(secure.Decline, a.DeclineBytes)
		return nil
	case !a.Attempt.Voucher.Zero():
		w.attach(a.Request, m, answerLimit)
		return w.sendVoucher(m, a)
	}
	d.report(a.Payment, "", a.State, "")
	m.repeat(mustEncode(&peerv1.Pending{RequestHash: a.Request[:]}))
	return nil
}

// storeRequest stores a Request that can be shown, or returns the attempt
// whose answer stands for the payment. The caller holds the lock.
//
// A payment belongs to the till that asked first: callers accept by payment
// id, and another till that has come to know it must not be paid instead.
func (w *wallet) storeRequest(ctx context.Context, m *merchant, r preauth.Request) (store.Attempt, error) {
	d := w.d
	if err := d.stillIs(m.as); err != nil {
		return store.Attempt{}, err
	}
	earlier, err := d.store.AttemptsOf(ctx, preauth.ID(r.Body.PaymentId))
	if err != nil {
		return store.Attempt{}, err
	}
	a := newAttempt(r, m)
	for _, old := range earlier {
		if old.Business != a.Business {
			return a, fmt.Errorf("payment %s is of till %s: %w", a.Payment, old.Business, preauth.ErrRequest)
		}
		if old.Request == r.Hash {
			return a, fmt.Errorf("request %s came twice: %w", r.Hash, preauth.ErrRequest)
		}
	}
	if before, ok := answeredBefore(earlier); ok {
		return before, nil
	}
	if !w.tolerates(a.Business) {
		return a, fmt.Errorf("too many requests of till %s: %w", a.Business, errAskedOften)
	}
	c := &store.Change{}
	for _, old := range earlier {
		if old.State == payment.Requested {
			next, _, err := old.Attempt.Step(payment.CustomerInput{Event: payment.Supersede}, w.d.now())
			if err != nil {
				return a, err
			}
			old.Attempt = next
			c.Attempts = append(c.Attempts, old)
		}
	}
	c.Attempts = append(c.Attempts, a)
	c.Events = attemptEvents(a, []payment.Note{{Kind: payment.NoteRequestReceived}})
	w.attach(a.Request, m, remaining(a.CreatedAt, a.ExpiresAt, w.d.now())) // before anybody can accept
	return a, d.commit(ctx, c)
}

// tolerates counts a request of a till in, unless it asks too often.
func (w *wallet) tolerates(till preauth.ID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.patience.left(till, time.Now())
}

// answered notes that a person has answered a request of a till.
func (w *wallet) answered(till preauth.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.patience.answered(till)
}

// answeredBefore finds the attempt whose answer stands for the payment: one
// with a voucher that no verified Cancel has ended, or a no.
func answeredBefore(earlier []store.Attempt) (store.Attempt, bool) {
	for _, a := range earlier {
		if a.Stands() {
			return a, true
		}
	}
	return store.Attempt{}, false
}

// newAttempt is the row of a request that was just received.
func newAttempt(r preauth.Request, m *merchant) store.Attempt {
	now := m.d.now()
	return store.Attempt{
		Attempt: payment.Attempt{
			Request: r.Hash, Payment: preauth.ID(r.Body.PaymentId), Business: preauth.ID(r.Body.BusinessDeviceId),
			State: payment.Requested, Rev: 1, UpdatedAt: now,
		},
		RequestBytes: r.Bytes, Amount: r.Body.Amount, Currency: r.Body.Currency,
		ResumeKey: m.resume, Code: m.sess.Code([16]byte(r.Body.Nonce), m.nonce), Online: r.Body.Online,
		CreatedAt: now, ExpiresAt: now.Add(time.Duration(r.Body.TtlMs) * time.Millisecond), Latest: true,
	}
}

// expire ends a request that nobody answered within its own ttl. It reports
// whether there was one, or one that an answer may still come to.
func (w *wallet) expire(request preauth.Hash) bool {
	ctx := context.Background()
	a, err := w.d.store.Attempt(ctx, request)
	if err != nil || a.State != payment.Requested {
		return false
	}
	_, err = w.d.stepAttempt(ctx, request, payment.CustomerInput{Event: payment.RequestExpired}, nil)
	if err != nil && !errors.Is(err, payment.ErrState) {
		w.d.log.Error("expiry not recorded", "error", err)
	}
	return true
}

// receipted takes a till's Receipt.
func (w *wallet) receipted(ctx context.Context, m *merchant, request preauth.Hash, body []byte) error {
	return w.concluded(ctx, m, request, func(a store.Attempt, r preauth.Request) (payment.CustomerInput, func(*store.Attempt, *store.Change), error) {
		rc, err := preauth.OpenReceipt(body, r, a.Attempt.Voucher, m.cert)
		in := payment.CustomerInput{Event: payment.ReceiptStored}
		if err == nil && rc.Body.Status == peerv1.ReceiptStatus_RECEIPT_STATUS_SETTLED {
			in.Event = payment.ReceiptSettled
		}
		return in, func(a *store.Attempt, _ *store.Change) { a.ReceiptBytes = body }, err
	})
}

// cancelled takes a till's Cancel. It is kept in every state.
func (w *wallet) cancelled(ctx context.Context, m *merchant, request preauth.Hash, body []byte) error {
	return w.concluded(ctx, m, request, func(_ store.Attempt, r preauth.Request) (payment.CustomerInput, func(*store.Attempt, *store.Change), error) {
		c, err := preauth.OpenCancel(body, r, m.cert)
		in := payment.CustomerInput{Event: payment.CancelReceived}
		if err == nil {
			in.Reason = cancelReason(c.Body)
			if c.Body.Reason == peerv1.CancelReason_CANCEL_REASON_OTHER_PAID {
				in.Event = payment.CancelOtherPaid
			}
		}
		return in, func(a *store.Attempt, _ *store.Change) { a.CancelBytes = body }, err
	})
}

// concluded verifies what a till says about a request and steps the payment.
// What has no edge came twice or too late and is dropped. When nothing more
// is expected from the till, the session is closed: that tells the till that
// everything is stored.
func (w *wallet) concluded(ctx context.Context, m *merchant, request preauth.Hash, verify func(store.Attempt, preauth.Request) (payment.CustomerInput, func(*store.Attempt, *store.Change), error)) error {
	d := w.d
	d.mu.Lock()
	a, err := d.store.Attempt(ctx, request)
	if err != nil {
		d.mu.Unlock()
		if errors.Is(err, store.ErrNotFound) {
			return nil // about a request that was never shown here
		}
		return err
	}
	r, err := preauth.Open[*peerv1.Request](a.RequestBytes)
	if err == nil {
		var in payment.CustomerInput
		var change func(*store.Attempt, *store.Change)
		if in, change, err = verify(a, r); err == nil && !said(a, in) {
			a, _, err = d.storeAttempt(ctx, a, in, change)
		}
	}
	d.mu.Unlock()
	switch {
	case err != nil && !errors.Is(err, payment.ErrState):
		return err
	case a.State == payment.Requested || a.State == payment.Authorized:
		return nil // not what is waited for
	}
	w.mu.Lock()
	delete(m.givenUp, request)
	w.mu.Unlock()
	m.repeat(nil)
	if a.Online && a.State == payment.Provisional && err == nil {
		w.attach(request, m, verdictLimit) // the till may have the verdict in a moment
	} else {
		w.finish(m, request)
	}
	return nil
}

// said reports whether a till's word changes nothing, so that repeating it
// costs no commit: one Cancel of a request is as good as any further one.
func said(a store.Attempt, in payment.CustomerInput) bool {
	return a.Cancel && (in.Event == payment.CancelReceived || in.Event == payment.CancelOtherPaid)
}

// finish lets go of a request that is concluded, and of the session if it was
// the last one.
func (w *wallet) finish(m *merchant, request preauth.Hash) {
	w.mu.Lock()
	if w.byRequest[request] == m {
		delete(w.byRequest, request)
	}
	if timer := m.timers[request]; timer != nil {
		timer.Stop()
	}
	w.mu.Unlock()
	w.part(m, true)
}

// part ends a session in which nobody waits any more; done says that a
// request has just been concluded. Whichever side announced the higher epoch
// passes its trust bundle on before that; the till's is waited for a moment.
func (w *wallet) part(m *merchant, done bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.byRequest {
		if s == m {
			return
		}
	}
	if done && m.parting == nil && m.sess.PeerEpoch() > m.as.trust.Epoch() && !m.took.Load() {
		m.parting = time.AfterFunc(bundleWait, func() { w.part(m, false) })
		return
	}
	if m.closing || !done && m.parting == nil {
		return
	}
	m.closing = true
	w.d.passBundle(m.peer)
	if len(m.givenUp) > 0 {
		m.end(secure.CloseBusy)
		return
	}
	m.end(secure.CloseDone) // what has come is stored
}

// closes reports whether the session is about to be closed from here. What is
// asked for in it could not be answered any more.
func (w *wallet) closes(m *merchant) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return m.closing
}

// deliver sends what a committed step asks for.
func (w *wallet) deliver(a store.Attempt, fx payment.Effects) {
	m := w.merchantOf(a.Request)
	if m == nil {
		return
	}
	for _, msg := range fx.Send {
		switch msg.Kind {
		case payment.SendVoucher:
			w.attach(a.Request, m, remaining(a.CreatedAt, a.ExpiresAt, w.d.now())+answerLimit)
			m.repeat(nil)
			if err := w.sendVoucher(m, a); err != nil {
				w.d.log.Error("voucher not sent; it is stored and goes out at the next meeting", "payment", a.Payment.String(), "error", err)
			}
		case payment.SendDecline:
			w.attach(a.Request, m, answerLimit)
			m.repeat(nil)
			m.send(secure.Decline, a.DeclineBytes)
		}
	}
}

// cancelReason is why a till ended a request, in words of the catalogue.
func cancelReason(c *peerv1.Cancel) string {
	if c.Reason == peerv1.CancelReason_CANCEL_REASON_REFUSED {
		return c.Code
	}
	return c.Reason.String()[len("CANCEL_REASON_"):]
}

// noRequest says that a payment cannot be answered, and why.
func noRequest(id preauth.ID, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%s: %w", id, errNoPayment)
	}
	return err
}
