package daemon

import (
	"testing"

	"google.golang.org/protobuf/proto"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// backed is the nth sale of a till, whose voucher has a pre-authorization of
// that limit.
func (b *bench) backed(n int, limit int64) {
	b.t.Helper()
	sale := b.sold(n, payment.Provisional)
	ask, err := b.store.Ask(b.t.Context(), sale.Winner)
	must(b.t, err)
	id, spender, at := namedID("preauth"), preauth.PublicKeyOf(&fixedKey("customer").PublicKey), b.opening(0).UnixMilli()
	instrument, owner := namedID("instrument"), namedID("owner")
	ask.CertBytes = signedBy(b.t, "issuer", &peerv1.PreauthCert{
		PreauthId: id[:], Serial: 1, Spender: spender[:], InstrumentRef: instrument[:], OwnerRef: owner[:], Currency: "USD",
		Limit: limit, PaymentMax: limit, PaymentsMax: 10, IssuedMs: at, SpendByMs: at + 1, SettleByMs: at + 2,
		Assurance: peerv1.Assurance_ASSURANCE_SOFTWARE,
	}).Bytes
	b.change(&store.Change{Asks: []store.Ask{ask}})
}

// proofIn fetches the nth payment and returns its proof, nil if there is none.
func (b *bench) proofIn(n int) []byte {
	b.t.Helper()
	resp, err := (&history{b.Device}).FetchPayment(b.t.Context(), &paymentv1.FetchPaymentRequest{PaymentId: paymentName(n).String()})
	must(b.t, err)
	return resp.GetPayment().GetReceipt().GetProof()
}

// What a till hands out with a receipt, anyone verifies who knows the root
// key; what nobody could verify is not handed out.
func TestFetchPaymentProvesTheReceipt(t *testing.T) {
	b := newBench(t, asTill, vouchedIssuer(t))
	b.backed(1, 50_00)
	b.backed(2, 12_99) // less than the voucher says
	b.sold(3, payment.Expired)
	var p peerv1.ReceiptProof
	must(t, preauth.DecodeStrict(b.proofIn(1), &p))
	got, err := preauth.VerifyProof(preauth.PublicKeyOf(&fixedKey("root").PublicKey), &p)
	if err != nil || got.Amount != 12_00 || got.Tip != 1_00 || got.Till.Body.DisplayName != "Kiosk" || got.Settled {
		t.Errorf("%+v: %v", got, err)
	}
	if again := b.proofIn(1); !proto.Equal(&p, unproto(t, again)) {
		t.Error("the same payment has another proof")
	}
	for n, why := range map[int]string{2: "its voucher is not covered", 3: "it has no receipt"} {
		if proof := b.proofIn(n); proof != nil {
			t.Errorf("payment %d has a proof although %s", n, why)
		}
	}
	listed, err := (&history{b.Device}).FetchPayments(t.Context(), &paymentv1.FetchPaymentsRequest{})
	must(t, err)
	for _, p := range listed.GetPayments() {
		if p.GetReceipt().GetProof() != nil {
			t.Errorf("payment %s has a proof in a list", p.GetPaymentId())
		}
	}
	unknown := newBench(t, asTill, nil) // the bundle does not name the issuer
	unknown.backed(1, 50_00)
	if proof := unknown.proofIn(1); proof != nil {
		t.Error("a proof whose issuer nobody knows")
	}
}

func unproto(t testing.TB, b []byte) *peerv1.ReceiptProof {
	t.Helper()
	var p peerv1.ReceiptProof
	must(t, proto.Unmarshal(b, &p))
	return &p
}
