package device

import (
	"context"
	"testing"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"

	"github.com/vipaso/vipasod/preauth"
)

// TestBundlesPassOn: what one device has heard of the backend the other learns
// with a payment, whichever of them it was, though neither has a network and no
// certificate asks for it.
func TestBundlesPassOn(t *testing.T) {
	t.Run("from the customer", func(t *testing.T) { bundlePassesOn(t, false) })
	t.Run("from the till", func(t *testing.T) { bundlePassesOn(t, true) })
}

func bundlePassesOn(t *testing.T, fromTill bool) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		lost, _ := r.payer("lost", "")
		knows, learns := ann, till
		if fromTill {
			knows, learns = till, ann
		}
		setOffline(true, learns)
		id, err := preauth.ParseID(lost.status().GetIdentity().GetDeviceId())
		r.must(err)
		r.must(r.admin.RevokeDevice(r.ctx, id))
		r.settled(knows)
		epoch := knows.status().GetBackend().GetBundleEpoch()
		if before := learns.status().GetBackend().GetBundleEpoch(); epoch <= before {
			t.Fatalf("epoch %d at one, %d at the other before the payment", epoch, before)
		}
		setOffline(true, knows)
		events := ann.listen(r.ctx)
		for _, amount := range []string{"2.00", "3.00"} { // then with nothing to pass on
			result := till.request(amount, offline)
			ann.accept(r.received(events), card)
			if got := r.result(result); got.GetPaymentSuccessful() == nil {
				t.Fatal(got)
			}
			learns.learns(epoch)
		}
		r.balanced(nil, till, ann)
	})
}

func (p *party) status() *devicev1.Status {
	p.rig.t.Helper()
	got, err := p.device.GetStatus(p.rig.ctx, &devicev1.GetStatusRequest{})
	p.rig.must(err)
	return got.GetStatus()
}

// learns waits until the device holds the bundle of an epoch.
func (p *party) learns(epoch uint64) {
	p.rig.t.Helper()
	ctx, cancel := context.WithTimeout(p.rig.ctx, patience)
	defer cancel()
	stream, err := p.device.WatchStatus(ctx, &devicev1.WatchStatusRequest{})
	p.rig.must(err)
	for {
		m, err := stream.Recv()
		if err != nil {
			p.rig.t.Fatalf("%s does not learn of bundle %d: %v", p.name, epoch, err)
		}
		if m.GetStatus().GetBackend().GetBundleEpoch() == epoch {
			return
		}
	}
}
