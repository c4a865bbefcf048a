package preauth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// testKey returns the P-256 key of a name, always the same.
func testKey(name string) *ecdsa.PrivateKey {
	d := sha256.Sum256([]byte("preauth test key " + name))
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d[:])
	if err != nil {
		panic(err)
	}
	return k
}

func testPub(name string) PublicKey { return PublicKeyOf(&testKey(name).PublicKey) }

// testBytes returns n bytes that belong to a name.
func testBytes(name string, n int) []byte {
	sum := sha256.Sum256([]byte("preauth test bytes " + name))
	return sum[:n]
}

func testID(name string) ID { return ID(testBytes(name, 16)) }

// noon is when everything in these tests happens.
var noon = time.UnixMilli(1_790_000_000_000)

// deal is everything about one sale before it is signed: a customer pays
// 12.00 USD and a tip of 1.00 from a pre-authorization of 100.00. Tests
// change one thing and sign.
type deal struct {
	now          time.Time
	bundle       *peerv1.TrustBundle
	tillCert     *peerv1.DeviceCert
	customerCert *peerv1.DeviceCert
	preauth      *peerv1.PreauthCert
	request      *peerv1.Request
	voucher      *peerv1.Voucher // empty hashes are filled in by signing
	charge       *peerv1.Charge

	rootKey, issuerKey, spenderKey, chargeKey string

	cancelled  bool
	awaited    bool
	seen       Hash  // hash of the stored voucher with this counter, if any
	used       int64 // of the guarantee
	exposure   Exposure
	tamperCert func([]byte) []byte
	tamperPay  func([]byte) []byte
}

func newDeal() *deal {
	day := (24 * time.Hour).Milliseconds()
	now := noon.UnixMilli()
	issuer, spender, till := testPub("issuer"), testPub("customer"), testPub("till")
	return &deal{
		now:     noon,
		rootKey: "root", issuerKey: "issuer", spenderKey: "customer", chargeKey: "customer",
		bundle: &peerv1.TrustBundle{
			Epoch: 7, ServerTimeMs: now - day,
			Issuers:        []*peerv1.IssuerKey{{PublicKey: issuer[:], NotBeforeMs: now - 30*day, NotAfterMs: now + 30*day}},
			RevokedSerials: []uint64{11, 12}, RevokedDevices: [][]byte{testBytes("stolen", 16)},
		},
		tillCert: &peerv1.DeviceCert{
			DeviceId: testBytes("till", 16), Role: peerv1.Role_ROLE_BUSINESS, SigningKey: till[:], NoiseKey: testBytes("till noise", 32),
			BusinessId: testBytes("cafe", 16), DisplayName: "Café Linden", Mcc: 5812, StoredCountMax: 100,
			Caps: []*peerv1.Cap{{Currency: "USD", PaymentMax: 5000, TotalMax: 50000}}, NotBeforeMs: now - day, NotAfterMs: now + 30*day,
		},
		customerCert: &peerv1.DeviceCert{
			DeviceId: testBytes("phone", 16), Role: peerv1.Role_ROLE_CUSTOMER, SigningKey: spender[:], NoiseKey: testBytes("phone noise", 32),
			NotBeforeMs: now - day, NotAfterMs: now + 30*day,
		},
		preauth: &peerv1.PreauthCert{
			PreauthId: testBytes("preauth", 16), Serial: 42, Spender: spender[:],
			InstrumentRef: testBytes("instrument", 16), OwnerRef: testBytes("owner", 16),
			Currency: "USD", Limit: 10000, PaymentMax: 5000, PaymentsMax: 1000,
			IssuedMs: now - day/2, SpendByMs: now + day/2, SettleByMs: now + day/2 + 14*day,
			Assurance: peerv1.Assurance_ASSURANCE_SOFTWARE, Guarantee: 2000, MinEpoch: 7,
		},
		request: &peerv1.Request{
			PaymentId: testBytes("payment", 16), BusinessDeviceId: testBytes("till", 16), Nonce: testBytes("nonce", 16),
			Amount: 1200, Currency: "USD", Tip: &peerv1.TipPolicy{Allowed: true, Max: 300}, Reference: "table 4", TtlMs: 60_000,
			Online: true, ChannelBinding: testBytes("binding", 32), CreatedMs: now - 5000,
		},
		voucher: &peerv1.Voucher{
			PreauthId: testBytes("preauth", 16), Amount: 1200, Tip: 100, Currency: "USD", Counter: 1, Remaining: 8700, DeviceTimeMs: now - 1000,
		},
		charge: &peerv1.Charge{
			InstrumentRef: testBytes("instrument", 16), Amount: 1200, Tip: 100, Currency: "USD", CustomerDeviceId: testBytes("phone", 16),
		},
		exposure: Exposure{
			Limits: Limits{
				Currencies: map[string]Limit{"USD": {PaymentMax: 5000, TotalMax: 50000, CounterpartyMax: 20000}}, CountMax: 100,
				Velocities: []Velocity{{Max: 3, Within: time.Hour}}, OfflineMax: 24 * time.Hour,
			},
			Totals: map[string]int64{"USD": 2500}, Count: 2, Offline: time.Hour,
			With: Dealings{Totals: map[string]int64{"USD": 1000}, Lately: lately(1)},
		},
	}
}

// forge signs body as Sign does, but also what Sign refuses.
func forge(t testing.TB, key string, body proto.Message) []byte {
	t.Helper()
	enc, err := encode(body)
	if err != nil {
		t.Fatal(err)
	}
	return envelope(t, key, kindOf(body), enc)
}

// envelope signs an encoding, whatever it holds.
func envelope(t testing.TB, key, kind string, enc []byte) []byte {
	t.Helper()
	sig, err := SignMessage(testKey(key), kind, enc)
	if err != nil {
		t.Fatal(err)
	}
	id := testPub(key).KeyID()
	b, err := encode(&peerv1.Signed{Body: enc, KeyId: id[:], Sig: sig})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustSign[M proto.Message](t testing.TB, key string, body M) Signed[M] {
	t.Helper()
	s, err := Sign(testKey(key), body)
	if err != nil {
		t.Fatalf("sign %s: %v", kindOf(body), err)
	}
	return s
}

func (d *deal) signTill(t testing.TB) DeviceCert {
	t.Helper()
	return mustSign(t, d.issuerKey, d.tillCert)
}

func (d *deal) signCustomer(t testing.TB) DeviceCert {
	t.Helper()
	return mustSign(t, d.issuerKey, d.customerCert)
}

func (d *deal) trust(t testing.TB) Trust {
	t.Helper()
	tr, err := OpenTrust(testPub("root"), mustSign(t, d.rootKey, d.bundle).Bytes)
	if err != nil {
		t.Fatalf("OpenTrust: %v", err)
	}
	return tr
}

func (d *deal) signRequest(t testing.TB) Request {
	t.Helper()
	r := proto.Clone(d.request).(*peerv1.Request)
	r.DeviceCert = mustSign(t, "issuer", d.tillCert).Bytes
	return mustSign(t, "till", r)
}

func (d *deal) signPreauth(t testing.TB) []byte {
	t.Helper()
	b := mustSign(t, d.issuerKey, d.preauth).Bytes
	if d.tamperCert != nil {
		b = d.tamperCert(bytes.Clone(b))
	}
	return b
}

func (d *deal) signVoucher(t testing.TB) []byte {
	t.Helper()
	v := proto.Clone(d.voucher).(*peerv1.Voucher)
	if h := d.signRequest(t).Hash; v.RequestHash == nil {
		v.RequestHash = h[:]
	}
	if h := mustSign(t, d.issuerKey, d.preauth).Hash; v.PrevHash == nil {
		v.PrevHash = h[:]
	}
	return d.tampered(mustSign(t, d.spenderKey, v).Bytes)
}

func (d *deal) signCharge(t testing.TB) []byte {
	t.Helper()
	c := proto.Clone(d.charge).(*peerv1.Charge)
	if h := d.signRequest(t).Hash; c.RequestHash == nil {
		c.RequestHash = h[:]
	}
	return d.tampered(mustSign(t, d.chargeKey, c).Bytes)
}

func (d *deal) tampered(b []byte) []byte {
	if d.tamperPay == nil {
		return b
	}
	return d.tamperPay(bytes.Clone(b))
}

// till is what the till knows when the answer arrives.
func (d *deal) till(t testing.TB) Till {
	t.Helper()
	return Till{
		Trust: d.trust(t), Now: d.now, Request: d.signRequest(t), Customer: ID(d.customerCert.DeviceId), Cancelled: d.cancelled, Awaited: d.awaited,
		Seen: func(preauth ID, counter uint32) (Hash, bool) {
			return d.seen, !d.seen.Zero() && preauth == ID(d.preauth.PreauthId) && counter == d.voucher.Counter
		},
		Guaranteed: func(preauth ID) int64 {
			if preauth != ID(d.preauth.PreauthId) {
				return 0
			}
			return d.used
		},
		Exposure: d.exposure,
	}
}

// check signs everything and lets the till judge it.
func (d *deal) check(t testing.TB) (Accepted, error) {
	t.Helper()
	return d.till(t).CheckVoucher(d.signVoucher(t), d.signPreauth(t))
}
