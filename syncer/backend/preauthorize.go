package backend

import (
	"context"
	"errors"
	"fmt"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/ledger"
	"github.com/vipaso/vipasod/preauth/money"
)

// paymentsMax bounds the vouchers of one pre-authorization.
const paymentsMax = 1000

// How many pre-authorizations a device may have, those bound to a request
// aside. The issuer owes its guarantee to every till a pre-authorization was
// spent at, so a customer and a till who collude can cost it at most the sum
// of the guarantees of those that can still be claimed, at that till. No
// guarantee exceeds what was set aside for it, and these two bound how many
// there are: without them, many small reserves would buy many guarantees.
const (
	openMax      = 16 // that can be spent
	claimableMax = 64 // that can be claimed: voided and run out ones as well
)

// PreAuthorize sets funds aside and certifies them. The same request id with
// the same content gets the same certificate again.
func (s *Server) PreAuthorize(ctx context.Context, r *backendv1.PreAuthorizeRequest) (*backendv1.PreAuthorizeResponse, error) {
	c, now := from(ctx), s.now()
	if err := wantCustomer(c); err != nil {
		return nil, err
	}
	var bound preauth.Request
	if len(r.BoundRequest) > 0 {
		var err error
		if bound, err = s.openBound(r); err != nil {
			return nil, err
		}
	}
	resp := &backendv1.PreAuthorizeResponse{Time: s.signedTime(now)}
	err := s.store.Write(ctx, func(t Tx) error {
		if err := t.sound(c); err != nil {
			return err
		}
		h, err := s.reserve(t, c, r, bound, now)
		if err != nil {
			return err
		}
		return s.preauthorized(t, c, h, resp, now)
	})
	if err != nil {
		return nil, err
	}
	s.wakeSweep()
	return resp, nil
}

// openBound verifies the Request a pre-authorization shall be bound to, and
// that the amount is its amount with a tip it takes.
func (s *Server) openBound(r *backendv1.PreAuthorizeRequest) (preauth.Request, error) {
	req, err := s.openRequest(r.BoundRequest)
	if err != nil {
		return preauth.Request{}, fmt.Errorf("%w: %w", ErrRequestInvalid, err)
	}
	if r.Amount > money.MaxMinor {
		return preauth.Request{}, fmt.Errorf("%s: %w", money.Amount{Minor: r.Amount, Currency: r.Currency}, money.ErrRange)
	}
	tip := r.Amount - req.Body.Amount
	if r.Currency != req.Body.Currency {
		return preauth.Request{}, fmt.Errorf("%s for a request in %s: %w", r.Currency, req.Body.Currency, ErrCurrencyMismatch)
	}
	if tip < 0 || !tipTaken(req.Body.GetTip(), tip) {
		return preauth.Request{}, fmt.Errorf("%s for a request of %s: %w", money.Format(r.Amount, r.Currency),
			money.Amount{Minor: req.Body.Amount, Currency: r.Currency}, ErrBinding)
	}
	return req, nil
}

func (s *Server) reserve(t Tx, c caller, r *backendv1.PreAuthorizeRequest, bound preauth.Request, now time.Time) (hold, error) {
	id := preauth.ID(r.RequestId)
	h, ok, err := t.holdByRequestID(c.device.ID, id)
	if err != nil {
		return hold{}, err
	}
	if ok {
		if h.instrument != preauth.ID(r.InstrumentId) || h.limit != r.Amount || h.currency != r.Currency || h.boundTo != bound.Hash {
			return hold{}, fmt.Errorf("request %s: %w", id, ErrRequestIDReused)
		}
		return h, nil
	}
	in, ok, err := t.usable(preauth.ID(r.InstrumentId), c.device.Party.Customer)
	switch {
	case err != nil:
		return hold{}, err
	case !ok:
		return hold{}, fmt.Errorf("instrument %s: %w", preauth.ID(r.InstrumentId), ErrInstrument)
	case !in.PreAuthCapable:
		return hold{}, fmt.Errorf("instrument %s: %w", in.ID, ErrNotCapable)
	case in.Currency != r.Currency:
		return hold{}, fmt.Errorf("%s on an instrument in %s: %w", r.Currency, in.Currency, ErrCurrencyMismatch)
	}
	if err := s.allowed(t, c, r, bound, now); err != nil {
		return hold{}, err
	}
	return s.issue(t, c, in, hold{
		requestID: id, device: c.device.ID, instrument: in.ID, currency: in.Currency,
		limit: r.Amount, boundTo: bound.Hash, issued: now,
	})
}

// allowed checks what the device may hold at once. What is bound to one
// request is decided online and no offline risk, so it is not counted, but
// only so many are made a day.
func (s *Server) allowed(t Tx, c caller, r *backendv1.PreAuthorizeRequest, bound preauth.Request, now time.Time) error {
	if !bound.Zero() {
		till, err := preauth.Open[*peerv1.DeviceCert](bound.Body.DeviceCert)
		if err != nil {
			return err
		}
		known, err := t.certified(till)
		if err != nil {
			return err
		}
		if !known {
			return fmt.Errorf("the backend has not certified the till: %w", ErrRequestInvalid)
		}
		// Its till's Cancel may have come before the Request did.
		cancelled, err := t.cancelBy(bound.Hash, preauth.ID(bound.Body.BusinessDeviceId))
		if err != nil {
			return err
		}
		if cancelled {
			return fmt.Errorf("request %s: %w", bound.Hash, ErrRequestCancelled)
		}
		_, claimed, err := t.claim(bound.Hash)
		if err != nil {
			return err
		}
		if claimed {
			return fmt.Errorf("request %s: %w", bound.Hash, ErrRequestPaid)
		}
		return t.use(boundHold, c.device.ID, now)
	}
	in, err := capIn(t, r.Currency)
	if err != nil {
		return err
	}
	open, err := t.openHolds(c.device.ID)
	if err != nil {
		return err
	}
	if err := countAllowed(open, now); err != nil {
		return err
	}
	left := in.TotalMax
	for _, h := range open {
		if h.currency != r.Currency || !h.boundTo.Zero() {
			continue
		}
		held, err := t.held(h)
		if err != nil {
			return err
		}
		left -= held
	}
	if r.Amount > left {
		return fmt.Errorf("%s asked, %s left: %w", money.Format(r.Amount, r.Currency),
			money.Amount{Minor: max(left, 0), Currency: r.Currency}, ErrLimitTotal)
	}
	return nil
}

// countAllowed checks that one more fits beside those that are not closed.
func countAllowed(all []hold, now time.Time) error {
	var open, claimable int
	for _, h := range all {
		if !h.boundTo.Zero() {
			continue
		}
		claimable++
		if h.voided.IsZero() && !now.After(h.spendBy) {
			open++
		}
	}
	if open >= openMax || claimable >= claimableMax {
		return fmt.Errorf("%d of %d open, %d of %d not settled: %w", open, openMax, claimable, claimableMax, ErrLimitCount)
	}
	return nil
}

// issue reserves the funds, signs the certificate and stores both.
func (s *Server) issue(t Tx, c caller, in Instrument, h hold) (hold, error) {
	id, err := s.newID()
	if err != nil {
		return hold{}, fmt.Errorf("pre-authorization id: %w", err)
	}
	h.id = id
	h.spendBy = h.issued.Add(s.preauthLife)
	limits, err := capIn(t, h.currency)
	if err != nil {
		return hold{}, err
	}
	if h.guarantee, err = guarantee(t, peerv1.Assurance_ASSURANCE_SOFTWARE, h.currency, h.limit); err != nil {
		return hold{}, err
	}
	// In an emergency both devices may allow more; what they do else is theirs.
	payment, count := min(h.limit, max(limits.PaymentMax, limits.EmergencyPaymentMax)), uint32(paymentsMax)
	if !h.boundTo.Zero() {
		h.spendBy = h.issued.Add(boundLife)
		h.guarantee, payment, count = h.limit, h.limit, 1
	}
	h.settleBy = h.spendBy.Add(s.settleAfter)
	if h.serial, err = t.nextSerial(); err != nil {
		return hold{}, err
	}
	if h.cert, err = s.certifyHold(t, c, in, h, payment, count); err != nil {
		return hold{}, err
	}
	transfer, err := ledger.Reservation(ledger.Hold{
		Preauth: h.id, Instrument: in.ID, Currency: h.currency, Limit: h.limit,
	}, in.Free)
	if errors.Is(err, ledger.ErrInsufficient) {
		err = fmt.Errorf("%s of %s on the instrument: %w", money.Format(h.limit, h.currency),
			money.Amount{Minor: in.Free, Currency: h.currency}, ledger.ErrInsufficient)
	}
	if err != nil {
		return hold{}, err
	}
	if err := t.putHold(h); err != nil {
		return hold{}, err
	}
	s.log.InfoContext(t.ctx, "funds set aside", "preauth", h.id, "device", h.device)
	return h, t.post([]ledger.Transfer{transfer}, h.id, h.issued)
}

func (s *Server) certifyHold(t Tx, c caller, in Instrument, h hold, payment int64, count uint32) ([]byte, error) {
	key, issuer, err := s.issuer(t, h.issued)
	if err != nil {
		return nil, err
	}
	body := &peerv1.PreauthCert{
		PreauthId: h.id[:], Serial: h.serial, Spender: c.key.signing[:],
		InstrumentRef: in.ID[:], OwnerRef: in.Customer[:], Delegated: in.Customer != c.device.Party.Customer,
		Currency: h.currency, Limit: h.limit, PaymentMax: payment, PaymentsMax: count,
		IssuedMs: h.issued.UnixMilli(), SpendByMs: h.spendBy.UnixMilli(), SettleByMs: h.settleBy.UnixMilli(),
		Assurance: peerv1.Assurance_ASSURANCE_SOFTWARE, Guarantee: h.guarantee, MinEpoch: issuer.epoch,
	}
	if !h.boundTo.Zero() {
		body.BoundTo = h.boundTo[:]
	}
	cert, err := preauth.Sign(key, body)
	if err != nil {
		return nil, fmt.Errorf("pre-authorization %s: %w", h.id, err)
	}
	return cert.Bytes, nil
}

func (s *Server) preauthorized(t Tx, c caller, h hold, resp *backendv1.PreAuthorizeResponse, now time.Time) error {
	b, err := s.bundle(t, now)
	if err != nil {
		return err
	}
	in, _, err := t.instrument(h.instrument)
	if err != nil {
		return err
	}
	issued, err := s.reissuer(t, now)
	if err != nil {
		return err
	}
	resp.TrustBundle, resp.Instrument = b.Bytes, in.message(c.device.Party.Customer)
	resp.PreauthCert, err = issued.hold(t, h)
	return err
}

// VoidPreAuthorization stops spending: the certificate is listed as revoked
// in the next bundle. The reserve stays until settle_by, because a till with
// no network may hold a voucher already, or an older bundle still.
func (s *Server) VoidPreAuthorization(ctx context.Context, r *backendv1.VoidPreAuthorizationRequest) (*backendv1.VoidPreAuthorizationResponse, error) {
	c, now := from(ctx), s.now()
	if err := wantCustomer(c); err != nil {
		return nil, err
	}
	resp := &backendv1.VoidPreAuthorizationResponse{Time: s.signedTime(now)}
	err := s.store.Write(ctx, func(t Tx) error {
		if err := t.sound(c); err != nil {
			return err
		}
		h, err := s.void(t, c, preauth.ID(r.PreauthId), now)
		if err != nil {
			return err
		}
		b, err := s.bundle(t, now)
		resp.TrustBundle, resp.ReleasedAtMs = b.Bytes, h.settleBy.UnixMilli()
		return err
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// void takes a pre-authorization of any of the customer's devices: a new
// device ends what an old one left behind.
func (s *Server) void(t Tx, c caller, id preauth.ID, now time.Time) (hold, error) {
	h, ok, err := t.hold(id)
	if err != nil {
		return hold{}, err
	}
	if ok {
		owner, _, err := t.device(h.device)
		if err != nil {
			return hold{}, err
		}
		ok = owner.Party == c.device.Party
	}
	if !ok {
		return hold{}, fmt.Errorf("pre-authorization %s: %w", id, ErrPreauth)
	}
	if !h.voided.IsZero() || !h.closed.IsZero() {
		return h, nil
	}
	if err := t.markVoided(id, now); err != nil {
		return hold{}, err
	}
	if err := t.listVoided(h.serial, h.settleBy); err != nil {
		return hold{}, err
	}
	s.log.InfoContext(t.ctx, "pre-authorization voided", "preauth", id)
	return h, t.nextEpoch()
}

// guarantee is what the issuer pays per till for a new pre-authorization: a
// setting per assurance and currency, 0 if it is unset, and never more than
// was set aside for it. A till and a customer who collude can claim a clone's
// vouchers without end, and cost the issuer the guarantee: a reserve of one
// cent must not be enough for that.
func guarantee(t Tx, a peerv1.Assurance, currency string, limit int64) (int64, error) {
	text, err := t.setting(guaranteeSetting(a, currency))
	if err != nil || text == "" {
		return 0, err
	}
	set, err := parseMinor(text)
	return min(set, limit), err
}
