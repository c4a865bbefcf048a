package outbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// testKey is the same P-256 key for the same name.
func testKey(name string) *ecdsa.PrivateKey {
	d := sha256.Sum256([]byte("key " + name))
	d[0] &= 0x7f // below the order
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d[:])
	if err != nil {
		panic(err)
	}
	return key
}

func testBytes(name string, n int) []byte {
	b := sha256.Sum256([]byte(name))
	return b[:n]
}

func sign[M proto.Message](t testing.TB, key string, body M) preauth.Signed[M] {
	t.Helper()
	s, err := preauth.Sign(testKey(key), body)
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	return s
}

// trust believes the key "issuer".
func trust(t testing.TB) preauth.Trust {
	t.Helper()
	issuer, root := preauth.PublicKeyOf(&testKey("issuer").PublicKey), preauth.PublicKeyOf(&testKey("root").PublicKey)
	b := sign(t, "root", &peerv1.TrustBundle{
		Epoch: 1, ServerTimeMs: noon.UnixMilli(),
		Issuers: []*peerv1.IssuerKey{{
			PublicKey: issuer[:], NotBeforeMs: 1, NotAfterMs: noon.Add(time.Hour).UnixMilli(),
		}},
	})
	tr, err := preauth.OpenTrust(root, b.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// A deal is one request and what came of it.
type deal struct {
	request preauth.Request
	voucher preauth.Voucher
	charge  preauth.Charge
}

// newDeal is a request number n over amount, answered with a tip.
func newDeal(t testing.TB, n int, amount, tip int64, currency string) deal {
	t.Helper()
	id := fmt.Sprintf("deal %d", n)
	var d deal
	d.request = sign(t, "till", &peerv1.Request{
		PaymentId: testBytes(id, 16), BusinessDeviceId: testBytes("till", 16), Nonce: testBytes(id, 16),
		Amount: amount, Currency: currency, TtlMs: 60_000, ChannelBinding: testBytes(id, 32),
		DeviceCert: []byte("certificate"),
	})
	d.voucher = sign(t, "customer", &peerv1.Voucher{
		PreauthId: testBytes("hold", 16), RequestHash: d.request.Hash[:], Amount: amount, Tip: tip,
		Currency: currency, Counter: 1, PrevHash: testBytes("cert", 32),
	})
	d.charge = sign(t, "customer", &peerv1.Charge{
		InstrumentRef: testBytes("card", 16), RequestHash: d.request.Hash[:], Amount: amount, Tip: tip,
		Currency: currency, CustomerDeviceId: testBytes("customer", 16),
	})
	return d
}

// claim is the item of a till that holds the voucher.
func (d deal) claim() Item {
	return Item{
		Key: Key{payment.ItemClaim, d.request.Hash}, Request: d.request.Bytes,
		PreauthCert: []byte("certificate"), Voucher: d.voucher.Bytes, Receipt: []byte("receipt"), Deadline: noon,
	}
}

// charged is the item of a till that holds a charge.
func (d deal) charged() Item {
	it := d.claim()
	it.PreauthCert, it.Voucher, it.Charge = nil, nil, d.charge.Bytes
	return it
}

// question is the item of a customer that has no receipt.
func (d deal) question() Item {
	it := d.claim()
	it.Receipt = nil
	return it
}

// cancel is a bare Cancel with its request.
func (d deal) cancel() Item {
	return Item{
		Key: Key{payment.ItemCancel, d.request.Hash}, Request: d.request.Bytes,
		Cancel: []byte("cancel"), Deadline: noon,
	}
}

// verdict is the issuer's word on the deal; change may bend it.
func (d deal) verdict(t testing.TB, outcome peerv1.Outcome, paid int64, change ...func(*peerv1.Verdict)) []byte {
	t.Helper()
	return d.verdictBy(t, "issuer", outcome, paid, change...)
}

func (d deal) verdictBy(t testing.TB, signer string, outcome peerv1.Outcome, paid int64, change ...func(*peerv1.Verdict)) []byte {
	t.Helper()
	v := &peerv1.Verdict{
		RequestHash: d.request.Hash[:], VoucherHash: d.voucher.Hash[:], Outcome: outcome,
		Amount: paid, TimeMs: noon.UnixMilli(),
	}
	for _, c := range change {
		c(v)
	}
	return sign(t, signer, v).Bytes
}

const (
	settled   = peerv1.Outcome_OUTCOME_SETTLED
	rejected  = peerv1.Outcome_OUTCOME_REJECTED
	cancelled = peerv1.Outcome_OUTCOME_CANCELLED
)

func noVoucher(v *peerv1.Verdict) { v.VoucherHash = nil }

func (d deal) onCharge(v *peerv1.Verdict) { v.VoucherHash = d.charge.Hash[:] }

func otherVoucher(v *peerv1.Verdict) { v.VoucherHash = testBytes("other voucher", 32) }
