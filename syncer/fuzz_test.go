package syncer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/syncer/outbox"
)

// ledgerBook is a book with claims, and what it was told to judge them by.
type ledgerBook struct {
	Book
	t      testing.TB
	claims []outbox.Item
	issuer preauth.PublicKey
	judged int
}

func (b *ledgerBook) Claims(_ context.Context, requests []preauth.Hash) (found []outbox.Item, err error) {
	for _, it := range b.claims {
		if slices.Contains(requests, it.Key.Request) {
			found = append(found, it)
		}
	}
	return found, nil
}

// Judge fails the test if the verdict is not the backend's on that claim.
func (b *ledgerBook) Judge(_ context.Context, it outbox.Item, v preauth.Verdict) error {
	b.t.Helper()
	if err := v.VerifiedBy(b.issuer); err != nil || preauth.Hash(v.Body.RequestHash) != it.Key.Request {
		b.t.Fatalf("request %s is judged by %v, %v", it.Key.Request, v.Body, err)
	}
	b.judged++
	return nil
}

// fixedKey is the same key for the same name: what a fuzzer has found must
// mean the same tomorrow.
func fixedKey(t testing.TB, name string) *ecdsa.PrivateKey {
	t.Helper()
	d := sha256.Sum256([]byte("fuzz " + name))
	d[0] &= 0x7f // below the order
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d[:])
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// fixture is a device with one claim, and what its backend can answer.
type fixture struct {
	book     *ledgerBook
	creds    Credentials
	bundle   preauth.TrustBundle
	claim    outbox.Item
	verdict  []byte // good
	stranger []byte // the same, signed by nobody
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	root, issuer := fixedKey(t, "root"), fixedKey(t, "issuer")
	issuerKey := preauth.PublicKeyOf(&issuer.PublicKey)
	f := &fixture{bundle: sign(t, root, &peerv1.TrustBundle{
		Epoch: 3, ServerTimeMs: 1000, Issuers: []*peerv1.IssuerKey{{PublicKey: issuerKey[:], NotBeforeMs: 1, NotAfterMs: 1 << 40}},
	})}
	trust, err := preauth.OpenTrust(preauth.PublicKeyOf(&root.PublicKey), f.bundle.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	f.creds = Credentials{Root: trust.Root, Trust: trust, BundleEpoch: 3}
	request := sign(t, fixedKey(t, "till"), &peerv1.Request{
		PaymentId: testBytes("payment", 16), BusinessDeviceId: testBytes("till", 16), Nonce: testBytes("nonce", 16),
		Amount: 1200, Currency: "USD", TtlMs: 60_000, ChannelBinding: testBytes("binding", 32), DeviceCert: []byte("certificate"),
	})
	voucher := sign(t, fixedKey(t, "customer"), &peerv1.Voucher{
		PreauthId: testBytes("preauth", 16), RequestHash: request.Hash[:], Amount: 1200, Currency: "USD", Counter: 1, PrevHash: testBytes("cert", 32),
	})
	f.claim = outbox.Item{
		Key: outbox.Key{Kind: payment.ItemClaim, Request: request.Hash}, Request: request.Bytes, PreauthCert: []byte("certificate"),
		Voucher: voucher.Bytes, Receipt: []byte("receipt"),
	}
	v := &peerv1.Verdict{RequestHash: request.Hash[:], VoucherHash: voucher.Hash[:], Outcome: peerv1.Outcome_OUTCOME_SETTLED, Amount: 1200, TimeMs: 1000}
	f.verdict, f.stranger = sign(t, issuer, v).Bytes, sign(t, fixedKey(t, "stranger"), v).Bytes
	f.book = &ledgerBook{claims: []outbox.Item{f.claim}, issuer: issuerKey}
	return f
}

func addReply(f *testing.F, m proto.Message) {
	f.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
}

// FuzzRefreshResponse: of an answer to Refresh a device takes a bundle that
// its root key signed, and verdicts that the backend signed on its claims.
func FuzzRefreshResponse(f *testing.F) {
	x := newFixture(f)
	time := &backendv1.SignedTime{ServerTimeMs: 1000}
	card := &backendv1.Instrument{InstrumentId: testBytes("card", 16), Type: 1}
	addReply(f, &backendv1.RefreshResponse{TrustBundle: x.bundle.Bytes, Time: time, Verdicts: [][]byte{x.verdict}, VerdictsTo: 7})
	addReply(f, &backendv1.RefreshResponse{TrustBundle: x.bundle.Bytes, Time: time, Verdicts: [][]byte{x.stranger, nil, x.verdict, x.verdict}})
	addReply(f, &backendv1.RefreshResponse{TrustBundle: x.bundle.Bytes, Time: time, Instruments: []*backendv1.Instrument{card, {}}, Voided: [][]byte{testBytes("preauth", 16)}})
	addReply(f, &backendv1.RefreshResponse{TrustBundle: x.bundle.Bytes, Voided: [][]byte{{1}}})
	addReply(f, &backendv1.RefreshResponse{TrustBundle: x.verdict, Time: time})
	f.Fuzz(func(t *testing.T, b []byte) {
		var resp backendv1.RefreshResponse
		if proto.Unmarshal(b, &resp) != nil {
			return
		}
		x.book.t = t
		s := New(Options{Book: x.book})
		r, err := s.readRefresh(t.Context(), x.creds, &resp)
		if err != nil {
			return
		}
		if r.Trust.Bundle.Hash != x.bundle.Hash || r.ServerTime.UnixMilli() <= 0 || len(r.Instruments) > len(resp.Instruments) {
			t.Fatalf("took %+v", r)
		}
		before := x.book.judged
		if _, err := s.rejudge(t.Context(), r.Trust, resp.Verdicts); err != nil {
			t.Fatal(err)
		}
		if n := x.book.judged - before; n > len(x.book.claims) {
			t.Fatalf("%d claims are judged %d times", len(x.book.claims), n)
		}
	})
}

// FuzzSubmitResponse: by an answer to Submit an item is done if the backend
// signed the verdict on it, and all sums agree.
func FuzzSubmitResponse(f *testing.F) {
	x := newFixture(f)
	result := func(verdict []byte) []*backendv1.ItemResult { return []*backendv1.ItemResult{{Verdict: verdict}} }
	totals := []*backendv1.Total{{Currency: "USD", Outcome: uint32(peerv1.Outcome_OUTCOME_SETTLED), Count: 1, Sum: 1200, Settled: 1200}}
	addReply(f, &backendv1.SubmitResponse{Results: result(x.verdict), Totals: totals})
	addReply(f, &backendv1.SubmitResponse{Results: result(x.stranger), Totals: totals})
	addReply(f, &backendv1.SubmitResponse{Results: result(x.verdict)})
	addReply(f, &backendv1.SubmitResponse{Results: []*backendv1.ItemResult{{Error: "TOO_LATE"}}})
	addReply(f, &backendv1.SubmitResponse{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var resp backendv1.SubmitResponse
		if proto.Unmarshal(b, &resp) != nil {
			return
		}
		x.book.t = t
		decisions, _, err := outbox.Decide(x.creds.Trust, []outbox.Item{x.claim}, resultsOf(&resp), totalsOf(&resp))
		if len(decisions) != 1 {
			t.Fatalf("%d decisions", len(decisions))
		}
		d := decisions[0]
		if (err != nil) && d.Err == nil {
			t.Fatalf("done although %v", err)
		}
		if d.Err == nil {
			if err := x.book.Judge(t.Context(), d.Item, d.Verdict); err != nil {
				t.Fatal(err)
			}
		}
	})
}
