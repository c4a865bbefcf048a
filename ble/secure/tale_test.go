package secure

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"slices"
	"testing"

	"golang.org/x/crypto/curve25519"
	"google.golang.org/protobuf/proto"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/frame"
	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/preauth"
)

// exampleBytes are n bytes that stand for something random in the examples.
func exampleBytes(what string, n int) []byte {
	sum := sha256.Sum256([]byte("vbp/1 example: " + what))
	return sum[:n]
}

func exampleKey(t testing.TB, whose string) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), exampleBytes(whose, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func exampleNoise(t testing.TB, whose string) (private [32]byte, public []byte) {
	t.Helper()
	private = [32]byte(exampleBytes(whose, 32))
	public, err := curve25519.X25519(private[:], curve25519.Basepoint)
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

// tale is the payment that the page tells: 12.00 USD and a tip of 1.00.
type tale struct {
	testing.TB
	till, customer Local
	tillCert       preauth.DeviceCert
	customerCert   preauth.DeviceCert
	initiator      Initiator
	responder      Responder
	businessHello  *peerv1.BusinessHello
	customerHello  *peerv1.CustomerHello
	first, second  []byte
	binding        [32]byte
	agreed         Agreement // of the customer
	pending        []byte    // the customer's first message, encrypted
	request        preauth.Request
	requestBody    []byte
	bodies         map[Type][]byte
}

// epoch0 is when the tale begins, in milliseconds.
const epoch0 = 1_790_000_000_000

func tell(t testing.TB) *tale {
	t.Helper()
	s := &tale{
		TB:        t,
		initiator: Initiator{Advertisement: advertised(t).Encode(), Nonce: [16]byte(exampleBytes("n_B", 16))},
		responder: Responder{
			RecentAdvertisement: func([]byte) bool { return true }, ReadValue: shownLimits.Encode(),
			Nonce: [16]byte(exampleBytes("n_C", 16)), ResumeKey: [16]byte(exampleBytes("resume key", 16)),
			Unfinished: func([]byte) [][]byte { return [][]byte{exampleBytes("unfinished payment", 16)} },
		},
	}
	s.certify()
	s.shakeHands()
	s.pay()
	return s
}

// advertised is the advertisement of the tale.
func advertised(testing.TB) link.Beacon {
	return link.Beacon{Version: 1, EID: link.EID(exampleBytes("eid", 6)), BaseHandle: link.DefaultBaseHandle, TxPower: -12}
}

var shownLimits = link.Limits{VersionMin: VersionMin, VersionMax: VersionMax, Window: frame.Window, MessageMax: frame.MessageMax}

func sign[M proto.Message](s *tale, key string, body M) preauth.Signed[M] {
	s.Helper()
	signed, err := preauth.Sign(exampleKey(s, key), body)
	if err != nil {
		s.Fatal(err)
	}
	return signed
}

func encoded(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// certify makes the two devices.
func (s *tale) certify() {
	const day = 24 * 3600 * 1000
	of := func(key string) []byte {
		public := preauth.PublicKeyOf(&exampleKey(s, key).PublicKey)
		return public[:]
	}
	tillNoise, tillNoisePublic := exampleNoise(s, "till's Noise key")
	customerNoise, customerNoisePublic := exampleNoise(s, "customer's Noise key")
	s.tillCert = sign(s, "issuer", &peerv1.DeviceCert{
		DeviceId: exampleBytes("till", 16), Role: peerv1.Role_ROLE_BUSINESS, SigningKey: of("till"), NoiseKey: tillNoisePublic,
		BusinessId: exampleBytes("business", 16), DisplayName: "Cafe Blue", Mcc: 5812, StoredCountMax: 200,
		Caps: []*peerv1.Cap{{Currency: "USD", PaymentMax: 50_00, TotalMax: 500_00}}, NotBeforeMs: epoch0 - day, NotAfterMs: epoch0 + 30*day,
	})
	s.customerCert = sign(s, "issuer", &peerv1.DeviceCert{
		DeviceId: exampleBytes("customer", 16), Role: peerv1.Role_ROLE_CUSTOMER, SigningKey: of("customer"), NoiseKey: customerNoisePublic,
		NotBeforeMs: epoch0 - day, NotAfterMs: epoch0 + 30*day,
	})
	s.till = Local{NoiseKey: tillNoise, DeviceCert: s.tillCert.Bytes, Epoch: 7, VerifyPeer: s.verify(peerv1.Role_ROLE_CUSTOMER)}
	s.customer = Local{NoiseKey: customerNoise, DeviceCert: s.customerCert.Bytes, Epoch: 6, VerifyPeer: s.verify(peerv1.Role_ROLE_BUSINESS)}
}

// verify judges certificates as a device does that knows the issuer.
func (s *tale) verify(role peerv1.Role) func([]byte) ([32]byte, error) {
	issuer := preauth.PublicKeyOf(&exampleKey(s, "issuer").PublicKey)
	return func(b []byte) ([32]byte, error) {
		c, err := preauth.Open[*peerv1.DeviceCert](b)
		if err != nil || c.Body.Role != role {
			return [32]byte{}, errUntrusted
		}
		return [32]byte(c.Body.NoiseKey), c.VerifiedBy(issuer)
	}
}

// shakeHands exchanges the two messages, with fixed ephemeral keys.
func (s *tale) shakeHands() {
	s.Helper()
	ok := func(err error) {
		s.Helper()
		if err != nil {
			s.Fatal(err)
		}
	}
	var err error
	s.businessHello, err = businessHello(shownLimits.Encode(), s.till, s.initiator)
	ok(err)
	_, s.first, err = s.initiator.Open(s.till, shownLimits.Encode(), bytes.NewReader(exampleBytes("till's ephemeral key", 32)))
	ok(err)
	s.customerHello = s.responder.customerHello(s.customer, s.businessHello)
	s.second, s.agreed, err = s.responder.Answer(s.customer, s.first, bytes.NewReader(exampleBytes("customer's ephemeral key", 32)))
	ok(err)
	s.binding = s.agreed.Binding
}

// pay makes the messages of the payment.
func (s *tale) pay() {
	const day = 24 * 3600 * 1000
	of := func(key string) []byte {
		public := preauth.PublicKeyOf(&exampleKey(s, key).PublicKey)
		return public[:]
	}
	body := &peerv1.Request{
		PaymentId: exampleBytes("payment", 16), BusinessDeviceId: exampleBytes("till", 16), Nonce: s.initiator.Nonce[:], Amount: 12_00,
		Currency: "USD", Tip: &peerv1.TipPolicy{Allowed: true, Max: 3_00}, Reference: "table 4", TtlMs: 60_000,
		ChannelBinding: s.binding[:], DeviceCert: s.tillCert.Bytes, CreatedMs: epoch0,
	}
	s.requestBody, s.request = encoded(s, body), sign(s, "till", body)
	cert := sign(s, "issuer", &peerv1.PreauthCert{
		PreauthId: exampleBytes("pre-authorization", 16), Serial: 42, Spender: of("customer"), InstrumentRef: exampleBytes("instrument", 16),
		OwnerRef: exampleBytes("owner", 16), Currency: "USD", Limit: 100_00, PaymentMax: 50_00, PaymentsMax: 1000, IssuedMs: epoch0 - day/2,
		SpendByMs: epoch0 + day/2, SettleByMs: epoch0 + 15*day, Assurance: peerv1.Assurance_ASSURANCE_SOFTWARE, Guarantee: 20_00, MinEpoch: 6,
	})
	request := s.request.Hash[:]
	voucher := sign(s, "customer", &peerv1.Voucher{
		PreauthId: exampleBytes("pre-authorization", 16), RequestHash: request, Amount: 12_00, Tip: 1_00, Currency: "USD",
		Counter: 1, Remaining: 87_00, PrevHash: cert.Hash[:], DeviceTimeMs: epoch0 + 4000,
	})
	bundle := sign(s, "root", &peerv1.TrustBundle{
		Epoch: 7, ServerTimeMs: epoch0 - day,
		Issuers: []*peerv1.IssuerKey{{PublicKey: of("issuer"), NotBeforeMs: epoch0 - 30*day, NotAfterMs: epoch0 + 60*day}},
	})
	s.bodies = map[Type][]byte{
		Request: s.request.Bytes,
		Payment: encoded(s, &peerv1.Payment{Voucher: voucher.Bytes, PreauthCert: cert.Bytes}),
		Receipt: sign(s, "till", &peerv1.Receipt{
			RequestHash: request, VoucherHash: voucher.Hash[:], Status: peerv1.ReceiptStatus_RECEIPT_STATUS_STORED, StoredMs: epoch0 + 4100,
		}).Bytes,
		Cancel:     sign(s, "till", &peerv1.Cancel{RequestHash: request, Reason: peerv1.CancelReason_CANCEL_REASON_OTHER_PAID}).Bytes,
		Decline:    sign(s, "customer", &peerv1.Decline{RequestHash: request, Reason: "not mine"}).Bytes,
		BundlePart: encoded(s, &peerv1.BundlePart{Epoch: 7, Index: 0, Count: 1, Part: bundle.Bytes}),
		Pending:    encoded(s, &peerv1.Pending{RequestHash: request}),
		Charge: sign(s, "customer", &peerv1.Charge{
			InstrumentRef: exampleBytes("instrument", 16), RequestHash: request, Amount: 12_00, Currency: "USD", CustomerDeviceId: exampleBytes("customer", 16),
		}).Bytes,
		Unknown: encoded(s, &peerv1.Unknown{RequestHash: request}),
	}
	pending, err := s.agreed.Seal(Pending, s.bodies[Pending])
	if err != nil {
		s.Fatal(err)
	}
	s.pending = pending
}

// frames cuts a message for values of 20 bytes, in both directions of a link:
// to sends it, from acknowledges.
func frames(t testing.TB, message []byte) (values [][]byte) {
	t.Helper()
	to, err := frame.New(frame.ValueMin, 0)
	if err != nil {
		t.Fatal(err)
	}
	from, err := frame.New(frame.ValueMin, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := to.Send(message); err != nil {
		t.Fatal(err)
	}
	for _, move := range []struct{ a, b *frame.Conn }{{to, from}, {to, from}, {from, to}} {
		value, ok := move.a.Next()
		if !ok {
			t.Fatal("no frame")
		}
		if _, err := move.b.Push(value); err != nil {
			t.Fatal(err)
		}
		values = append(values, value)
	}
	return values
}

func control(t testing.TB, c frame.Control) []byte {
	t.Helper()
	conn, err := frame.New(frame.ValueMin, 0)
	if err != nil {
		t.Fatal(err)
	}
	conn.Signal(c)
	value, ok := conn.Next()
	if !ok {
		t.Fatal("no frame")
	}
	return value
}

// spoken is the message that the page cuts into frames.
const spoken = "a message of 26 characters"

// examples are all of the page but those of ble/hci, by name.
func examples(t testing.TB) map[string][]byte {
	s := tell(t)
	resume, tag := advertised(t), advertised(t)
	resume.Resume, resume.EID = true, link.ResumeEID(s.responder.ResumeKey, [3]byte(exampleBytes("r", 3)))
	tag.Targeted, tag.EID = true, link.ResumeEID([16]byte(exampleBytes("tag", 16)), [3]byte(exampleBytes("r", 3)))
	cut := frames(t, []byte(spoken))
	code := s.codeInput()
	list := map[string][]byte{
		"service data": advertised(t).Encode(), "service data with RESUME": resume.Encode(), "service data of a customer at a tag": tag.Encode(),
		"resume key": s.responder.ResumeKey[:], "tag id": exampleBytes("tag", 16), "read value": shownLimits.Encode(),
		"frame 0": cut[0], "frame 1": cut[1], "acknowledgement": cut[2],
		"PING": control(t, frame.Control{Op: frame.Ping}), "CLOSE": control(t, frame.Control{Op: frame.Close, Code: uint8(CloseShutdown)}),
		"ALERT":                          control(t, frame.Control{Op: frame.Alert, Code: uint8(AlertVersion), VersionMin: 1, VersionMax: 1}),
		"BusinessHello":                  encoded(t, s.businessHello),
		"CustomerHello":                  encoded(t, s.customerHello),
		"first message":                  s.first,
		"second message":                 s.second,
		"channel binding":                s.binding[:],
		"signature input of the Request": slices.Concat([]byte("vipaso/request/v1\x00"), s.requestBody), "H(Request)": s.request.Hash[:],
		"n_B": s.initiator.Nonce[:], "n_C": s.responder.Nonce[:], "code input": code,
		"Pending, encrypted": s.pending,
	}
	for _, whose := range []string{"root", "issuer", "till", "customer"} {
		private, public := exampleBytes(whose, 32), preauth.PublicKeyOf(&exampleKey(t, whose).PublicKey)
		id := public.KeyID()
		list[whose+": private key"], list[whose+": public key"] = private, public[:]
		if whose == "till" {
			list["till: key id"] = id[:]
		}
	}
	for _, whose := range []string{"till's Noise key", "customer's Noise key"} {
		private, public := exampleNoise(t, whose)
		list[whose+", private"], list[whose+", public"] = private[:], public
	}
	for _, whose := range []string{"till's ephemeral key", "customer's ephemeral key"} {
		list[whose] = exampleBytes(whose, 32)
	}
	for kind, body := range s.bodies {
		list[kind.String()] = append([]byte{byte(kind)}, body...)
	}
	return list
}

func (s *tale) codeInput() []byte {
	return slices.Concat([]byte("vbp/1 code"), s.binding[:], s.initiator.Nonce[:], s.responder.Nonce[:])
}
