package conformance

import (
	"bytes"
	"slices"
	"testing"

	"golang.org/x/crypto/curve25519"
	"google.golang.org/protobuf/proto"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/preauth/vectors"
)

// handshake is a good one between the till and the customer of w.
func (w *world) handshake(name string) vectors.Handshake {
	w.Helper()
	beacon := link.Beacon{Version: 1, EID: link.EID(made("eid", 6)), BaseHandle: 16, TxPower: -12}
	limits := link.Limits{VersionMin: 1, VersionMax: 1, Window: 4, MessageMax: 4096}
	tillNoise, _ := madeNoise(w.T, "till")
	customerNoise, _ := madeNoise(w.T, "customer")
	return vectors.Handshake{
		Name: name, Root: w.root, Bundle: w.bundle, NowMs: noon,
		Till: &vectors.Till{
			NoiseKey: tillNoise, Ephemeral: vectors.B32(made("ephemeral till", 32)), DeviceCert: signed(w.T, "issuer", w.tillCert).Bytes,
			VersionMin: 1, VersionMax: 1, Epoch: 7, Advertisement: beacon.Encode(), ReadValue: limits.Encode(), Nonce: vectors.B16(made("n_B", 16)),
		},
		Customer: &vectors.Customer{
			NoiseKey: customerNoise, Ephemeral: vectors.B32(made("ephemeral customer", 32)), DeviceCert: signed(w.T, "issuer", w.customerCert).Bytes,
			VersionMin: 1, VersionMax: 1, Epoch: 6, Advertisement: beacon.Encode(), ReadValue: limits.Encode(), Nonce: vectors.B16(made("n_C", 16)),
			ResumeKey: vectors.B16(made("resume key", 16)), Unfinished: []vectors.Hex{},
		},
		Messages: []vectors.Sealed{},
	}
}

// shaken plays h; by and alert say who has to refuse, if anybody.
func (w *world) shaken(h vectors.Handshake, by string, alert secure.AlertCode) vectors.Handshake {
	w.Helper()
	done, err := Shake(h)
	if err != nil {
		w.Fatalf("%s: %v", h.Name, err)
	}
	if done.RefusedBy != by || done.Alert != uint8(alert) {
		w.Errorf("%s: refused by %q with alert %d, want %q with %d", h.Name, done.RefusedBy, done.Alert, by, alert)
	}
	if by != "" {
		done.Messages = nil
	}
	return done
}

// firstOf is a first message with any payload: it is in clear, so anybody can
// make one.
func (w *world) firstOf(payload []byte) []byte {
	w.Helper()
	ephemeral, err := curve25519.X25519(made("ephemeral till", 32), curve25519.Basepoint)
	if err != nil {
		w.Fatal(err)
	}
	_, static := madeNoise(w.T, "till")
	return slices.Concat(ephemeral, static, payload)
}

// stranger is h with a first message whose hello was changed.
func (w *world) stranger(name string, change func(*peerv1.BusinessHello)) vectors.Handshake {
	w.Helper()
	h := w.handshake(name)
	good := w.shaken(h, "", 0)
	var hello peerv1.BusinessHello
	if err := secure.Decode(good.First[64:], &hello); err != nil {
		w.Fatal(err)
	}
	change(&hello)
	payload, err := secure.Encode(&hello)
	if err != nil {
		w.Fatal(err)
	}
	h.Till, h.First = nil, w.firstOf(payload)
	return h
}

// TestMakeHandshakes makes the vectors of sessions.
func TestMakeHandshakes(t *testing.T) {
	w := newWorld(t)
	talk := w.handshake("a session with messages both ways")
	talk.Customer.Unfinished = []vectors.Hex{made("payment", 16)}
	for _, from := range []string{customer, till, till, customer} {
		body, err := secure.Encode(&peerv1.Pending{RequestHash: made("request", 32)})
		if err != nil {
			t.Fatal(err)
		}
		talk.Messages = append(talk.Messages, vectors.Sealed{From: from, Type: uint8(secure.Pending), Body: body})
	}
	unread := w.handshake("the read value was not read")
	unread.Till.ReadValue = vectors.Hex{}
	all := []vectors.Handshake{w.shaken(w.handshake("nothing special"), "", 0), w.shaken(talk, "", 0), w.shaken(unread, "", 0)}
	all = append(all, versions(w)...)
	all = append(all, refusedByCustomer(w)...)
	all = append(all, refusedByTill(w)...)
	keep(t, vectors.KindHandshakes, "Noise_IX_25519_ChaChaPoly_SHA256 with prologue vbp/1, with all that is secret or random given.", all)
}

// speaking is a handshake of a till and a customer that speak those versions.
func (w *world) speaking(name string, till, customer [2]uint8) vectors.Handshake {
	h := w.handshake(name)
	h.Till.VersionMin, h.Till.VersionMax = till[0], till[1]
	h.Customer.VersionMin, h.Customer.VersionMax = customer[0], customer[1]
	advertised := bytes.Clone(h.Customer.Advertisement)
	advertised[0] = customer[1]<<4 | advertised[0]&0x0f
	h.Till.Advertisement, h.Customer.Advertisement = advertised, advertised
	return h
}

// versions are handshakes of devices that speak more than one.
func versions(w *world) []vectors.Handshake {
	critical := w.handshake("a flag that the till must know")
	advertised := bytes.Clone(critical.Customer.Advertisement)
	advertised[0] |= 8
	critical.Till.Advertisement, critical.Customer.Advertisement = advertised, advertised
	later := w.stranger("more than this version can read, of later versions", func(h *peerv1.BusinessHello) {
		h.Versions = &peerv1.Versions{Min: 2, Max: 3, Chosen: 2}
	})
	later.First = append(later.First, 0xf8, 0x07, 1) // field 127
	more := w.stranger("more than this version can read, of this version", func(*peerv1.BusinessHello) {})
	more.First = append(more.First, 0xf8, 0x07, 1)
	down := w.speaking("somebody makes the till take the customer for an old one", [2]uint8{1, 2}, [2]uint8{1, 2})
	down.Till.Advertisement = bytes.Clone(down.Till.Advertisement)
	down.Till.Advertisement[0] = 0x10
	return []vectors.Handshake{
		w.shaken(w.speaking("the till speaks later versions, too", [2]uint8{1, 3}, [2]uint8{1, 1}), "", 0),
		w.shaken(w.speaking("the customer speaks later versions, too", [2]uint8{1, 1}, [2]uint8{1, 3}), "", 0),
		w.shaken(w.speaking("both speak later versions", [2]uint8{1, 2}, [2]uint8{2, 3}), "", 0),
		w.shaken(w.speaking("the customer is too old for the till", [2]uint8{2, 3}, [2]uint8{1, 1}), till, secure.AlertVersion),
		w.shaken(w.speaking("the till is too old for the customer", [2]uint8{1, 1}, [2]uint8{2, 3}), customer, secure.AlertVersion),
		w.shaken(down, customer, secure.AlertVersion),
		w.shaken(critical, till, secure.AlertVersion),
		w.shaken(later, customer, secure.AlertVersion), w.shaken(more, customer, secure.AlertProtocol),
	}
}

func refusedByCustomer(w *world) []vectors.Handshake {
	other := w.handshake("the till answers another advertisement")
	other.Till.Advertisement = append(bytes.Clone(other.Till.Advertisement[:9]), 0)
	read := w.handshake("the till has read another value")
	read.Till.ReadValue = vectors.Hex{1, 2, 0, 4, 0, 16}
	stolen := w.handshake("a certificate of another Noise key")
	stolen.Till.NoiseKey, _ = madeNoise(w.T, "thief")
	all := []vectors.Handshake{
		w.shaken(other, customer, secure.AlertDowngrade), w.shaken(read, customer, secure.AlertDowngrade),
		w.shaken(stolen, customer, secure.AlertIdentity),
	}
	for _, c := range []struct {
		name   string
		change func(*peerv1.DeviceCert)
	}{
		{"a revoked till", func(d *peerv1.DeviceCert) { d.DeviceId = made("stolen", 16) }},
		{"a certificate that has ended", func(d *peerv1.DeviceCert) { d.NotAfterMs = noon }},
		{"a customer that plays the till", func(d *peerv1.DeviceCert) {
			d.Role, d.BusinessId, d.DisplayName, d.Mcc = peerv1.Role_ROLE_CUSTOMER, nil, "", 0
		}},
	} {
		h, cert := w.handshake(c.name), proto.Clone(w.tillCert).(*peerv1.DeviceCert)
		c.change(cert)
		h.Till.DeviceCert = signed(w.T, "issuer", cert).Bytes
		all = append(all, w.shaken(h, customer, secure.AlertIdentity))
	}
	forged := w.handshake("a certificate that no issuer signed")
	forged.Till.DeviceCert = signed(w.T, "stranger", w.tillCert).Bytes
	all = append(all, w.shaken(forged, customer, secure.AlertIdentity))
	speaks := func(lo, hi, chosen uint32) func(*peerv1.BusinessHello) {
		return func(h *peerv1.BusinessHello) { h.Versions = &peerv1.Versions{Min: lo, Max: hi, Chosen: chosen} }
	}
	for _, s := range []struct {
		name   string
		change func(*peerv1.BusinessHello)
		alert  secure.AlertCode
	}{
		{"a till of later versions", speaks(2, 3, 2), secure.AlertVersion},
		{"a version below the highest common one", speaks(0, 1, 0), secure.AlertVersion},
		{"a version above the highest common one", speaks(1, 2, 2), secure.AlertVersion},
		{"no versions", func(h *peerv1.BusinessHello) { h.Versions = nil }, secure.AlertVersion},
		{"a short commitment", func(h *peerv1.BusinessHello) { h.NonceHash = h.NonceHash[:31] }, secure.AlertProtocol},
		{"no advertisement", func(h *peerv1.BusinessHello) { h.Advertisement = nil }, secure.AlertDowngrade},
		{"no certificate", func(h *peerv1.BusinessHello) { h.DeviceCert = nil }, secure.AlertIdentity},
	} {
		all = append(all, w.shaken(w.stranger(s.name, s.change), customer, s.alert))
	}
	trailing := w.stranger("a hello with a trailing byte", func(*peerv1.BusinessHello) {})
	trailing.First = append(trailing.First, 0)
	noise := w.stranger("no Noise message", func(*peerv1.BusinessHello) {})
	noise.First = vectors.Hex("GET / HTTP/1.0")
	return append(all, w.shaken(trailing, customer, secure.AlertProtocol), w.shaken(noise, customer, secure.AlertHandshake))
}

func refusedByTill(w *world) []vectors.Handshake {
	stolen := w.handshake("the customer's certificate is of another Noise key")
	stolen.Customer.NoiseKey, _ = madeNoise(w.T, "thief")
	revoked, cert := w.handshake("a revoked customer"), proto.Clone(w.customerCert).(*peerv1.DeviceCert)
	cert.DeviceId = made("stolen", 16)
	revoked.Customer.DeviceCert = signed(w.T, "issuer", cert).Bytes
	role := w.handshake("a till that plays the customer")
	role.Customer.DeviceCert = signed(w.T, "issuer", w.tillCert).Bytes
	role.Customer.NoiseKey = role.Till.NoiseKey
	ids := w.handshake("an unfinished payment with a short id")
	ids.Customer.Unfinished = []vectors.Hex{made("payment", 15)}
	all := []vectors.Handshake{
		w.shaken(stolen, till, secure.AlertIdentity), w.shaken(revoked, till, secure.AlertIdentity), w.shaken(role, till, secure.AlertIdentity),
		w.shaken(ids, till, secure.AlertProtocol),
	}
	altered := w.shaken(w.handshake("an altered second message"), "", 0)
	altered.Customer, altered.Second = nil, bytes.Clone(altered.Second)
	altered.Second[len(altered.Second)-1] ^= 1
	return append(all, w.shaken(altered, till, secure.AlertHandshake))
}
