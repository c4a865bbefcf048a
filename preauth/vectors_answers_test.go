package preauth

import (
	"testing"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth/vectors"
)

// TestTrustVectors shows certificates and verdicts to a device that holds a
// bundle, each with every reason to refuse it.
func TestTrustVectors(t *testing.T) {
	var all []vectors.Certificate
	add := func(name, kind, role string, d *deal, signed []byte, want error) {
		bundle := mustSign(t, d.rootKey, d.bundle).Bytes
		all = append(all, vectors.Certificate{
			Name: name, Type: kind, Root: vectors.B33(testPub("root")), Bundle: bundle, NowMs: d.now.UnixMilli(),
			Role: role, Signed: signed, Class: classOf(want),
		})
	}
	add("till, good", "device-cert", "BUSINESS", newDeal(), newDeal().shownTill(t), nil)
	add("customer, good", "device-cert", "CUSTOMER", newDeal(), newDeal().signCustomer(t).Bytes, nil)
	for _, f := range devices {
		d := newDeal()
		f.spoil(d)
		add("till, "+f.name, "device-cert", "BUSINESS", d, d.shownTill(t), f.want)
	}
	d := newDeal()
	d.rootKey = "stranger"
	add("till, the bundle is a stranger's", "device-cert", "BUSINESS", d, d.shownTill(t), ErrSignature)
	add("pre-authorization, good", "preauth-cert", "", newDeal(), newDeal().signPreauth(t), nil)
	for _, f := range flaws {
		if f.step < 2 || f.step > 6 || f.want == ErrRevoked { // the checks of the certificate itself
			continue
		}
		d := newDeal()
		f.spoil(d)
		add("pre-authorization, "+f.name, "preauth-cert", "", d, d.signPreauth(t), f.want)
	}
	v := &peerv1.Verdict{
		RequestHash: testBytes("request", 32), VoucherHash: testBytes("voucher", 32),
		Outcome: peerv1.Outcome_OUTCOME_SETTLED, Amount: 1300, TimeMs: noon.UnixMilli(),
	}
	add("verdict, good", "verdict", "", newDeal(), mustSign(t, "issuer", v).Bytes, nil)
	add("verdict, of the till", "verdict", "", newDeal(), mustSign(t, "till", v).Bytes, ErrIssuer)
	add("verdict, altered", "verdict", "", newDeal(), lastBit(mustSign(t, "issuer", v).Bytes), ErrSignature)
	old := newDeal()
	old.bundle.Issuers[0].NotAfterMs = noon.UnixMilli() - 1
	add("verdict, of an issuer key that has ended since", "verdict", "", old, mustSign(t, "issuer", v).Bytes, nil)
	keep(t, vectors.KindTrust, "What the backend has signed, as a device judges it that knows the root key and a bundle.", all)
}

// TestAnswerVectors lets one side say things about a request to the other.
func TestAnswerVectors(t *testing.T) {
	var all []vectors.Answer
	for _, tt := range asked {
		d := newDeal()
		s, r := d.session(t), d.signRequest(t).Body
		b := forge(t, tt.spoil(r, &s), r)
		name := "request, " + tt.name
		if tt.want != nil {
			name = "request, but not: " + tt.name
		}
		all = append(all, vectors.Answer{
			Name: name, Type: "request", Signer: s.Business.Bytes, Binding: s.Binding[:], NonceHash: s.NonceHash[:],
			Signed: b, Class: classOf(tt.want),
		})
	}
	own, other := twoRequests(t)
	voucher := testBytes("voucher", 32)
	for _, who := range speakers(own.Hash, other.Hash) {
		cancel := mustSign(t, who.signer, &peerv1.Cancel{RequestHash: who.named[:], Reason: peerv1.CancelReason_CANCEL_REASON_USER})
		receipt := mustSign(t, who.signer, &peerv1.Receipt{
			RequestHash: who.named[:], VoucherHash: voucher, Status: peerv1.ReceiptStatus_RECEIPT_STATUS_STORED, StoredMs: noon.UnixMilli(),
		})
		signer := tillWith(t, who.cert).Bytes
		all = append(all,
			vectors.Answer{Name: "cancel by " + who.name, Type: "cancel", Signer: signer, Request: own.Bytes, Signed: cancel.Bytes, Class: classOf(who.want)},
			vectors.Answer{Name: "receipt by " + who.name, Type: "receipt", Signer: signer, Request: own.Bytes, Voucher: voucher, Signed: receipt.Bytes, Class: classOf(who.want)},
			vectors.Answer{
				Name: "receipt for another voucher by " + who.name, Type: "receipt", Signer: signer, Request: own.Bytes,
				Voucher: testBytes("other", 32), Signed: receipt.Bytes, Class: classOf(orElse(who.want, ErrRequest)),
			})
	}
	customer := newDeal().signCustomer(t).Bytes
	for _, no := range []struct {
		name, key string
		request   Hash
		want      error
	}{
		{"the customer", "customer", own.Hash, nil},
		{"the customer, for another request", "customer", other.Hash, ErrRequest},
		{"a stranger", "stranger", own.Hash, ErrSignature},
	} {
		d := mustSign(t, no.key, &peerv1.Decline{RequestHash: no.request[:], Reason: "too dear"})
		all = append(all, vectors.Answer{Name: "decline by " + no.name, Type: "decline", Signer: customer, Request: own.Bytes, Signed: d.Bytes, Class: classOf(no.want)})
	}
	keep(t, vectors.KindAnswers, "What one side of a session says about a request, as the other judges it.", all)
}

func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// TestProofVectors shows evidence and receipts to somebody who knows nothing
// but the root key.
func TestProofVectors(t *testing.T) {
	var all []vectors.Proof
	root := vectors.B33(testPub("root"))
	for _, charge := range []bool{false, true} {
		b, err := encode(proofOf(t, newDeal(), charge))
		if err != nil {
			t.Fatal(err)
		}
		name := "receipt for a voucher"
		if charge {
			name = "receipt for a charge"
		}
		all = append(all, vectors.Proof{Name: name, Type: "ReceiptProof", Root: root, Proof: b, Class: vectors.Accepted})
	}
	for _, tt := range unproven {
		d := newDeal()
		if tt.deal != nil {
			tt.deal(d)
		}
		p := proofOf(t, d, tt.charge)
		if tt.bend != nil {
			tt.bend(t, p)
		}
		b, err := encode(p)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, vectors.Proof{Name: "receipt, " + tt.name, Type: "ReceiptProof", Root: root, Proof: b, Class: classOf(tt.want)})
	}
	for _, given := range []func() *accusation{sameCounter, overLimit} {
		founded := unfounded{name: "good", spoil: func(*accusation) {}}
		for _, tt := range append([]unfounded{founded}, allUnfounded(t)...) {
			a := given()
			name := "evidence " + a.kind + ", " + tt.name
			tt.spoil(a)
			b, err := encode(a.evidence(t))
			if err != nil {
				t.Fatal(err)
			}
			if len(b) < 8<<10 { // what is refused for its size alone would fill this file
				all = append(all, vectors.Proof{Name: name, Type: "Evidence", Root: vectors.B33(testPub(a.root)), Proof: b, Class: classOf(tt.want)})
			}
		}
	}
	keep(t, vectors.KindProofs, "Receipts and evidence, as anybody verifies them who knows the root key.", all)
}
