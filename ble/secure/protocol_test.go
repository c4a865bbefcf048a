package secure

import (
	"bytes"
	"crypto/sha256"
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/frame"
	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/link/linktest"
	"github.com/vipaso/vipasod/preauth"
)

// page is the wire protocol for people.
const page = "../PROTOCOL.md"

// TestProtocolPage: the page's examples are what this code makes of the keys in
// it, none is missing and none is made up.
func TestProtocolPage(t *testing.T) {
	p, want := linktest.ReadPage(t, page), examples(t)
	for name, b := range want {
		p.Is(name, b)
	}
	for _, name := range p.Names() {
		if want[name] == nil && !strings.HasPrefix(name, "air: ") && !strings.HasPrefix(name, "ATT: ") {
			t.Errorf("example %q is of nothing", name)
		}
	}
}

// TestProtocolPageAdvertisement reads the page as a till does.
func TestProtocolPageAdvertisement(t *testing.T) {
	p := linktest.ReadPage(t, page)
	for name, is := range map[string]func(link.Beacon) bool{
		"service data": func(b link.Beacon) bool { return !b.Resume && !b.Targeted && b.TxPower == -12 },
		"service data with RESUME": func(b link.Beacon) bool {
			return b.Resume && link.MatchesResume([16]byte(p.Bytes("resume key")), b.EID)
		},
		"service data of a customer at a tag": func(b link.Beacon) bool { return b.Targeted && link.MatchesResume([16]byte(p.Bytes("tag id")), b.EID) },
	} {
		b, err := link.DecodeBeacon(p.Bytes(name))
		if err != nil || b.Version != 1 || b.BaseHandle != link.DefaultBaseHandle || !is(b) || !bytes.Equal(b.Encode(), p.Bytes(name)) {
			t.Errorf("%s: %+v, %v", name, b, err)
		}
	}
	if l, err := link.DecodeLimits(p.Bytes("read value")); err != nil || l != shownLimits {
		t.Errorf("read value: %+v, %v", l, err)
	}
}

// TestProtocolPageFrames puts the page's frames together.
func TestProtocolPageFrames(t *testing.T) {
	p := linktest.ReadPage(t, page)
	fresh := func() *frame.Conn {
		c, err := frame.New(frame.ValueMin, 0)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	push := func(c *frame.Conn, name string) frame.Input {
		in, err := c.Push(p.Bytes(name))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return in
	}
	sender, receiver := fresh(), fresh()
	if err := sender.Send([]byte(spoken)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		sender.Next()
	}
	push(receiver, "frame 0")
	if in := push(receiver, "frame 1"); string(in.Message) != spoken {
		t.Errorf("message %q", in.Message)
	}
	push(sender, "acknowledgement")
	if n := sender.Counters(); n.AcksReceived != 1 {
		t.Errorf("counters %+v", n)
	}
	for name, want := range map[string]frame.Control{
		"PING": {Op: frame.Ping}, "CLOSE": {Op: frame.Close, Code: uint8(CloseShutdown)},
		"ALERT": {Op: frame.Alert, Code: uint8(AlertVersion), VersionMin: VersionMin, VersionMax: VersionMax},
	} {
		if in := push(fresh(), name); in.Control == nil || *in.Control != want {
			t.Errorf("%s: %+v", name, in.Control)
		}
	}
}

// TestProtocolPageHandshake shakes hands with the page's messages.
func TestProtocolPageHandshake(t *testing.T) {
	p, s := linktest.ReadPage(t, page), tell(t)
	var till peerv1.BusinessHello
	var customer peerv1.CustomerHello
	for name, m := range map[string]proto.Message{"BusinessHello": &till, "CustomerHello": &customer} {
		if err := Decode(p.Bytes(name), m); err != nil || !bytes.Equal(encoded(t, m), p.Bytes(name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	opening, first, err := s.initiator.Open(s.till, p.Bytes("read value"), bytes.NewReader(p.Bytes("till's ephemeral key")))
	if err != nil || !bytes.Equal(first, p.Bytes("first message")) {
		t.Fatalf("first message: %x, %v", first, err)
	}
	responder := s.responder
	responder.RecentAdvertisement = func(b []byte) bool { return bytes.Equal(b, p.Bytes("service data")) }
	responder.ReadValue = p.Bytes("read value")
	second, _, err := responder.Answer(s.customer, p.Bytes("first message"), bytes.NewReader(p.Bytes("customer's ephemeral key")))
	if err != nil || !bytes.Equal(second, p.Bytes("second message")) {
		t.Errorf("second message: %x, %v", second, err)
	}
	agreed, err := opening.Finish(p.Bytes("second message"))
	if err != nil || !bytes.Equal(agreed.Binding[:], p.Bytes("channel binding")) {
		t.Fatalf("binding %x, %v", agreed.Binding, err)
	}
	if kind, body, err := agreed.Open(p.Bytes("Pending, encrypted")); err != nil || kind != Pending || !bytes.Equal(body, p.Bytes("Pending")[1:]) {
		t.Errorf("first message of the customer: %s, %x, %v", kind, body, err)
	}
	commitment := sha256.Sum256(p.Bytes("n_B"))
	if !bytes.Equal(commitment[:], till.GetNonceHash()) || !bytes.Equal(p.Bytes("n_C"), customer.GetNonce()) {
		t.Error("nonces are not those of the handshake")
	}
}

// TestProtocolPageMessages opens each message of the page, and verifies it.
func TestProtocolPageMessages(t *testing.T) {
	p := linktest.ReadPage(t, page)
	body := func(kind Type) []byte {
		m := p.Bytes(kind.String())
		if Type(m[0]) != kind {
			t.Errorf("%s begins with %d", kind, m[0])
		}
		return m[1:]
	}
	request := opened[*peerv1.Request](t, p, "till", body(Request))
	input := p.Bytes("signature input of the Request")
	if hash := sha256.Sum256(input); !bytes.HasSuffix(input, encoded(t, request.Body)) || hash != request.Hash || !bytes.Equal(hash[:], p.Bytes("H(Request)")) {
		t.Errorf("H(Request) is %x", request.Hash)
	}
	var paid peerv1.Payment
	if err := Decode(body(Payment), &paid); err != nil {
		t.Fatal(err)
	}
	voucher := opened[*peerv1.Voucher](t, p, "customer", paid.GetVoucher())
	cert := opened[*peerv1.PreauthCert](t, p, "issuer", paid.GetPreauthCert())
	receipt := opened[*peerv1.Receipt](t, p, "till", body(Receipt))
	if !bytes.Equal(voucher.Body.PrevHash, cert.Hash[:]) || !bytes.Equal(receipt.Body.VoucherHash, voucher.Hash[:]) {
		t.Error("voucher, certificate and receipt do not belong together")
	}
	var part peerv1.BundlePart
	if err := Decode(body(BundlePart), &part); err != nil {
		t.Fatal(err)
	}
	opened[*peerv1.TrustBundle](t, p, "root", part.GetPart())
	var pending peerv1.Pending
	var unknown peerv1.Unknown
	if err := Decode(body(Pending), &pending); err != nil {
		t.Error(err)
	}
	if err := Decode(body(Unknown), &unknown); err != nil {
		t.Error(err)
	}
	for what, hash := range map[string][]byte{
		"Voucher": voucher.Body.RequestHash, "Receipt": receipt.Body.RequestHash, "Pending": pending.RequestHash, "Unknown": unknown.RequestHash,
		"Cancel":  opened[*peerv1.Cancel](t, p, "till", body(Cancel)).Body.RequestHash,
		"Decline": opened[*peerv1.Decline](t, p, "customer", body(Decline)).Body.RequestHash,
		"Charge":  opened[*peerv1.Charge](t, p, "customer", body(Charge)).Body.RequestHash,
	} {
		if !bytes.Equal(hash, request.Hash[:]) {
			t.Errorf("%s names request %x", what, hash)
		}
	}
}

// opened opens a signed object and verifies it with a key of the page.
func opened[M proto.Message](t *testing.T, p *linktest.Page, whose string, b []byte) preauth.Signed[M] {
	t.Helper()
	o, err := preauth.Open[M](b)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.VerifiedBy(preauth.PublicKey(p.Bytes(whose + ": public key"))); err != nil {
		t.Error(err)
	}
	return o
}

// TestProtocolPageCode works out the four digits that the page names.
func TestProtocolPageCode(t *testing.T) {
	p := linktest.ReadPage(t, page)
	nB, nC, binding := p.Bytes("n_B"), p.Bytes("n_C"), p.Bytes("channel binding")
	if want := slices.Concat([]byte("vbp/1 code"), binding, nB, nC); !bytes.Equal(p.Bytes("code input"), want) {
		t.Errorf("code input %x", want)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	code := Code([32]byte(binding), [16]byte(nB), [16]byte(nC))
	if !strings.Contains(string(text), "The code is `"+code+"`.") {
		t.Errorf("the page does not say that the code is %s", code)
	}
}
