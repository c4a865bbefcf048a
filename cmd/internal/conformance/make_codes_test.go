package conformance

import (
	"strconv"
	"testing"

	"google.golang.org/protobuf/proto"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/preauth/vectors"
)

// TestMakeAdvertisements makes the vectors of service data.
func TestMakeAdvertisements(t *testing.T) {
	key, other := [16]byte(made("resume key", 16)), made("another key", 16)
	plain := link.Beacon{Version: 1, EID: link.EID(made("eid", 6)), BaseHandle: 16, TxPower: -12}
	resume, tag, late, far := plain, plain, plain, plain
	resume.Resume, resume.EID = true, link.ResumeEID(key, [3]byte(made("r", 3)))
	tag.Targeted, tag.EID = true, link.ResumeEID(key, [3]byte(made("r 2", 3)))
	late.Version = 15
	far.BaseHandle, far.TxPower = 0xfedc, 127
	of := func(name string, b link.Beacon, key []byte, recognised bool) vectors.Advertisement {
		return vectors.Advertisement{
			Name: name, ServiceData: b.Encode(), Class: vectors.Accepted, Version: b.Version, Resume: b.Resume, Targeted: b.Targeted, Critical: b.Critical,
			EID: b.EID[:], BaseHandle: b.BaseHandle, TxPower: b.TxPower, Key: key, Recognised: recognised,
		}
	}
	closed := plain
	closed.Critical = true
	flags := of("a flag that is ignored", plain, nil, false)
	flags.ServiceData[0] |= 4
	all := []vectors.Advertisement{
		of("nothing special", plain, nil, false),
		of("an eid that was made with no key", plain, key[:], false),
		of("RESUME, for the till that has the key", resume, key[:], true),
		of("RESUME, for another till", resume, other, false),
		of("TARGETED, for the till whose tag was read", tag, key[:], true),
		of("TARGETED, for another till", tag, other, false),
		of("a later version", late, nil, false),
		of("a high handle and a strong signal", far, nil, false),
		of("a flag that one must know to deal with the customer", closed, nil, false),
		flags,
	}
	zero := plain.Encode()
	zero[0] &= 0x0f
	bad := func(name string, data []byte) {
		all = append(all, vectors.Advertisement{Name: name, ServiceData: data, Class: BadAdvertisement})
	}
	bad("version 0", zero)
	bad("nine bytes", plain.Encode()[:9])
	bad("eleven bytes", append(plain.Encode(), 0))
	bad("nothing", nil)
	keep(t, vectors.KindAdvertisements, "The service data of a customer's advertisement, and who recognises it.", all)
}

// TestMakeCodes makes the vectors of the four digits: some, and the first that
// begins with zeros.
func TestMakeCodes(t *testing.T) {
	var all []vectors.Code
	for i := 0; len(all) < 5; i++ {
		n := strconv.Itoa(i)
		c := vectors.Code{Name: "session " + n, Binding: vectors.B32(made("binding "+n, 32)), NB: vectors.B16(made("n_B "+n, 16)), NC: vectors.B16(made("n_C "+n, 16))}
		c.Code = secure.Code(c.Binding, c.NB, c.NC)
		if i < 4 || c.Code < "0100" {
			all = append(all, c)
		}
	}
	keep(t, vectors.KindCodes, "The four digits on both screens: SHA-256 of 'vbp/1 code', channel binding, n_B and n_C as one big-endian number, modulo 10,000.", all)
}

// TestMakeMessages makes the vectors of messages that nobody signs.
func TestMakeMessages(t *testing.T) {
	hash := made("request", 32)
	good := []proto.Message{
		&peerv1.BusinessHello{
			DeviceCert: made("certificate", 20), Versions: &peerv1.Versions{Min: 1, Max: 2, Chosen: 1}, Advertisement: made("advertisement", 10),
			ReadValue: made("read", 6), BundleEpoch: 300, NonceHash: made("nonce", 32),
		},
		&peerv1.CustomerHello{
			DeviceCert: made("certificate", 20), Versions: &peerv1.Versions{Min: 1, Max: 1, Chosen: 1}, Nonce: made("nonce", 16),
			ResumeKey: made("resume key", 16), Unfinished: [][]byte{made("payment 1", 16), made("payment 2", 16)},
		},
		&peerv1.Payment{Voucher: made("voucher", 30), PreauthCert: made("certificate", 30)},
		&peerv1.BundlePart{Epoch: 7, Index: 1, Count: 2, Part: made("part", 30)},
		&peerv1.Pending{RequestHash: hash},
		&peerv1.Unknown{RequestHash: hash},
	}
	var all []vectors.Message
	for _, m := range good {
		kind := string(m.ProtoReflect().Descriptor().Name())
		enc, err := secure.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, vectors.Message{Name: kind, Type: kind, Fields: vectors.Fields(m), Message: enc, Class: vectors.Accepted})
		for _, bad := range vectors.Misencodings(enc) {
			all = append(all, vectors.Message{Name: kind + " " + bad.Name, Type: kind, Message: bad.Enc, Class: "PEER_PROTOCOL"})
		}
	}
	all = append(all, vectors.Message{Name: "Pending with nothing in it", Type: "Pending", Fields: vectors.Fields(&peerv1.Pending{}), Message: vectors.Hex{}, Class: vectors.Accepted})
	keep(t, vectors.KindMessages, "Messages that are not signed, as they travel inside a session: decoded strictly.", all)
}

// TestMakeAmounts makes the vectors of amounts in text.
func TestMakeAmounts(t *testing.T) {
	all := []vectors.Amount{
		{Name: "cents", Text: "12.34", Currency: "USD", Minor: 1234, Shown: "12.34"},
		{Name: "one decimal of two", Text: "12.3", Currency: "USD", Minor: 1230, Shown: "12.30"},
		{Name: "no decimals", Text: "12", Currency: "USD", Minor: 1200, Shown: "12.00"},
		{Name: "zeros before it", Text: "0012.00", Currency: "EUR", Minor: 1200, Shown: "12.00"},
		{Name: "zero", Text: "0", Currency: "USD", Minor: 0, Shown: "0.00"},
		{Name: "yen have none", Text: "1200", Currency: "JPY", Minor: 1200, Shown: "1200"},
		{Name: "dinars have three", Text: "1.234", Currency: "KWD", Minor: 1234, Shown: "1.234"},
		{Name: "rupees have two", Text: "5.50", Currency: "PKR", Minor: 550, Shown: "5.50"},
		{Name: "the largest", Text: "22517998136852.47", Currency: "USD", Minor: 1<<51 - 1, Shown: "22517998136852.47"},
	}
	for i := range all {
		all[i].Class = vectors.Accepted
	}
	all = append(all,
		vectors.Amount{Name: "more than the largest", Text: "22517998136852.48", Currency: "USD", Class: "AMOUNT_RANGE"},
		vectors.Amount{Name: "so many digits", Text: "1000000000000000000000000", Currency: "USD", Class: "AMOUNT_RANGE"},
		vectors.Amount{Name: "a third decimal", Text: "12.345", Currency: "USD", Class: "AMOUNT_PRECISION"},
		vectors.Amount{Name: "a decimal of yen", Text: "12.5", Currency: "JPY", Class: "AMOUNT_PRECISION"},
		vectors.Amount{Name: "no such currency", Text: "12.00", Currency: "XYZ", Class: "CURRENCY_UNKNOWN"},
		vectors.Amount{Name: "a currency in lower case", Text: "12.00", Currency: "usd", Class: "CURRENCY_UNKNOWN"},
		vectors.Amount{Name: "no currency", Text: "12.00", Currency: "", Class: "CURRENCY_UNKNOWN"},
	)
	for _, text := range []string{"", " 12.00", "12.00 ", "+12.00", "-12.00", "1e3", "12.", ".50", "12,00", "1_000", "0x10", "NaN", "1.2.3", "１２", "12.00\n"} {
		all = append(all, vectors.Amount{Name: "not an amount: " + strconv.Quote(text), Text: text, Currency: "USD", Class: "AMOUNT_SYNTAX"})
	}
	keep(t, vectors.KindAmounts, "Amounts as people and programs write them. Nothing is rounded.", all)
}
