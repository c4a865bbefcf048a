package device

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"

	"github.com/vipaso/vipasod/cmd/internal/backend"
	"github.com/vipaso/vipasod/preauth"
	server "github.com/vipaso/vipasod/syncer/backend"
)

// withdraw takes back the issuer key that signs, while the backend serves.
func (r *rig) withdraw() backend.Withdrawn {
	r.t.Helper()
	key, err := r.admin.SigningIssuer(r.ctx)
	r.must(err)
	w, err := backend.WithdrawIssuer(r.ctx, filepath.Join(r.dir, "backend"), r.admin, key.KeyID(), "stolen")
	r.must(err)
	return w
}

// healed reports whether all that the party shows leads to the bundle it has.
func (p *party) healed() bool {
	p.rig.t.Helper()
	trust := p.trust()
	if _, err := trust.GenuineDevice(p.identity().DeviceCert); err != nil {
		return false
	}
	all, err := p.node.Store.Authorizations(p.rig.ctx)
	p.rig.must(err)
	for _, a := range all {
		if _, err := trust.GenuinePreauth(a.Cert.Bytes); err != nil {
			return false
		}
	}
	return true
}

// refusals is how often the party refused something from the air.
func (p *party) refusals() (n uint64) {
	p.rig.t.Helper()
	for _, times := range p.status().GetRadio().GetRefused() {
		n += times
	}
	return n
}

// letsGo waits until the till has no session any more: one that began before
// goes on.
func (p *party) letsGo() {
	p.rig.t.Helper()
	p.rig.until(p.name+" has let go of all", func() bool { return p.status().GetRadio().GetLinks() == 0 })
}

// toldOfRefusal waits until the till's staff hear that somebody near has refused
// the till, and what to do about it.
func (p *party) toldOfRefusal(ask *businessv1.SendPaymentRequestViaBleRequest) {
	p.rig.t.Helper()
	ctx, cancel := context.WithTimeout(p.rig.ctx, patience)
	defer cancel()
	stream, err := p.business.StreamPaymentRequest(ctx, &businessv1.StreamPaymentRequestRequest{Request: ask})
	p.rig.must(err)
	for told := ""; !strings.Contains(told, "refused this till"); {
		m, err := stream.Recv()
		p.rig.must(err)
		told = m.GetProgress().GetDetail()
	}
	if p.status().GetRadio().GetRefused()["identity refused by the other side"] == 0 {
		p.rig.t.Error("the till does not count that it was refused")
	}
}

// TestIssuerWithdrawn: the only issuer key is taken back while a till and a
// customer are offline, after a payment. They go on between themselves; the one
// who has heard of it and the one who has not do not deal with each other; when
// both have, they do, by the pre-authorization that there was, and all of it
// settles.
func TestIssuerWithdrawn(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		setOffline(true, till, ann)
		paid := map[string]int64{r.pays(till, ann, "1.00", card): 100}
		stolen := r.withdraw()
		if !stolen.Made || stolen.By == "" {
			t.Errorf("withdrawn: %+v", stolen)
		}
		paid[r.pays(till, ann, "2.00", card)] = 200 // nobody has told them

		setOffline(false, ann)
		r.until("Ann's device has what it needs", func() bool { return ann.epoch() > till.epoch() && ann.healed() })
		setOffline(true, ann)
		if _, err := ann.trust().GenuineDevice(till.identity().DeviceCert); preauth.Code(err) != "CERT_INVALID" {
			t.Errorf("to Ann's device the till is %v", err)
		}
		till.letsGo()
		before := ann.refusals() + till.refusals()
		events := ann.listen(r.ctx)
		ask := &businessv1.SendPaymentRequestViaBleRequest{RequestId: uuid.NewString(), Amount: "3.00", Currency: "USD", Policy: offline}
		result := till.ask(ask)
		r.until("they refuse each other", func() bool { return ann.refusals()+till.refusals() > before })
		till.toldOfRefusal(ask)

		setOffline(false, till)
		r.until("the till has what it needs", func() bool { return till.epoch() == ann.epoch() && till.healed() })
		setOffline(true, till)
		asked := r.received(events)
		ann.accept(asked, card)
		if got := r.result(result); got.GetPaymentSuccessful() == nil {
			t.Fatal(got)
		}
		paid[asked.PaymentId] = 300
		auths, err := ann.node.Store.Authorizations(r.ctx)
		r.must(err)
		if len(auths) != 1 || auths[0].Cert.KeyID() != stolen.Signs.KeyID() || auths[0].Counter != 3 || auths[0].Held+auths[0].Spent != 600 {
			t.Errorf("Ann has %+v", auths)
		}
		r.balanced(paid, till, ann)
	})
}

// TestIssuerWithdrawnIsPassedOn: a till that is certified by an earlier key, and
// knows the one that takes over, hears of the withdrawal from a customer who was
// online, and refuses what the withdrawn key has signed.
func TestIssuerWithdrawnIsPassedOn(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till") // certified by the first key
		books := filepath.Join(r.dir, "backend")
		_, err := backend.RotateIssuer(r.ctx, books, r.admin, 0)
		r.must(err)
		ann, card := r.payer("ann", "40.00") // by the second, as Bob
		bob, other := r.payer("bob", "40.00")
		waits, err := backend.RotateIssuer(r.ctx, books, r.admin, server.IssuerOverlap)
		r.must(err)
		r.settled(till)
		r.settled(bob)
		setOffline(true, till, bob)
		if stolen := r.withdraw(); stolen.Signs != waits.Public {
			t.Errorf("withdrawn: %+v", stolen)
		}
		paid := map[string]int64{r.pays(till, bob, "1.00", other): 100} // neither knows
		r.until("Ann's device has what it needs", func() bool { return ann.epoch() > till.epoch() && ann.healed() })
		setOffline(true, ann)
		paid[r.pays(till, ann, "2.00", card)] = 200
		r.until("the till has Ann's bundle", func() bool { return till.epoch() == ann.epoch() })
		ann.stop()

		till.letsGo() // of Bob, who listens since he has paid
		before := till.refusals()
		bob.listen(r.ctx)
		result := till.request("3.00", offline)
		r.until("the till refuses Bob", func() bool { return till.refusals() > before })
		setOffline(false, bob)
		r.until("Bob's device has what it needs", func() bool { return bob.healed() && bob.epoch() == till.epoch() })
		setOffline(true, bob)
		events := bob.listen(r.ctx)
		asked := r.received(events)
		bob.accept(asked, other)
		if got := r.result(result); got.GetPaymentSuccessful() == nil {
			t.Fatal(got)
		}
		paid[asked.PaymentId] = 300
		r.balanced(paid, till, ann.restart(), bob)
	})
}
