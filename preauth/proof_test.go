package preauth

import (
	"errors"
	"testing"

	"google.golang.org/protobuf/proto"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// proofOf is the proof of a deal that was paid by voucher, or by charge.
func proofOf(t testing.TB, d *deal, charge bool) *peerv1.ReceiptProof {
	t.Helper()
	r := d.signRequest(t)
	p := &peerv1.ReceiptProof{
		Request:  r.Bytes,
		Issuance: &peerv1.Issuance{IssuerCerts: [][]byte{issuerCert(t, "root", "issuer")}},
	}
	var paid Hash
	if charge {
		p.Charge, p.CustomerCert = d.signCharge(t), d.signCustomer(t).Bytes
		paid = hashIn[*peerv1.Charge](t, p.Charge)
	} else {
		p.PreauthCert, p.Voucher = d.signPreauth(t), d.signVoucher(t)
		paid = hashIn[*peerv1.Voucher](t, p.Voucher)
	}
	p.Receipt = receiptFor(t, "till", r.Hash, paid)
	return p
}

func hashIn[M proto.Message](t testing.TB, b []byte) Hash {
	t.Helper()
	s, err := Open[M](b)
	if err != nil {
		t.Fatal(err)
	}
	return s.Hash
}

func receiptFor(t testing.TB, key string, request, paid Hash) []byte {
	t.Helper()
	return mustSign(t, key, &peerv1.Receipt{
		RequestHash: request[:], VoucherHash: paid[:], Status: peerv1.ReceiptStatus_RECEIPT_STATUS_STORED, StoredMs: noon.UnixMilli(),
	}).Bytes
}

func TestAReceiptIsProven(t *testing.T) {
	later := proofOf(t, newDeal(), false)
	later.Issuance = &peerv1.Issuance{IssuerCerts: [][]byte{issuerCert(t, "root 2", "issuer")}, Handovers: handovers(t, "root", "root 2")}
	settled := proofOf(t, newDeal(), true)
	settled.Receipt = mustSign(t, "till", func() *peerv1.Receipt {
		r, err := Open[*peerv1.Receipt](settled.Receipt)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Status = peerv1.ReceiptStatus_RECEIPT_STATUS_SETTLED
		return r.Body
	}()).Bytes
	tests := []struct {
		name    string
		proof   *peerv1.ReceiptProof
		settled bool
	}{
		{"voucher", proofOf(t, newDeal(), false), false},
		{"voucher, after a handover", later, false},
		{"charge", settled, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := VerifyProof(testPub("root"), tt.proof)
			if err != nil {
				t.Fatal(err)
			}
			if got.Amount != 1200 || got.Tip != 100 || got.Request.Body.Currency != "USD" || got.Till.Body.DisplayName != "Café Linden" ||
				got.Receipt.Body.StoredMs != noon.UnixMilli() || got.Settled != tt.settled {
				t.Errorf("%d and %d %s at %q, settled is %v", got.Amount, got.Tip, got.Request.Body.Currency, got.Till.Body.DisplayName, got.Settled)
			}
		})
	}
}

// unproven are proofs that prove nothing. Each bends a good one.
var unproven = []struct {
	name   string
	charge bool
	deal   func(*deal)
	bend   func(testing.TB, *peerv1.ReceiptProof)
	want   error
}{
	{name: "no issuers", bend: func(_ testing.TB, p *peerv1.ReceiptProof) { p.Issuance = nil }, want: ErrDecode},
	{name: "issuers of another root", bend: func(t testing.TB, p *peerv1.ReceiptProof) {
		p.Issuance.IssuerCerts[0] = issuerCert(t, "stranger", "issuer")
	}, want: ErrSignature},
	{name: "another issuer", bend: func(t testing.TB, p *peerv1.ReceiptProof) {
		p.Issuance.IssuerCerts[0] = issuerCert(t, "root", "other issuer")
	}, want: ErrIssuer},
	{name: "no request", bend: func(_ testing.TB, p *peerv1.ReceiptProof) { p.Request = nil }, want: ErrDecode},
	{name: "an altered request", bend: func(_ testing.TB, p *peerv1.ReceiptProof) { lastBit(p.Request) }, want: ErrSignature},
	{name: "a request by a customer", deal: func(d *deal) {
		d.tillCert = proto.Clone(d.customerCert).(*peerv1.DeviceCert)
	}, want: ErrRole},
	{name: "a request in another till's name", deal: func(d *deal) { d.request.BusinessDeviceId = testBytes("other till", 16) }, want: ErrRequest},
	{name: "no pre-authorization", bend: func(_ testing.TB, p *peerv1.ReceiptProof) { p.PreauthCert = nil }, want: ErrDecode},
	{name: "a pre-authorization of a stranger", deal: func(d *deal) { d.issuerKey = "stranger" }, want: ErrIssuer},
	{name: "neither voucher nor charge", bend: func(_ testing.TB, p *peerv1.ReceiptProof) { p.Voucher = nil }, want: ErrDecode},
	{name: "a voucher of another customer", deal: func(d *deal) { d.spenderKey = "stranger" }, want: ErrSignature},
	{name: "a voucher over less", deal: func(d *deal) { d.voucher.Amount = 1100 }, want: ErrAmount},
	{name: "a voucher in another currency", deal: func(d *deal) { d.voucher.Currency = "EUR" }, want: ErrCurrency},
	{name: "a voucher for another request", deal: func(d *deal) { d.voucher.RequestHash = testBytes("other", 32) }, want: ErrRequest},
	{name: "a voucher above its pre-authorization", deal: func(d *deal) { d.preauth.Limit = 1299 }, want: ErrInsufficient},
	{name: "a charge of another customer", charge: true, deal: func(d *deal) { d.chargeKey = "stranger" }, want: ErrSignature},
	{name: "a charge without customer", charge: true, bend: func(_ testing.TB, p *peerv1.ReceiptProof) { p.CustomerCert = nil }, want: ErrDecode},
	{name: "a charge by a till", charge: true, bend: func(t testing.TB, p *peerv1.ReceiptProof) {
		p.CustomerCert = newDeal().signTill(t).Bytes
	}, want: ErrRole},
	{name: "no receipt", bend: func(_ testing.TB, p *peerv1.ReceiptProof) { p.Receipt = nil }, want: ErrDecode},
	{name: "an altered receipt", bend: func(_ testing.TB, p *peerv1.ReceiptProof) { lastBit(p.Receipt) }, want: ErrSignature},
	{name: "a receipt of another till", bend: func(t testing.TB, p *peerv1.ReceiptProof) {
		p.Receipt = receiptFor(t, "other till", hashIn[*peerv1.Request](t, p.Request), hashIn[*peerv1.Voucher](t, p.Voucher))
	}, want: ErrSignature},
	{name: "a receipt for another request", bend: func(t testing.TB, p *peerv1.ReceiptProof) {
		p.Receipt = receiptFor(t, "till", Hash(testBytes("other", 32)), hashIn[*peerv1.Voucher](t, p.Voucher))
	}, want: ErrRequest},
	{name: "a receipt for another voucher", bend: func(t testing.TB, p *peerv1.ReceiptProof) {
		p.Receipt = receiptFor(t, "till", hashIn[*peerv1.Request](t, p.Request), Hash(testBytes("other", 32)))
	}, want: ErrRequest},
}

func TestAReceiptIsNotProven(t *testing.T) {
	if _, err := VerifyProof(testPub("stranger"), proofOf(t, newDeal(), false)); !errors.Is(err, ErrSignature) {
		t.Errorf("to who knows another root: %v", err)
	}
	for _, tt := range unproven {
		t.Run(tt.name, func(t *testing.T) {
			d := newDeal()
			if tt.deal != nil {
				tt.deal(d)
			}
			p := proofOf(t, d, tt.charge)
			if tt.bend != nil {
				tt.bend(t, p)
			}
			got, err := VerifyProof(testPub("root"), p)
			if !errors.Is(err, tt.want) || got.Amount != 0 || !got.Receipt.Zero() {
				t.Errorf("%v; want %v", err, tt.want)
			}
		})
	}
}

// FuzzVerifyProof: what is proven is what was signed, and nothing else.
func FuzzVerifyProof(f *testing.F) {
	var known [][]byte
	for _, charge := range []bool{false, true} {
		p := proofOf(f, newDeal(), charge)
		known = append(known, p.Request)
		b, err := encode(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, u := range unproven {
		d := newDeal()
		if u.deal != nil {
			u.deal(d)
		}
		p := proofOf(f, d, u.charge)
		if u.bend != nil {
			u.bend(f, p)
		}
		b, err := encode(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var p peerv1.ReceiptProof
		if DecodeStrict(b, &p) != nil {
			return
		}
		got, err := VerifyProof(testPub("root"), &p)
		if err != nil {
			return
		}
		if got.Amount != 1200 || got.Tip != 100 || got.Receipt.Body.StoredMs != noon.UnixMilli() || hashIn[*peerv1.Request](t, known[0]) != got.Request.Hash {
			t.Errorf("proven: %x", b)
		}
	})
}

func TestAProofNamesOnlyTheIssuersItNeeds(t *testing.T) {
	d := newDeal()
	d.bundle.IssuerCerts = [][]byte{issuerCert(t, "root", "issuer"), {1, 2}, issuerCert(t, "root", "issuer 2"), issuerCert(t, "root", "issuer 3")}
	d.bundle.Handovers = handovers(t, "first root", "root")
	trust := d.trust(t)
	got := trust.IssuanceOf(testPub("issuer").KeyID(), testPub("issuer 3").KeyID(), testPub("stranger").KeyID())
	want := &peerv1.Issuance{
		IssuerCerts: [][]byte{issuerCert(t, "root", "issuer"), issuerCert(t, "root", "issuer 3")}, Handovers: d.bundle.Handovers,
	}
	if !proto.Equal(got, want) {
		t.Errorf("%d issuers, %d handovers", len(got.IssuerCerts), len(got.Handovers))
	}
	p := proofOf(t, d, false)
	p.Issuance = trust.IssuanceOf(testPub("issuer").KeyID())
	if _, err := VerifyProof(testPub("first root"), p); err != nil {
		t.Error(err)
	}
}
