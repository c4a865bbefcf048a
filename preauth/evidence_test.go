package preauth

import (
	"errors"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// accusation is evidence before it is signed. Tests change one thing and sign.
type accusation struct {
	deal     *deal
	kind     string
	vouchers []*peerv1.Voucher
	root     string // that the verifier knows
	signer   string // root that signed the issuer's certificate
	bend     func(*peerv1.Evidence)
}

// promised is a voucher of the deal's customer over an amount to some till.
func promised(d *deal, to string, counter uint32, amount int64) *peerv1.Voucher {
	v := proto.Clone(d.voucher).(*peerv1.Voucher)
	v.RequestHash, v.PrevHash = testBytes(to, 32), testBytes("previous", 32)
	v.Counter, v.Amount, v.Tip = counter, amount, 0
	return v
}

// sameCounter is two vouchers at counter 3, to two tills.
func sameCounter() *accusation {
	d := newDeal()
	return &accusation{
		deal: d, kind: SameCounter, root: "root", signer: "root", bend: func(*peerv1.Evidence) {},
		vouchers: []*peerv1.Voucher{promised(d, "one till", 3, 4000), promised(d, "other till", 3, 1500)},
	}
}

// overLimit is vouchers of 40.00, 40.00 and 20.01 of 100.00, each at a counter
// of its own.
func overLimit() *accusation {
	a := sameCounter()
	a.kind = OverLimit
	a.vouchers = []*peerv1.Voucher{promised(a.deal, "a", 1, 4000), promised(a.deal, "b", 2, 4000), promised(a.deal, "c", 3, 2001)}
	return a
}

func (a *accusation) evidence(t testing.TB) *peerv1.Evidence {
	t.Helper()
	e := &peerv1.Evidence{
		Kind: a.kind, PreauthCert: a.deal.signPreauth(t), DeviceCert: a.deal.signCustomer(t).Bytes,
		Issuance: &peerv1.Issuance{IssuerCerts: [][]byte{issuerCert(t, a.signer, "issuer")}},
	}
	for _, v := range a.vouchers {
		e.Vouchers = append(e.Vouchers, forge(t, a.deal.spenderKey, v))
	}
	a.bend(e)
	return e
}

func TestEvidenceProves(t *testing.T) {
	later := sameCounter()
	later.signer = "root 2"
	later.bend = func(e *peerv1.Evidence) { e.Issuance.Handovers = handovers(t, "root", "root 2") }
	alone := overLimit()
	alone.vouchers = []*peerv1.Voucher{promised(alone.deal, "a", 1, 10001)}
	tests := []struct {
		name  string
		given *accusation
		total int64
	}{
		{"two vouchers at one counter", sameCounter(), 5500},
		{"two vouchers at one counter, after a handover", later, 5500},
		{"vouchers one unit above the limit", overLimit(), 10001},
		{"one voucher above the limit", alone, 10001},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := VerifyEvidence(testPub("root"), tt.given.evidence(t))
			if err != nil {
				t.Fatal(err)
			}
			if got.Kind != tt.given.kind || ID(got.Accused.Body.DeviceId) != testID("phone") || ID(got.Preauth.Body.PreauthId) != testID("preauth") ||
				len(got.Vouchers) != len(tt.given.vouchers) || got.Total != tt.total {
				t.Errorf("%s by %x: %d vouchers of %d", got.Kind, got.Accused.Body.DeviceId, len(got.Vouchers), got.Total)
			}
		})
	}
}

// unfounded is a way to spoil evidence, so that it proves nothing.
type unfounded struct {
	name  string
	spoil func(*accusation)
	want  error
}

func allUnfounded(t *testing.T) []unfounded {
	bend := func(f func(*peerv1.Evidence)) func(*accusation) { return func(a *accusation) { a.bend = f } }
	return []unfounded{
		{"to who knows another root", func(a *accusation) { a.root = "stranger" }, ErrSignature},
		{"by issuers of another root", func(a *accusation) { a.signer = "stranger" }, ErrSignature},
		{"without issuers", bend(func(e *peerv1.Evidence) { e.Issuance = nil }), ErrDecode},
		{"on certificates of a stranger", func(a *accusation) { a.deal.issuerKey = "stranger" }, ErrIssuer},
		{"without pre-authorization", bend(func(e *peerv1.Evidence) { e.PreauthCert = nil }), ErrDecode},
		{"without certificate of the accused", bend(func(e *peerv1.Evidence) { e.DeviceCert = nil }), ErrDecode},
		{"with an altered certificate", bend(func(e *peerv1.Evidence) { lastBit(e.DeviceCert) }), ErrSignature},
		{"against a till", func(a *accusation) {
			a.bend = func(e *peerv1.Evidence) { e.DeviceCert = a.deal.signTill(t).Bytes }
		}, ErrRole},
		{"against another customer", func(a *accusation) {
			k := testPub("other customer")
			a.deal.customerCert.SigningKey = k[:]
		}, ErrEvidence},
		{"by vouchers that another signed", func(a *accusation) { a.deal.spenderKey = "stranger" }, ErrSignature},
		{"by an altered voucher", bend(func(e *peerv1.Evidence) { lastBit(e.Vouchers[1]) }), ErrSignature},
		{"by a malformed voucher", bend(func(e *peerv1.Evidence) { e.Vouchers[1] = trailing(e.Vouchers[1]) }), ErrDecode},
		{"by a voucher of another pre-authorization", func(a *accusation) { a.vouchers[1].PreauthId = testBytes("other", 16) }, ErrEvidence},
		{"by a voucher in another currency", func(a *accusation) { a.vouchers[1].Currency = "EUR" }, ErrEvidence},
		{"by one voucher twice", func(a *accusation) { a.vouchers[1] = a.vouchers[0] }, ErrEvidence},
		{"by more vouchers than sum up", bend(func(e *peerv1.Evidence) {
			e.Vouchers = slices.Repeat(e.Vouchers, evidenceMax/2+1)
		}), ErrDecode},
		{"of a kind nobody knows", func(a *accusation) { a.kind = "LATE" }, ErrDecode},
		{"by one voucher at a counter", func(a *accusation) { a.kind, a.vouchers = SameCounter, a.vouchers[:1] }, ErrEvidence},
		{"by vouchers at two counters", func(a *accusation) {
			a.kind, a.vouchers = SameCounter, a.vouchers[:2]
			a.vouchers[0].Counter, a.vouchers[1].Counter = 1, 2
		}, ErrEvidence},
		{"by vouchers up to the limit", func(a *accusation) {
			a.kind = OverLimit
			a.vouchers = []*peerv1.Voucher{promised(a.deal, "a", 1, 6000), promised(a.deal, "b", 2, 4000)}
		}, ErrEvidence},
		{"by no vouchers", func(a *accusation) { a.kind, a.vouchers = OverLimit, nil }, ErrEvidence},
	}
}

// Whoever can make evidence against an honest device can have it revoked.
func TestEvidenceProvesNothing(t *testing.T) {
	for _, tt := range allUnfounded(t) {
		for _, given := range []*accusation{sameCounter(), overLimit()} {
			t.Run(given.kind+" "+tt.name, func(t *testing.T) {
				tt.spoil(given)
				got, err := VerifyEvidence(testPub(given.root), given.evidence(t))
				if !errors.Is(err, tt.want) || len(got.Vouchers) != 0 || !got.Accused.Zero() {
					t.Errorf("%v; want %v", err, tt.want)
				}
			})
		}
	}
}

// FuzzVerifyEvidence: what proves a double spend is what was signed, in any
// order, and no bytes that say anything else.
func FuzzVerifyEvidence(f *testing.F) {
	var vouchers []Hash
	for _, a := range []*accusation{sameCounter(), overLimit()} {
		e := a.evidence(f)
		for _, b := range e.Vouchers {
			v, err := Open[*peerv1.Voucher](b)
			if err != nil {
				f.Fatal(err)
			}
			vouchers = append(vouchers, v.Hash)
		}
		for _, spoil := range []func(){
			func() {}, func() { lastBit(e.Vouchers[0]) }, func() { e.Vouchers[1] = e.Vouchers[0] }, func() { e.Issuance = nil },
		} {
			spoil()
			b, err := encode(e)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var e peerv1.Evidence
		if DecodeStrict(b, &e) != nil {
			return
		}
		got, err := VerifyEvidence(testPub("root"), &e)
		if err != nil {
			return
		}
		for _, v := range got.Vouchers {
			if !slices.Contains(vouchers, v.Hash) {
				t.Errorf("a voucher that nobody signed: %x", v.Bytes)
			}
		}
	})
}
