package device

import (
	"slices"
	"testing"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/syncer/backend"
)

// rootKey is what somebody must know who verifies what this device shows.
func (p *party) rootKey() preauth.PublicKey {
	p.rig.t.Helper()
	id, err := p.node.Store.Identity(p.rig.ctx)
	p.rig.must(err)
	return id.RootKey
}

// proof fetches what proves the receipt of a payment.
func (p *party) proof(payment string) []byte {
	p.rig.t.Helper()
	var resp *paymentv1.FetchPaymentResponse
	var err error
	req := &paymentv1.FetchPaymentRequest{PaymentId: payment}
	if p.role == peerv1.Role_ROLE_BUSINESS {
		resp, err = p.business.FetchPayment(p.rig.ctx, req)
	} else {
		resp, err = p.customer.FetchPayment(p.rig.ctx, req)
	}
	p.rig.must(err)
	return resp.GetPayment().GetReceipt().GetProof()
}

// TestReceiptsProveThePayment: whichever side shows its receipt, offline or
// on the spot, anyone who knows the root key reads the same from it.
func TestReceiptsProveThePayment(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		bob, bobCard := r.payer("bob", "")
		setOffline(true, ann, bob)
		toBob := bob.listen(r.ctx)
		result := till.ask(&businessv1.SendPaymentRequestViaBleRequest{RequestId: uuid.NewString(), Amount: "5.00", Currency: "USD"})
		asked := r.received(toBob)
		bob.accept(asked, bobCard)
		r.result(result)
		bob.reaches(asked.PaymentId, settledNow)
		provenBy(t, asked.PaymentId, true, till, bob)

		setOffline(true, till)
		toAnn := ann.listen(r.ctx)
		result = till.request("5.00", offline)
		asked = r.received(toAnn)
		ann.accept(asked, card)
		r.result(result)
		ann.reaches(asked.PaymentId, paymentv1.PaymentState_PAYMENT_STATE_PROVISIONAL)
		provenBy(t, asked.PaymentId, false, till, ann)
	})
}

// provenBy checks what the receipts of a payment over 5.00 USD prove.
func provenBy(t *testing.T, payment string, settled bool, parties ...*party) {
	t.Helper()
	for _, p := range parties {
		b := p.proof(payment)
		var proof peerv1.ReceiptProof
		if err := preauth.DecodeStrict(b, &proof); err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
		got, err := preauth.VerifyProof(p.rootKey(), &proof)
		if err != nil || got.Amount != 500 || got.Tip != 0 || preauth.ID(got.Request.Body.PaymentId).String() != payment || got.Settled != settled {
			t.Errorf("%s: %d and %d, settled is %v: %v", p.name, got.Amount, got.Tip, got.Settled, err)
		}
	}
}

// TestJournalIsVouchedFor: a device's journal is verified from the root key
// alone, and the backend keeps the same end of it. After the store was put back
// from an older copy, both say so.
func TestJournalIsVouchedFor(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		r.settled(till)
		j, head := till.journal()
		if j.Entries == 0 || j.Chained != j.Entries {
			t.Errorf("%d entries, %d in the chain", j.Entries, j.Chained)
		}
		id := preauth.ID(head.DeviceId)
		told, err := r.toldHeads(id)
		if err != nil || len(told) != 1 || told[0].Sequence != head.Sequence || string(told[0].Hash[:]) != string(head.Hash) {
			t.Errorf("the device has event %d, the backend knows of %+v: %v", head.Sequence, told, err)
		}

		copied := till.backup()
		r.result(till.ask(&businessv1.SendPaymentRequestViaBleRequest{
			RequestId: uuid.NewString(), Amount: "5.00", Currency: "USD", Timeout: durationpb.New(2e9),
		}))
		r.settled(till)
		_, forgotten := till.journal()
		till = till.putBack(copied)
		till.unlocks()
		r.settled(till)
		j, head = till.journal()
		told, err = r.toldHeads(id)
		if err != nil || len(told) != 2 || told[0].Kind != "RESTORED" || told[0].Sequence != forgotten.Sequence || told[1].Sequence != head.Sequence || len(j.Restored) != 1 {
			t.Errorf("restored at %v, now at event %d, the backend knows of %+v: %v", j.Restored, head.Sequence, told, err)
		}
	})
}

// toldHeads are the journal heads that the backend knows of a device, without
// those that it keeps because a day has ended meanwhile.
func (r *rig) toldHeads(device preauth.ID) ([]backend.JournalHead, error) {
	told, err := r.admin.JournalHeads(r.ctx, device)
	return slices.DeleteFunc(told, func(h backend.JournalHead) bool { return h.Kind == "EARLIER" }), err
}

// journal exports the journal and verifies it.
func (p *party) journal() (j preauth.Journal, head *peerv1.JournalHead) {
	p.rig.t.Helper()
	stream, err := p.device.ExportJournal(p.rig.ctx, &devicev1.ExportJournalRequest{})
	p.rig.must(err)
	for {
		m, err := stream.Recv()
		p.rig.must(err)
		if e := m.GetEntry(); e != nil {
			entry := preauth.JournalEntry{Sequence: e.Sequence, TimeMs: e.TimeMs, Body: e.Body}
			copy(entry.Payment[:], e.PaymentId)
			copy(entry.Hash[:], e.Hash)
			p.rig.must(j.Add(entry))
			continue
		}
		var issuance peerv1.Issuance
		p.rig.must(proto.Unmarshal(m.GetIssuance(), &issuance))
		issuers, err := preauth.OpenIssuance(p.rootKey(), &issuance)
		p.rig.must(err)
		cert, err := issuers.GenuineDevice(m.GetDeviceCert())
		p.rig.must(err)
		h, err := j.Close(m.GetHead(), cert)
		p.rig.must(err)
		return j, h.Body
	}
}
