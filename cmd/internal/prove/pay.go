package prove

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// step steps a customer's payment by an event, stores it and sends what
// follows.
func (c *wallet) step(request preauth.Hash, in payment.CustomerInput, change func(*store.Attempt, *store.Change)) error {
	a, err := c.st.Attempt(ctx, request)
	if err == nil {
		_, err = c.store(a, in, change)
	}
	return err
}

// store steps and stores a, and then sends what follows. With an error that
// wraps payment.ErrState a is as it was.
func (c *wallet) store(a store.Attempt, in payment.CustomerInput, change func(*store.Attempt, *store.Change)) (store.Attempt, error) {
	next, fx, err := a.Attempt.Step(in, c.wall())
	if err != nil {
		return a, err
	}
	c.w.tell(c.name, "", string(in.Event)+": "+string(a.State)+" → "+string(next.State), a.Request)
	a.Attempt = next
	ch := &store.Change{}
	if change != nil {
		change(&a, ch)
	}
	ch.Attempts = append(ch.Attempts, a)
	ch.Events = append(ch.Events, events(a.Payment, fx.Notes)...)
	for _, it := range fx.Outbox {
		key := store.ItemKey{Kind: it.Kind, Request: a.Request}
		if slices.Contains(ch.Done, key) {
			continue
		}
		deadline := a.SettleBy
		if deadline.IsZero() {
			deadline = a.CreatedAt.Add(30 * 24 * time.Hour)
		}
		ch.Outbox = append(ch.Outbox, store.Item{
			ItemKey: key, Payment: a.Payment, Currency: a.Currency, Total: a.Amount + a.Tip, CreatedAt: c.wall(), Deadline: deadline,
		})
	}
	if err := c.commit(ch, a.Request); err != nil {
		return a, err
	}
	return a, c.deliver(a, fx)
}

// deliver sends what a committed step asks for.
func (c *wallet) deliver(a store.Attempt, fx payment.Effects) error {
	s := c.sessionOf(a.Request)
	if s == nil {
		return nil
	}
	for _, m := range fx.Send {
		if err := c.passes("before it sends"); err != nil {
			return err
		}
		var err error
		switch m.Kind {
		case payment.SendVoucher:
			c.attach(a.Request, s, 2*answerLimit)
			err = c.sendVoucher(s, a)
		case payment.SendDecline:
			c.attach(a.Request, s, answerLimit)
			err = s.send(c, secure.Decline, a.DeclineBytes)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// accept signs a voucher, or a Charge, for a request and stores it before it
// leaves.
func (c *wallet) accept(a store.Attempt, tip int64) error {
	if !a.Attempt.Voucher.Zero() || !c.enrolled() || c.trust.Revoked(a.Business) {
		return nil
	}
	e, err := c.exposure()
	if err != nil {
		return err
	}
	r, err := preauth.Open[*peerv1.Request](a.RequestBytes)
	if err != nil {
		return err
	}
	if err := c.bind(r, tip); err != nil {
		return err
	}
	auth, signed, hash, err := c.draw(r, tip)
	if err != nil {
		if preauth.Code(err) == "PEER_PROTOCOL" {
			return err
		}
		return nil // the customer is told why not
	}
	charge := auth.Cert.Zero()
	if !charge && e.Check(a.Currency, a.Amount+tip) != nil {
		return nil
	}
	in := payment.CustomerInput{Event: payment.Accept, Voucher: hash, Charge: charge}
	_, err = c.store(a, in, func(a *store.Attempt, _ *store.Change) {
		a.VoucherBytes, a.Tip, a.Instrument = signed, tip, c.instrument
		if !charge {
			a.Preauth, a.Counter, a.SettleBy = auth.ID(), auth.Counter+1, time.UnixMilli(auth.Cert.Body.SettleByMs)
		}
	})
	return err
}

// draw signs a voucher on the pre-authorization that fits, or, if there is
// none and the till is online, a Charge; the pre-authorization is then zero.
func (c *wallet) draw(r preauth.Request, tip int64) (preauth.Authorization, []byte, preauth.Hash, error) {
	rows, err := c.st.Authorizations(ctx)
	if err != nil {
		return preauth.Authorization{}, nil, preauth.Hash{}, err
	}
	all := make([]preauth.Authorization, len(rows))
	for i, row := range rows {
		all[i] = row.Authorization
	}
	auth, err := preauth.Select(all, c.instrument, r, tip, c.trusted())
	if err != nil {
		if !r.Body.Online {
			return preauth.Authorization{}, nil, preauth.Hash{}, err
		}
		ch, err := sign(c.w, c.person, &peerv1.Charge{
			InstrumentRef: c.instrument[:], RequestHash: r.Hash[:], Amount: r.Body.Amount, Tip: tip,
			Currency: r.Body.Currency, CustomerDeviceId: c.id[:],
		})
		return preauth.Authorization{}, ch.Bytes, ch.Hash, err
	}
	body, err := auth.Draw(r, tip, c.trusted())
	if err != nil {
		return preauth.Authorization{}, nil, preauth.Hash{}, err
	}
	v, err := sign(c.w, c.person, body)
	return auth, v.Bytes, v.Hash, err
}

// keepAside stores what was set aside, with the bundle a till may ask for.
func (c *wallet) keepAside(got *backendv1.PreAuthorizeResponse) error {
	cert, err := preauth.Open[*peerv1.PreauthCert](got.PreauthCert)
	if err != nil {
		return c.w.check.broken("%s: certificate: %v", c.name, err)
	}
	t, err := preauth.OpenTrust(c.identity.RootKey, got.TrustBundle)
	if err != nil {
		return c.w.check.broken("%s: bundle: %v", c.name, err)
	}
	c.w.tell(c.name, "", fmt.Sprintf("has %d set aside, bound %t", cert.Body.Limit, len(cert.Body.BoundTo) > 0), boundTo(cert.Body))
	return c.become(c.newest(t), &store.Change{Put: []store.Authorization{{
		Authorization: preauth.Authorization{Cert: cert, Instrument: c.instrument, Prev: cert.Hash},
	}}})
}

// bind has funds set aside for one request only, if the customer has a
// network; without one it pays from what it has.
func (c *wallet) bind(r preauth.Request, tip int64) error {
	if r.Body.Online || c.w.quiet || c.w.dice.chance(850) {
		return nil
	}
	sum := sha256.Sum256(r.Hash[:])
	got, err := c.w.office.preauthorize(c.person, &backendv1.PreAuthorizeRequest{
		RequestId: sum[:16], InstrumentId: c.instrument[:], Amount: r.Body.Amount + tip, Currency: "USD", BoundRequest: r.Bytes,
	})
	if err != nil {
		if isBroken(err) {
			return err
		}
		return nil
	}
	return c.keepAside(got)
}

// decline says no to a request.
func (c *wallet) decline(a store.Attempt) error {
	no, err := sign(c.w, c.person, &peerv1.Decline{RequestHash: a.Request[:], Reason: "no"})
	if err != nil {
		return err
	}
	_, err = c.store(a, payment.CustomerInput{Event: payment.Decline, Reason: "no"}, func(a *store.Attempt, _ *store.Change) {
		a.DeclineBytes = no.Bytes
	})
	return err
}

// releaseBefore frees holds whose settle_by is before a time that the backend
// signed.
func (c *wallet) releaseBefore(signed time.Time) error {
	held, err := c.st.HeldPast(ctx, signed)
	if err != nil {
		return err
	}
	for _, a := range held {
		err := c.step(a.Request, payment.CustomerInput{Event: payment.SettleByPassed}, nil)
		if err != nil && !errors.Is(err, payment.ErrState) {
			return err
		}
	}
	return nil
}

// boundTo is the request that a certificate is bound to, zero if none.
func boundTo(c *peerv1.PreauthCert) preauth.Hash {
	if len(c.BoundTo) == 0 {
		return preauth.Hash{}
	}
	return preauth.Hash(c.BoundTo)
}
