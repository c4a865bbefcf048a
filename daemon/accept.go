package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
	"github.com/vipaso/vipasod/store"
)

// boundLimit bounds how long an online customer waits for a pre-authorization
// made for one request, before it pays from what it has.
const boundLimit = 2 * time.Second

// acceptance is a customer's consent to one request.
type acceptance struct {
	call       store.Call
	payment    preauth.ID
	amount     money.Amount
	tip        int64
	instrument preauth.ID
	delegated  bool
	epoch      uint64 // of the till's trust bundle, as it announced it
}

// accept stores a voucher, or a Charge, for a request and sends it. It
// returns when the till has answered, or when the payment is unconfirmed:
// then it is AUTHORIZED, which is neither an error nor a failure. An accepted
// payment is never accepted twice, whatever call asks again.
func (d *Device) accept(ctx context.Context, q acceptance) (store.Attempt, error) {
	q.call.Subject = q.payment
	a, err := d.accepted(ctx, q)
	if err == nil && a.Attempt.Voucher.Zero() {
		a, err = d.promise(ctx, a, q)
	}
	if err != nil {
		return store.Attempt{}, err
	}
	if err := d.remember(ctx, q.call); err != nil { // what was accepted stands all the same
		d.log.Warn("accept not remembered", "payment", q.payment.String(), "error", err)
	}
	return d.awaitReceipt(ctx, a)
}

// accepted finds the request, and checks the call against what has been
// accepted of the payment before.
func (d *Device) accepted(ctx context.Context, q acceptance) (store.Attempt, error) {
	_, known, err := d.knownCall(ctx, q.call)
	if err != nil {
		return store.Attempt{}, err
	}
	all, err := d.store.AttemptsOf(ctx, q.payment)
	if err != nil {
		return store.Attempt{}, noRequest(q.payment, err)
	}
	if len(all) == 0 {
		return store.Attempt{}, fmt.Errorf("%s: %w", q.payment, errNoPayment)
	}
	a := all[0]
	if before, ok := answeredBefore(all); ok {
		a = before
	} else if i := slices.IndexFunc(all, func(a store.Attempt) bool { return !a.Attempt.Voucher.Zero() }); known && i >= 0 {
		a = all[i] // what this call accepted, though a Cancel has ended it
	}
	return a, matches(a, q)
}

// matches says why a is not what the call accepts. That a payment has ended
// without money comes first: no other amount would help.
func matches(a store.Attempt, q acceptance) error {
	accepted := !a.Attempt.Voucher.Zero()
	same := a.Currency == q.amount.Currency && a.Amount == q.amount.Minor && (!accepted || a.Tip == q.tip)
	total := money.Amount{Minor: a.Amount + a.Tip, Currency: a.Currency}
	switch {
	case a.State != payment.Requested && (!accepted || !same && a.State.Funds() == payment.Free):
		return fmt.Errorf("%s is %s: %w", q.payment, a.State, payment.ErrState)
	case a.Currency != q.amount.Currency:
		return fmt.Errorf("%s asked, not %s: %w", a.Currency, q.amount.Currency, preauth.ErrCurrency)
	case !same && accepted:
		return fmt.Errorf("%s was accepted before: %w", total, preauth.ErrAmount)
	case !same:
		return fmt.Errorf("%s asked, not %s: %w", total, q.amount, preauth.ErrAmount)
	}
	return nil
}

// promise signs and stores the voucher or Charge for a, and has it sent.
func (d *Device) promise(ctx context.Context, a store.Attempt, q acceptance) (store.Attempt, error) {
	who, err := d.enrolled()
	if err != nil {
		return a, err
	}
	r, err := preauth.Open[*peerv1.Request](a.RequestBytes)
	if err != nil {
		return a, err
	}
	if err := preauth.CheckTip(r, q.tip); err != nil { // before anything is set aside or signed
		return a, err
	}
	if who.trust.Revoked(a.Business) {
		return a, fmt.Errorf("till %s: %w", a.Business, preauth.ErrRevoked)
	}
	ins, err := d.instrument(ctx, q)
	if err != nil {
		return a, err
	}
	m := d.wallet.merchantOf(a.Request)
	if m == nil {
		return a, fmt.Errorf("the till is out of reach: %w", link.ErrLost)
	}
	q.epoch = m.sess.PeerEpoch()
	if !a.Online {
		d.bind(ctx, who, r, ins, q.tip)
	}
	return d.stepAccept(ctx, who, r, ins, q)
}

// stepAccept draws the voucher and stores everything about it in one commit.
func (d *Device) stepAccept(ctx context.Context, who *self, r preauth.Request, ins store.Instrument, q acceptance) (store.Attempt, error) {
	a, fx, err := d.storeAccept(ctx, who, r, ins, q)
	switch {
	case errors.Is(err, store.ErrExists): // the same call, at the same time
		return d.accepted(ctx, q)
	case err != nil:
		return a, err
	}
	if len(fx.Send) == 0 { // another call was faster
		return d.accepted(ctx, q)
	}
	d.wallet.answered(a.Business)
	d.wallet.deliver(a, fx)
	time.AfterFunc(receiptLimit, func() { d.unanswered(a.Request) })
	return a, nil
}

// storeAccept is stepAccept under the lock, which is free again even if that
// panics, as in storeStep.
func (d *Device) storeAccept(ctx context.Context, who *self, r preauth.Request, ins store.Instrument, q acceptance) (store.Attempt, payment.Effects, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a, err := d.store.Attempt(ctx, r.Hash)
	if err != nil || !a.Attempt.Voucher.Zero() {
		return a, payment.Effects{}, err
	}
	if err := d.stillIs(who); err != nil { // logged out, or revoked, since the caller was asked
		return a, payment.Effects{}, err
	}
	who = d.self.Load() // which may trust less by now
	auth, signed, hash, err := d.draw(ctx, who, r, ins, q.tip)
	if err != nil {
		return a, payment.Effects{}, err
	}
	charge := auth.Cert.Zero()
	guaranteed, err := d.guaranteedAt(ctx, who.trust.TillBundleAge(q.epoch, d.now()), auth, a.Business, a.Amount+q.tip)
	if err != nil {
		return a, payment.Effects{}, err
	}
	in := payment.CustomerInput{Event: payment.Accept, Voucher: hash, Charge: charge}
	return d.storeAttempt(ctx, a, in, func(a *store.Attempt, c *store.Change) {
		a.VoucherBytes, a.Tip, a.Instrument, a.Delegated = signed, q.tip, ins.ID, ins.Delegated
		if !charge {
			a.Preauth, a.Counter = auth.ID(), auth.Counter+1
			a.SettleBy = time.UnixMilli(auth.Cert.Body.SettleByMs)
			a.Guaranteed = guaranteed
		}
		c.Call = &q.call
	})
}

// guaranteedAt is what the issuer pays a till of total in any case, by the
// rule that the till goes by, as far as the customer knows: a till may have
// heard the backend at another time than the customer, and its own number
// counts.
func (d *Device) guaranteedAt(ctx context.Context, bundleAge time.Duration, auth preauth.Authorization, till preauth.ID, total int64) (int64, error) {
	if auth.Cert.Zero() {
		return 0, nil
	}
	used, err := d.store.GuaranteedAt(ctx, auth.ID(), till)
	return preauth.Guaranteed(auth.Cert, total, used, bundleAge), err
}

// draw signs a voucher on the pre-authorization that fits, or, if there is
// none and the till is online, a Charge; the pre-authorization is then zero.
func (d *Device) draw(ctx context.Context, who *self, r preauth.Request, ins store.Instrument, tip int64) (preauth.Authorization, []byte, preauth.Hash, error) {
	all, err := d.spendable(ctx, who)
	if err != nil {
		return preauth.Authorization{}, nil, preauth.Hash{}, err
	}
	auth, err := preauth.Select(all, ins.ID, r, tip, d.now())
	if err != nil {
		if !r.Body.Online {
			return preauth.Authorization{}, nil, preauth.Hash{}, err
		}
		c, err := preauth.Sign(d.opt.Keys.Signing, &peerv1.Charge{
			InstrumentRef: ins.ID[:], RequestHash: r.Hash[:], Amount: r.Body.Amount, Tip: tip,
			Currency: r.Body.Currency, CustomerDeviceId: who.cert.Body.DeviceId,
		})
		return preauth.Authorization{}, c.Bytes, c.Hash, err
	}
	if err := d.mayPay(ctx, who, r, tip); err != nil {
		return preauth.Authorization{}, nil, preauth.Hash{}, err
	}
	body, err := auth.Draw(r, tip, d.now())
	if err != nil {
		return preauth.Authorization{}, nil, preauth.Hash{}, err
	}
	v, err := preauth.Sign(d.opt.Keys.Signing, body)
	return auth, v.Bytes, v.Hash, err
}

// mayPay says which limit keeps the device from paying a request, before it
// signs anything.
func (d *Device) mayPay(ctx context.Context, who *self, r preauth.Request, tip int64) error {
	e, err := d.exposure(ctx, who)
	if err != nil {
		return err
	}
	var unread error
	e.With = d.dealings(ctx, preauth.ID(r.Body.BusinessDeviceId), r.Body.Currency, &unread)
	err = e.Check(r.Body.Currency, r.Body.Amount+tip)
	return errors.Join(unread, err)
}

// bind fetches a pre-authorization that can pay this request only, if the
// customer has a network: then the till is guaranteed all of it. Without one
// the customer pays from what was set aside before.
func (d *Device) bind(ctx context.Context, who *self, r preauth.Request, ins store.Instrument, tip int64) {
	if !d.sync.Online() || !ins.PreAuthCapable || ins.Currency != r.Body.Currency {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, boundLimit)
	defer cancel()
	id := preauth.ID(uuid.NewSHA1(uuid.NameSpaceOID, r.Hash[:]))
	got, err := d.sync.PreAuthorize(ctx, id, ins.ID, r.Body.Amount+tip, r.Body.Currency, r.Bytes)
	if err != nil {
		d.log.Info("no pre-authorization for this request", "error", err)
		return
	}
	if _, err := d.keep(ctx, got, ins, nil); err != nil {
		d.log.Error("pre-authorization not stored", "error", err)
	}
}

// instrument finds what the customer pays with.
func (d *Device) instrument(ctx context.Context, q acceptance) (store.Instrument, error) {
	all, err := d.store.Instruments(ctx)
	if err != nil {
		return store.Instrument{}, err
	}
	for _, i := range all {
		if i.ID != q.instrument {
			continue
		}
		if i.Delegated != q.delegated {
			return i, fmt.Errorf("%s: %w", i.ID, errDelegated)
		}
		return i, nil
	}
	return store.Instrument{}, fmt.Errorf("%s: %w", q.instrument, errNoInstrument)
}

// unanswered says, once, that a voucher without a receipt is in doubt.
func (d *Device) unanswered(request preauth.Hash) {
	ctx := context.Background()
	a, err := d.store.Attempt(ctx, request)
	if err != nil || a.State != payment.Authorized || a.Doubtful {
		return
	}
	if _, err := d.stepAttempt(ctx, request, payment.CustomerInput{Event: payment.Unanswered}, nil); err != nil && !errors.Is(err, payment.ErrState) {
		d.log.Error("doubt not recorded", "error", err)
	}
}

// awaitReceipt waits until a has left AUTHORIZED or is in doubt.
func (d *Device) awaitReceipt(ctx context.Context, a store.Attempt) (store.Attempt, error) {
	for {
		changed := d.hub.changed.wait()
		now, err := d.store.Attempt(context.WithoutCancel(ctx), a.Request)
		if err != nil || now.State != payment.Authorized || now.Doubtful {
			return now, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return now, nil // stored: the caller gets the state, never an error
		}
	}
}

// decline says no to a request.
func (d *Device) decline(ctx context.Context, call store.Call, id preauth.ID, reason string) (store.Attempt, error) {
	if _, _, err := d.knownCall(ctx, call); err != nil {
		return store.Attempt{}, err
	}
	all, err := d.store.AttemptsOf(ctx, id)
	if err != nil || len(all) == 0 {
		return store.Attempt{}, fmt.Errorf("%s: %w", id, errors.Join(errNoPayment, err))
	}
	a := all[0]
	call.Subject = id
	if a.State == payment.Declined {
		return a, d.remember(ctx, call)
	}
	no, err := preauth.Sign(d.opt.Keys.Signing, &peerv1.Decline{RequestHash: a.Request[:], Reason: reason})
	if err != nil {
		return a, fmt.Errorf("reason: %w", err)
	}
	stepped, err := d.stepAttempt(ctx, a.Request, payment.CustomerInput{Event: payment.Decline, Reason: reason}, func(a *store.Attempt, c *store.Change) {
		a.DeclineBytes, c.Call = no.Bytes, &call
	})
	if err != nil { // another call may have been faster
		if now, errNow := d.store.Attempt(ctx, a.Request); errNow == nil && now.State == payment.Declined {
			return now, d.remember(ctx, call)
		}
		return a, err
	}
	d.wallet.answered(a.Business)
	return stepped, nil
}

// preAuthorize has the issuer set funds aside. When it returns, the
// certificate is on disk.
func (d *Device) preAuthorize(ctx context.Context, call store.Call, instrument preauth.ID, amount money.Amount) (store.Authorization, error) {
	if c, known, err := d.knownCall(ctx, call); known || err != nil {
		if err != nil {
			return store.Authorization{}, err
		}
		return d.store.Authorization(ctx, c.Subject)
	}
	if _, err := d.enrolled(); err != nil {
		return store.Authorization{}, err
	}
	ins, err := d.ownInstrument(ctx, instrument)
	if err != nil {
		return store.Authorization{}, err
	}
	switch {
	case !ins.PreAuthCapable:
		return store.Authorization{}, fmt.Errorf("%s: %w", ins.ID, errNotCapable)
	case ins.Currency != amount.Currency:
		return store.Authorization{}, fmt.Errorf("instrument is in %s: %w", ins.Currency, preauth.ErrCurrency)
	}
	got, err := d.sync.PreAuthorize(ctx, call.RequestID, instrument, amount.Minor, amount.Currency, nil)
	if err != nil {
		return store.Authorization{}, err
	}
	return d.keep(ctx, got, ins, &call)
}

func (d *Device) ownInstrument(ctx context.Context, id preauth.ID) (store.Instrument, error) {
	all, err := d.store.Instruments(ctx)
	if err != nil {
		return store.Instrument{}, err
	}
	for _, i := range all {
		if i.ID == id {
			return i, nil
		}
	}
	return store.Instrument{}, fmt.Errorf("%s: %w", id, errNoInstrument)
}
