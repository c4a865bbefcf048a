package device

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"

	"github.com/vipaso/vipasod/cmd/internal/backend"
)

// evacuate seals what a device owes.
func (p *party) evacuate() (parts [][]byte) {
	p.rig.t.Helper()
	stream, err := p.device.SealPayments(p.rig.ctx, &devicev1.SealPaymentsRequest{})
	p.rig.must(err)
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return parts
		}
		p.rig.must(err)
		parts = append(parts, m.Sealed)
	}
}

// carry hands in a part and compares what the carrier is told.
func (p *party) carry(sealed []byte, items, judged uint32) {
	p.rig.t.Helper()
	got, err := p.device.CarrySealed(p.rig.ctx, &devicev1.CarrySealedRequest{Sealed: sealed})
	p.rig.must(err)
	if want := (&devicev1.CarrySealedResponse{Items: items, Judged: judged}); !proto.Equal(got, want) {
		p.rig.t.Errorf("%s is told %v, want %v", p.name, got, want)
	}
}

// sold is a payment that both sides have stored, offline.
func (r *rig) sold(till, ann *party, card, amount string) (id string) {
	r.t.Helper()
	setOffline(true, till, ann)
	events := ann.listen(r.ctx)
	result := till.request(amount, offline)
	asked := r.received(events)
	ann.accept(asked, card)
	if got := r.result(result); got.GetPaymentSuccessful() == nil {
		r.t.Fatal(got)
	}
	ann.reaches(asked.PaymentId, provisional)
	return asked.PaymentId
}

// TestEvacuated: a till that will not see a network for long seals what it was
// paid. A device of strangers hands it in, twice; the till comes back and
// learns that it was paid, once. So does the customer.
func TestEvacuated(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till, rival := r.till("till"), r.till("rival")
		bob, _ := r.payer("bob", "")
		ann, card := r.payer("ann", "40.00")
		id := r.sold(till, ann, card, "5.00")
		parts := till.evacuate()
		if len(parts) != 1 {
			t.Fatalf("%d parts", len(parts))
		}
		if p := till.payment(id); p.State != provisional || p.Synced {
			t.Errorf("after sealing the till has it %s", p.State)
		}
		till.stop()
		bob.carry(parts[0], 1, 1)
		rival.carry(parts[0], 1, 1)
		if got := r.paid(id); got != 500 {
			t.Errorf("the backend paid %d", got)
		}
		_, err := bob.device.CarrySealed(r.ctx, &devicev1.CarrySealedRequest{Sealed: parts[0][1:]})
		if reason(err) != "SEAL_INVALID" {
			t.Errorf("half a part: %v", err)
		}
		setOffline(true, bob)
		_, err = bob.device.CarrySealed(r.ctx, &devicev1.CarrySealedRequest{Sealed: parts[0]})
		if reason(err) != "OFFLINE" {
			t.Errorf("carried without a network: %v", err)
		}

		setOffline(false, ann)
		ann.reaches(id, settledNow)
		if held, spent := ann.held(); held != 0 || spent != 500 {
			t.Errorf("ann holds %d and has spent %d", held, spent)
		}
		till = r.start("till", till.role)
		till.reaches(id, settledNow)
		rival.carry(parts[0], 1, 1)
		if parts := till.evacuate(); len(parts) != 0 {
			t.Errorf("%d parts of what is settled", len(parts))
		}
		for _, p := range []*party{bob, rival} {
			list, err := p.node.Store.Events(r.ctx, 0, 1000)
			r.must(err)
			for _, e := range list {
				if e.GetPaymentSettled() != nil {
					t.Errorf("%s, which carried it, has an event of it: %v", p.name, e)
				}
			}
		}
		r.balanced(map[string]int64{id: 500}, till, ann, rival, bob)
	})
}

// TestImported: the same by the backend's operator; the till had reversed
// nothing, and the customer comes first.
func TestImported(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		first := r.sold(till, ann, card, "5.00")
		second := r.sold(till, ann, card, "7.00")
		parts := till.evacuate()
		server, store, err := backend.OpenServer(r.ctx, filepath.Join(r.dir, "backend"), "")
		r.must(err)
		defer store.Close()
		for range 2 {
			req, err := server.Unseal(parts[0])
			r.must(err)
			resp, err := server.Submit(r.ctx, req)
			r.must(err)
			if len(parts) != 1 || len(resp.Results) != 2 || len(resp.Totals) != 1 || resp.Totals[0].Settled != 1200 {
				t.Errorf("imported %v of %d parts", resp, len(parts))
			}
		}
		setOffline(false, ann, till)
		for _, p := range []*party{ann, till} {
			p.reaches(first, settledNow)
			p.reaches(second, settledNow)
		}
		r.balanced(map[string]int64{first: 500, second: 700}, till, ann)
	})
}

// TestSealedTellsNothing: nothing that a part is made of can be read in it, and
// it is another each time.
func TestSealedTellsNothing(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		r.sold(till, ann, card, "5.00")
		one, two := till.evacuate()[0], till.evacuate()[0]
		if bytes.Equal(one, two) {
			t.Error("two parts are equal")
		}
		due, err := till.node.Device.Due(r.ctx, time.Now().AddDate(1, 0, 0), 10)
		r.must(err)
		if len(due) != 1 {
			t.Fatalf("%d items", len(due))
		}
		for name, secret := range map[string][]byte{"request": due[0].Request, "certificate": due[0].PreauthCert, "voucher": due[0].Voucher, "receipt": due[0].Receipt} {
			const window = 8
			for at := range len(secret) - window {
				if some := secret[at : at+window]; bytes.Contains(one, some) || bytes.Contains(two, some) {
					t.Fatalf("a carrier can read %x of the %s", some, name)
				}
			}
		}
	})
}
