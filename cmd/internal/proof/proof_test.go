package proof

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"

	"google.golang.org/protobuf/proto"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// The examples of RFC 9285, 4.3 and 4.4.
func TestBase45IsThatOfRFC9285(t *testing.T) {
	for plain, text := range map[string]string{"AB": "BB8", "Hello!!": "%69 VD92EX0", "base-45": "UJCLQE7W581", "ietf!": "QED8WEX0", "": ""} {
		if got := base45([]byte(plain)); got != text {
			t.Errorf("%q is %q, want %q", plain, got, text)
		}
		if got, err := fromBase45(text); err != nil || string(got) != plain {
			t.Errorf("%q is %q, want %q: %v", text, got, plain, err)
		}
	}
	for _, text := range []string{"A", "BB8A", "GGW", ":::", "::", "bb8", "ÄB8"} {
		if got, err := fromBase45(text); !errors.Is(err, errBase45) {
			t.Errorf("%q is %q: %v", text, got, err)
		}
	}
	if got := base45(bytes.Repeat([]byte{0xff}, 3)); got != "FGWU5" {
		t.Errorf("the largest: %q", got)
	}
}

func TestAReceiptIsText(t *testing.T) {
	p := &peerv1.ReceiptProof{Request: bytes.Repeat([]byte("request"), 9), Voucher: []byte("voucher"), Issuance: &peerv1.Issuance{IssuerCerts: [][]byte{{1}}}}
	b := encoded(t, p)
	text, err := ReceiptText(b)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Trim(text, alphabet) != "" || !strings.HasPrefix(text, "VBP1:") {
		t.Errorf("a QR code does not pack %q", text)
	}
	wrapped := " " + text[:20] + "\r\n" + text[20:] + "\n"
	for _, shown := range []string{text, wrapped} {
		got, err := ParseReceiptText(shown)
		if err != nil || !proto.Equal(got, p) {
			t.Errorf("%q: %v: %v", shown, got, err)
		}
	}
	bomb, err := ReceiptText(make([]byte, receiptMax+1))
	if err != nil {
		t.Fatal(err)
	}
	odd, err := ReceiptText(append(b, 0))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		text string
		want error
	}{
		"nothing":         {"", ErrText},
		"another text":    {"HC1:" + text[5:], ErrText},
		"small letters":   {text[:5] + strings.ToLower(text[5:]), ErrText},
		"cut off":         {text[:len(text)-3], ErrText},
		"not compressed":  {ReceiptPrefix + base45(b), ErrText},
		"far too much":    {bomb, ErrText},
		"a trailing byte": {odd, preauth.ErrDecode},
	} {
		if _, err := ParseReceiptText(tt.text); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

func encoded(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEvidenceIsAFile(t *testing.T) {
	e := &peerv1.Evidence{Kind: preauth.SameCounter, PreauthCert: []byte{1}, Vouchers: [][]byte{{2}, {3}}, Issuance: &peerv1.Issuance{IssuerCerts: [][]byte{{4}}}}
	text, err := EvidenceFile(e)
	if err != nil || string(text) != `{"kind":"SAME_COUNTER","preauth_cert":"AQ==","vouchers":["Ag==","Aw=="],"issuance":{"issuer_certs":["BA=="]}}`+"\n" {
		t.Errorf("%s: %v", text, err)
	}
	if got, err := ParseEvidence(text); err != nil || !proto.Equal(got, e) {
		t.Errorf("%v: %v", got, err)
	}
	for _, text := range []string{"", "hello", `{"kind":1}`, `{"colour":"blue"}`} {
		if _, err := ParseEvidence([]byte(text)); !errors.Is(err, ErrFile) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// key returns the P-256 key of a name, always the same.
func key(name string) *ecdsa.PrivateKey {
	d := sha256.Sum256([]byte("proof test key " + name))
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d[:])
	if err != nil {
		panic(err)
	}
	return k
}

func public(name string) preauth.PublicKey { return preauth.PublicKeyOf(&key(name).PublicKey) }

func signed[M proto.Message](t testing.TB, by string, body M) []byte {
	t.Helper()
	s, err := preauth.Sign(key(by), body)
	if err != nil {
		t.Fatal(err)
	}
	return s.Bytes
}

func TestParseRoot(t *testing.T) {
	root := public("root")
	for _, text := range []string{hex.EncodeToString(root[:]), strings.ToUpper(hex.EncodeToString(root[:])) + "\n", " " + base64.StdEncoding.EncodeToString(root[:])} {
		if got, err := ParseRoot(text); err != nil || got != root {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"", "root", hex.EncodeToString(root[:32]), hex.EncodeToString(make([]byte, 33))} {
		if _, err := ParseRoot(text); !errors.Is(err, ErrRoot) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// exported is the file of a till's journal of three events, line by line.
func exported(t *testing.T) []string {
	t.Helper()
	id, noise, shop, issuer, till := make([]byte, 16), make([]byte, 32), make([]byte, 16), public("issuer"), public("till")
	id[0], noise[0], shop[0] = 1, 2, 3
	var lines []string
	add := func(part *devicev1.ExportJournalResponse) {
		b, err := JournalLine(part)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.TrimSpace(string(b)))
	}
	var last preauth.Hash
	for n := range uint64(3) {
		e := preauth.JournalEntry{Sequence: n + 1, TimeMs: 1000, Body: []byte{byte(n)}}
		p := &devicev1.JournalEntry{Sequence: e.Sequence, TimeMs: e.TimeMs, Body: e.Body}
		if n == 1 {
			e.Payment = preauth.ID{9}
			p.PaymentId = e.Payment[:]
		}
		last = e.Chain(last)
		p.Hash = bytes.Clone(last[:])
		add(&devicev1.ExportJournalResponse{Part: &devicev1.ExportJournalResponse_Entry{Entry: p}})
	}
	add(&devicev1.ExportJournalResponse{
		Part: &devicev1.ExportJournalResponse_Head{Head: signed(t, "till", &peerv1.JournalHead{DeviceId: id, Sequence: 3, Hash: last[:], TimeMs: 2000})},
		DeviceCert: signed(t, "issuer", &peerv1.DeviceCert{
			DeviceId: id, Role: peerv1.Role_ROLE_BUSINESS, SigningKey: till[:], NoiseKey: noise, BusinessId: shop, DisplayName: "Kiosk", NotBeforeMs: 1, NotAfterMs: 2,
		}),
		Issuance: encoded(t, &peerv1.Issuance{IssuerCerts: [][]byte{signed(t, "root", &peerv1.IssuerKey{PublicKey: issuer[:], NotBeforeMs: 1, NotAfterMs: 2})}}),
	})
	return lines
}

func TestVerifyJournal(t *testing.T) {
	swap := func(at int, old, with string) func([]string) []string {
		return func(l []string) []string {
			if !strings.Contains(l[at], old) {
				t.Fatalf("no %s in %s", old, l[at])
			}
			l[at] = strings.Replace(l[at], old, with, 1)
			return l
		}
	}
	tests := []struct {
		name  string
		root  string
		spoil func([]string) []string
		want  error
		text  string // in the error
		good  uint64 // events
	}{
		{"as it was exported", "root", func(l []string) []string { return l }, nil, "", 3},
		{"another root", "stranger", func(l []string) []string { return l }, preauth.ErrSignature, "issuers", 3},
		{"an event changed", "root", swap(1, `"time_ms":"1000"`, `"time_ms":"1001"`), preauth.ErrJournal, "line 2: event 2", 1},
		{"an event left out", "root", func(l []string) []string { return append(l[:1], l[2:]...) }, preauth.ErrJournal, "line 2: event 3", 1},
		{"the last event left out", "root", func(l []string) []string { return append(l[:2], l[3]) }, preauth.ErrJournal, "signed up to event 3", 2},
		{"no end", "root", func(l []string) []string { return l[:3] }, ErrFile, "the last line is missing", 3},
		{"nothing", "root", func(l []string) []string { return nil }, ErrFile, "the last line is missing", 0},
		{"nobody vouches", "root", func(l []string) []string { l[3] = `{"head":""}`; return l }, ErrUnvouched, "", 3},
		{"more after the end", "root", func(l []string) []string { return append(l, l[2]) }, ErrFile, "line 5", 3},
		{"a line in the middle damaged", "root", swap(1, `{`, `<`), ErrFile, "line 2 is no line of a journal, or a damaged one", 1},
		{"a line in the middle cut", "root", func(l []string) []string { l[2] = l[2][:20]; return l }, ErrFile, "line 3 is no line", 2},
		{"an empty line", "root", func(l []string) []string { l[1] = ""; return l }, ErrFile, "line 2 is no line", 1},
		{"an object with nothing", "root", func(l []string) []string { l[1] = "{}"; return l }, ErrFile, "line 2 is no line", 1},
		{"a line without end", "root", func(l []string) []string { l[1] = strings.Repeat("x", lineMax+1); return l }, ErrFile, "line 2 is longer than any", 1},
		{"another file", "root", func(l []string) []string { l[0] = "hello"; return l }, ErrFile, "line 1", 0},
		{"a payment that is no id", "root", swap(1, `"payment_id":"CQ`, `"payment_id":"AAAACQ`), ErrFile, "payment_id", 1},
		{"a hash that is none", "root", swap(0, `"hash":"`, `"hash":"AAAA`), ErrFile, "hash", 0},
		{"an altered certificate", "root", swap(3, `"device_cert":"C`, `"device_cert":"D`), ErrFile, "the last line is damaged", 3},
		{"no issuers", "root", swap(3, `"issuance":"`, `"issuance":"AAAA`), ErrFile, "the last line is damaged", 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			shown := uint64(0)
			file := strings.NewReader(strings.Join(tt.spoil(exported(t)), "\n"))
			j, err := VerifyJournal(file, public(tt.root), func(preauth.JournalEntry) { shown++ })
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) || !strings.Contains(fmt.Sprint(err), tt.text) {
				t.Errorf("%v; want %v with %q", err, tt.want, tt.text)
			}
			if j.Entries != tt.good || shown != tt.good || err == nil && (j.Device.Body.DisplayName != "Kiosk" || j.Head.Body.Sequence != 3) {
				t.Errorf("%d events fit, %d were shown, by %v", j.Entries, shown, j.Device.Body)
			}
		})
	}
	torn := errors.New("the disk is torn")
	if _, err := VerifyJournal(iotest.ErrReader(torn), public("root"), nil); !errors.Is(err, torn) || errors.Is(err, ErrFile) {
		t.Errorf("a disk that cannot be read: %v", err)
	}
}

// FuzzParseReceiptText: no text makes the decoder panic, and what it takes is
// a proof that can be shown again.
func FuzzParseReceiptText(f *testing.F) {
	text, err := ReceiptText(encoded(f, &peerv1.ReceiptProof{Request: []byte("request"), Voucher: []byte("voucher")}))
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{text, text[:9], ReceiptPrefix, "VBP1:BB8", "VBP1:::::", "vbp1:" + text[5:]} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseReceiptText(s)
		if err != nil {
			return
		}
		text, err := ReceiptText(encoded(t, p))
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseReceiptText(text); err != nil || !proto.Equal(again, p) {
			t.Errorf("%q is %v, and then %v: %v", s, p, again, err)
		}
	})
}
