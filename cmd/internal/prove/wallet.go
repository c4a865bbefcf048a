package prove

import (
	"errors"
	"fmt"
	"slices"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// answerLimit is how long a customer waits for a till to answer.
const answerLimit = 15 * time.Second

// attachment says in which session a request can be answered, and until when.
type attachment struct {
	request preauth.Hash
	s       *session
	due     time.Time // true time
}

// wallet drives the customer role as package daemon does.
type wallet struct {
	*device
	sessions []*session
	attached []attachment
	resend   map[*session][]store.Attempt
	unknown  map[preauth.Hash]time.Time // Charges that the backend did not know, since when
}

func newWallet(w *world, p *person) *wallet { return &wallet{device: newDevice(w, p)} }

func (c *wallet) who() *person         { return c.person }
func (c *wallet) alive() bool          { return c.up() }
func (c *wallet) base() *device        { return c.device }
func (c *wallet) shows() preauth.Trust { return c.trust }

// start boots the process and ends what a restart has ended: a request that
// was shown cannot be answered any more, a voucher that may have left is in
// doubt.
func (c *wallet) start() error {
	c.sessions, c.attached, c.resend = nil, nil, make(map[*session][]store.Attempt)
	c.unknown = make(map[preauth.Hash]time.Time)
	if err := c.boot(); err != nil {
		return err
	}
	open, err := c.st.UnfinishedAttempts(ctx)
	for _, a := range open {
		if err == nil {
			err = c.step(a.Request, payment.CustomerInput{Event: payment.LinkLost}, nil)
		}
	}
	if errors.Is(err, store.ErrFull) {
		return nil
	}
	return err
}

// lists are the payments with a till whose voucher has no answer yet.
func (c *wallet) lists(till preauth.ID) []preauth.ID {
	open, err := c.st.UnfinishedAttempts(ctx)
	if err != nil {
		return nil
	}
	var ids []preauth.ID
	for _, a := range open {
		if a.State == payment.Authorized && a.Business == till && len(ids) < 8 {
			ids = append(ids, a.Payment)
		}
	}
	return ids
}

// joined sends the stored answers of unfinished payments again, the same bytes
// as before.
func (c *wallet) joined(s *session) error {
	c.sessions = append(c.sessions, s)
	if c.trust.Epoch() > s.till.shows().Epoch() && c.w.dice.chance(500) {
		if err := c.sendBundle(s, c); err != nil {
			return err
		}
	}
	open, err := c.st.UnfinishedAttempts(ctx)
	if err != nil {
		return err
	}
	for _, a := range open {
		if a.State == payment.Authorized && a.Business == s.till.who().id && slices.Contains(s.unfinished, a.Payment) {
			c.attach(a.Request, s, answerLimit)
			if err := c.sendVoucher(s, a); err != nil {
				return err
			}
		}
	}
	return nil
}

// parted deals with what a lost session leaves.
func (c *wallet) parted(s *session) error {
	c.sessions = slices.DeleteFunc(c.sessions, func(o *session) bool { return o == s })
	var mine []preauth.Hash
	c.attached = slices.DeleteFunc(c.attached, func(a attachment) bool {
		if a.s == s {
			mine = append(mine, a.request)
		}
		return a.s == s
	})
	for _, h := range mine {
		err := c.step(h, payment.CustomerInput{Event: payment.LinkLost}, nil)
		if err != nil && !errors.Is(err, payment.ErrState) && !errors.Is(err, store.ErrFull) && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}

func (c *wallet) attach(request preauth.Hash, s *session, limit time.Duration) {
	if s.custGone {
		return
	}
	c.attached = slices.DeleteFunc(c.attached, func(a attachment) bool { return a.request == request })
	c.attached = append(c.attached, attachment{request, s, c.w.now.Add(limit)})
}

// sessionOf is where a request can be answered, nil if nowhere.
func (c *wallet) sessionOf(request preauth.Hash) *session {
	for _, a := range c.attached {
		if a.request == request {
			return a.s
		}
	}
	return nil
}

// finish lets go of a request that is concluded, and of the session if it was
// the last one.
func (c *wallet) finish(s *session, request preauth.Hash) error {
	left := 0
	c.attached = slices.DeleteFunc(c.attached, func(a attachment) bool { return a.s == s && a.request == request })
	for _, a := range c.attached {
		if a.s == s {
			left++
		}
	}
	if left == 0 {
		return s.close(c)
	}
	return nil
}

// overdue ends a request that nobody answered in time, and the wait for a till
// that says nothing.
func (c *wallet) overdue(o attachment) error {
	a, err := c.st.Attempt(ctx, o.request)
	if err != nil {
		return err
	}
	if a.State != payment.Requested {
		return c.finish(o.s, o.request)
	}
	c.attach(o.request, o.s, answerLimit)
	return c.step(o.request, payment.CustomerInput{Event: payment.RequestExpired}, nil)
}

// heard handles what a till sends. An error ends the session.
func (c *wallet) heard(s *session, m message) error {
	switch m.typ {
	case secure.Request:
		return c.requested(s, m.body)
	case secure.Receipt:
		r, err := preauth.Open[*peerv1.Receipt](m.body)
		if err != nil {
			return err
		}
		return c.concluded(s, preauth.Hash(r.Body.RequestHash), c.receipt(s, m.body))
	case secure.Cancel:
		r, err := preauth.Open[*peerv1.Cancel](m.body)
		if err != nil {
			return err
		}
		return c.concluded(s, preauth.Hash(r.Body.RequestHash), c.cancel(s, m.body))
	case secure.BundlePart:
		return c.adoptBundle(m.body)
	case secure.Unknown:
		var u peerv1.Unknown
		if err := preauth.DecodeStrict(m.body, &u); err != nil {
			return err
		}
		if h, err := preauth.HashFrom(u.RequestHash); err == nil {
			return c.finish(s, h)
		}
		return nil
	case secure.Pending:
		return nil
	}
	return fmt.Errorf("%s from a till: %w", m.typ, secure.ErrProtocol)
}

// requested takes a till's Request: a new one is stored and shown, one for a
// payment that was answered already gets the stored answer.
func (c *wallet) requested(s *session, body []byte) error {
	r, err := preauth.Session{Business: s.till.who().cert, Binding: s.binding, NonceHash: s.nonceHash()}.OpenRequest(body)
	if err != nil {
		return err
	}
	if !c.enrolled() {
		return fmt.Errorf("%s may not sign", c.name)
	}
	earlier, err := c.st.AttemptsOf(ctx, preauth.ID(r.Body.PaymentId))
	if err != nil {
		return err
	}
	for _, old := range earlier {
		if old.Business != s.till.who().id || old.Request == r.Hash {
			return fmt.Errorf("request of another till, or twice: %w", preauth.ErrRequest)
		}
	}
	if before, ok := answeredBefore(earlier); ok {
		c.attach(before.Request, s, answerLimit)
		if before.State == payment.Declined {
			return s.send(c, secure.Decline, before.DeclineBytes)
		}
		return c.sendVoucher(s, before)
	}
	return c.show(s, r, earlier)
}

// show stores a new request instead of the ones that nobody has answered.
func (c *wallet) show(s *session, r preauth.Request, earlier []store.Attempt) error {
	change := &store.Change{}
	for _, old := range earlier {
		if old.State != payment.Requested {
			continue
		}
		next, _, err := old.Attempt.Step(payment.CustomerInput{Event: payment.Supersede}, c.wall())
		if err != nil {
			return err
		}
		old.Attempt = next
		change.Attempts = append(change.Attempts, old)
	}
	now := c.wall()
	a := store.Attempt{
		Attempt: payment.Attempt{
			Request: r.Hash, Payment: preauth.ID(r.Body.PaymentId), Business: preauth.ID(r.Body.BusinessDeviceId),
			State: payment.Requested, Rev: 1, UpdatedAt: now,
		},
		RequestBytes: r.Bytes, Amount: r.Body.Amount, Currency: r.Body.Currency, ResumeKey: s.resume, Online: r.Body.Online,
		CreatedAt: now, ExpiresAt: now.Add(time.Duration(r.Body.TtlMs) * time.Millisecond), Latest: true,
	}
	change.Attempts = append(change.Attempts, a)
	change.Events = events(a.Payment, []payment.Note{{Kind: payment.NoteRequestReceived}})
	c.attach(a.Request, s, time.Duration(r.Body.TtlMs)*time.Millisecond)
	return c.commit(change, r.Hash)
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

// sendVoucher sends the stored Voucher or Charge. A till whose bundle is too
// old for the certificate gets ours first.
func (c *wallet) sendVoucher(s *session, a store.Attempt) error {
	if a.Charge {
		return s.send(c, secure.Charge, a.VoucherBytes)
	}
	auth, err := c.st.Authorization(ctx, a.Preauth)
	if err != nil {
		return err
	}
	if auth.Cert.Body.MinEpoch > s.till.shows().Epoch() {
		if err := c.sendBundle(s, c); err != nil {
			return err
		}
	}
	return s.send(c, secure.Payment, encode(&peerv1.Payment{Voucher: a.VoucherBytes, PreauthCert: auth.Cert.Bytes}))
}

// verified is what a till's word comes to.
type verified func(store.Attempt, preauth.Request) (payment.CustomerInput, func(*store.Attempt, *store.Change), error)

func (c *wallet) receipt(s *session, body []byte) verified {
	return func(a store.Attempt, r preauth.Request) (payment.CustomerInput, func(*store.Attempt, *store.Change), error) {
		rc, err := preauth.OpenReceipt(body, r, a.Attempt.Voucher, s.till.who().cert)
		in := payment.CustomerInput{Event: payment.ReceiptStored}
		if err == nil && rc.Body.Status == peerv1.ReceiptStatus_RECEIPT_STATUS_SETTLED {
			in.Event = payment.ReceiptSettled
		}
		return in, func(a *store.Attempt, _ *store.Change) { a.ReceiptBytes = body }, err
	}
}

func (c *wallet) cancel(s *session, body []byte) verified {
	return func(_ store.Attempt, r preauth.Request) (payment.CustomerInput, func(*store.Attempt, *store.Change), error) {
		ca, err := preauth.OpenCancel(body, r, s.till.who().cert)
		in := payment.CustomerInput{Event: payment.CancelReceived}
		if err == nil && ca.Body.Reason == peerv1.CancelReason_CANCEL_REASON_OTHER_PAID {
			in.Event = payment.CancelOtherPaid
		}
		return in, func(a *store.Attempt, _ *store.Change) { a.CancelBytes = body }, err
	}
}

// concluded verifies what a till says about a request and steps the payment.
// What has no edge came twice or too late and is dropped.
func (c *wallet) concluded(s *session, request preauth.Hash, verify verified) error {
	a, err := c.st.Attempt(ctx, request)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	r, err := preauth.Open[*peerv1.Request](a.RequestBytes)
	if err != nil {
		return err
	}
	in, change, err := verify(a, r)
	if err != nil {
		return err
	}
	again := a.Cancel && (in.Event == payment.CancelReceived || in.Event == payment.CancelOtherPaid)
	if !again {
		a, err = c.store(a, in, change)
	}
	switch {
	case err != nil && !errors.Is(err, payment.ErrState):
		return err
	case a.State == payment.Requested || a.State == payment.Authorized:
		return nil // not what is waited for
	case a.Online && a.State == payment.Provisional && err == nil:
		c.attach(request, s, answerLimit) // the till may have the verdict in a moment
		return nil
	}
	return c.finish(s, request)
}
