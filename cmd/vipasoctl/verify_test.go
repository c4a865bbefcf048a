package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/vipaso/vipasod/cmd/internal/proof"
	"github.com/vipaso/vipasod/preauth"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// keyOf returns the P-256 key of a name, always the same.
func keyOf(name string) *ecdsa.PrivateKey {
	d := sha256.Sum256([]byte("vipasoctl test key " + name))
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d[:])
	if err != nil {
		panic(err)
	}
	return k
}

func publicOf(name string) []byte {
	k := preauth.PublicKeyOf(&keyOf(name).PublicKey)
	return k[:]
}

// bytesOf returns n bytes that belong to a name.
func bytesOf(name string, n int) []byte {
	sum := sha256.Sum256([]byte("vipasoctl test bytes " + name))
	return sum[:n]
}

func signedBy[M proto.Message](t *testing.T, key string, body M) preauth.Signed[M] {
	t.Helper()
	s, err := preauth.Sign(keyOf(key), body)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func marshalled(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func issuanceOf(t *testing.T) *peerv1.Issuance {
	t.Helper()
	return &peerv1.Issuance{IssuerCerts: [][]byte{signedBy(t, "root", &peerv1.IssuerKey{PublicKey: publicOf("issuer"), NotBeforeMs: 1, NotAfterMs: 2}).Bytes}}
}

func tillCert(t *testing.T) preauth.DeviceCert {
	t.Helper()
	return signedBy(t, "issuer", &peerv1.DeviceCert{
		DeviceId: bytesOf("till", 16), Role: peerv1.Role_ROLE_BUSINESS, SigningKey: publicOf("till"), NoiseKey: bytesOf("noise", 32),
		BusinessId: bytesOf("shop", 16), DisplayName: "Cafe Central", Mcc: 5812, NotBeforeMs: 1_790_000_000_000, NotAfterMs: 1_800_000_000_000,
		Caps: []*peerv1.Cap{{Currency: "USD", PaymentMax: 50_00, TotalMax: 500_00}}, StoredCountMax: 100,
	})
}

func preauthCert(t *testing.T) preauth.PreauthCert {
	t.Helper()
	return signedBy(t, "issuer", &peerv1.PreauthCert{
		PreauthId: bytesOf("preauth", 16), Serial: 7, Spender: publicOf("phone"), InstrumentRef: bytesOf("card", 16), OwnerRef: bytesOf("ann", 16),
		Currency: "USD", Limit: 100_00, PaymentMax: 50_00, PaymentsMax: 1000, IssuedMs: 1_790_000_000_000, SpendByMs: 1_790_086_400_000,
		SettleByMs: 1_791_000_000_000, Assurance: peerv1.Assurance_ASSURANCE_SOFTWARE, MinEpoch: 3,
	})
}

// provenPayment is the payment of fixtures_test.go with a proof of its receipt,
// signed by whoever is named.
func provenPayment(t *testing.T, receiptBy string) *paymentv1.Payment {
	t.Helper()
	id, err := preauth.ParseID(paymentID)
	if err != nil {
		t.Fatal(err)
	}
	request := signedBy(t, "till", &peerv1.Request{
		PaymentId: id[:], BusinessDeviceId: bytesOf("till", 16), Nonce: bytesOf("nonce", 16), Amount: 12_00, Currency: "USD",
		Tip: &peerv1.TipPolicy{Allowed: true}, Reference: "table 4", TtlMs: 60_000, ChannelBinding: bytesOf("binding", 32),
		DeviceCert: tillCert(t).Bytes, CreatedMs: 1_790_000_000_000,
	})
	cert := preauthCert(t)
	voucher := signedBy(t, "phone", &peerv1.Voucher{
		PreauthId: bytesOf("preauth", 16), RequestHash: request.Hash[:], Amount: 12_00, Tip: 1_00, Currency: "USD", Counter: 1, Remaining: 87_00,
		PrevHash: cert.Hash[:], DeviceTimeMs: 1_790_000_000_000,
	})
	receipt := signedBy(t, receiptBy, &peerv1.Receipt{
		RequestHash: request.Hash[:], VoucherHash: voucher.Hash[:], Status: peerv1.ReceiptStatus_RECEIPT_STATUS_STORED, StoredMs: 1_790_000_001_000,
	})
	p := paid(paymentv1.PaymentState_PAYMENT_STATE_PROVISIONAL)
	p.Receipt.Proof = marshalled(t, &peerv1.ReceiptProof{
		Request: request.Bytes, PreauthCert: cert.Bytes, Voucher: voucher.Bytes, Receipt: receipt.Bytes, Issuance: issuanceOf(t),
	})
	return p
}

func receiptText(t *testing.T, p *paymentv1.Payment) string {
	t.Helper()
	text, err := proof.ReceiptText(p.Receipt.Proof)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// fileOf writes a file of the test.
func fileOf(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// verified is what a verification must say.
type verified struct {
	name string
	args []string // after the command
	code int
	want []string // parts of stdout, or of stderr if the code is above 1
}

func (v verified) check(t *testing.T, f *fake, command ...string) {
	t.Helper()
	got := f.run(append(command, v.args...)...)
	said := got.stdout
	if v.code > 1 {
		said = got.stderr
	}
	for _, part := range v.want {
		if !strings.Contains(said, part) {
			t.Errorf("%s: says %q, want %q in it", v.name, said, part)
		}
	}
	if got.code != v.code {
		t.Errorf("%s: exit %d, want %d: %+v", v.name, got.code, v.code, got)
	}
}

// roots are the ways to name a root key, and a stranger's.
func roots(t *testing.T) (key, file, stranger string) {
	key = hex.EncodeToString(publicOf("root"))
	return key, fileOf(t, key+"\n"), hex.EncodeToString(publicOf("stranger"))
}

func TestReceiptVerify(t *testing.T) {
	f := newFake(t)
	f.answer("GetTrust", &devicev1.GetTrustResponse{RootKey: publicOf("root")})
	key, file, stranger := roots(t)
	text := receiptText(t, provenPayment(t, "till"))
	forged := receiptText(t, provenPayment(t, "other till"))
	spoilt := strings.Replace(text, text[40:43], "ABC", 1)
	facts := []string{"proven  both sides", "Cafe Central (MCC 5812)", "12.00 USD", "1.00 USD", "13.00 USD", `"table 4"`, "PROVISIONAL", paymentID, "by the till's clock"}
	for _, v := range []verified{
		{"text and key", []string{text, "--root", key}, 0, facts},
		{"file and file", []string{fileOf(t, text+"\n"), "--root", file}, 0, facts},
		{"the daemon's key", []string{text}, 0, facts},
		{"for programs", []string{text, "--json"}, 0, []string{
			`{"proven":true,"payment_id":"` + paymentID + `","business_name":"Cafe Central","mcc":"5812",`,
			`"amount":"12.00","tip":"1.00","total":"13.00","currency":"USD","payment_reference":"table 4","stored_at":"2026-09-21T14:13:21Z","finality":"PROVISIONAL"}`,
		}},
		{"another root", []string{text, "--root", stranger}, 1, []string{"not proven  receipt: issuers: ", "signature does not verify; it may be proven under an earlier root key\n"}},
		{"a receipt of another till", []string{forged, "--root", key}, 1, []string{"not proven  receipt: receipt: ", "signature does not verify"}},
		{"for programs, another root", []string{text, "--root", stranger, "--json"}, 1, []string{`{"proven":false,"error":"receipt: issuers: `}},
		{"tampered", []string{spoilt, "--root", key}, 1, []string{"not proven  receipt: "}},
		{"another text", []string{fileOf(t, "hello"), "--root", key}, 1, []string{`it does not begin with "VBP1:": not the text`}},
		{"no file", []string{"/nowhere/receipt", "--root", key}, 2, []string{"/nowhere/receipt: no such file", "payments receipt PAYMENT --format proof"}},
		{"a root that is none", []string{text, "--root", "/nowhere/root"}, 2, []string{"/nowhere/root: no such file", rootHint}},
		{"a file that is no root", []string{text, "--root", fileOf(t, "hello")}, 2, []string{": not a root key", "next   " + rootHint}},
	} {
		v.check(t, f, "receipt", "verify")
	}
	var out bytes.Buffer
	code := run(t.Context(), []string{"receipt", "verify", "-", "--root", key}, strings.NewReader(text+"\n"), &out, &out, func(string) string { return "" })
	if code != 0 || !strings.Contains(out.String(), "proven  both sides") {
		t.Errorf("from standard input: exit %d: %s", code, &out)
	}
	f.stop()
	if got := f.run("receipt", "verify", text, "--root", stranger); !strings.Contains(got.stderr, "--root OLD") {
		t.Errorf("another root: %+v", got)
	}
	verified{"without a daemon", []string{text, "--root", key}, 0, facts}.check(t, f, "receipt", "verify")
	verified{"without a daemon or a key", []string{text}, 3, nil}.check(t, f, "receipt", "verify")
}

func TestReceiptCode(t *testing.T) {
	f := newFake(t)
	p := provenPayment(t, "till")
	f.answer("GetStatus", offlineTill())
	f.answer("FetchPayment", &paymentv1.FetchPaymentResponse{Payment: p})
	text := receiptText(t, p)
	if got := f.run("payments", "receipt", paymentID, "--format", "proof"); got.code != 0 || got.stdout != text+"\n" {
		t.Errorf("%+v", got)
	}
	code, err := receiptCode(p)
	if err != nil || code.VersionNumber > 25 || code.Content != text {
		t.Fatalf("a code of version %d: %v", code.VersionNumber, err)
	}
	t.Logf("%d bytes, %d characters, version %d", len(p.Receipt.Proof), len(text), code.VersionNumber)
	got := f.run("payments", "receipt", paymentID, "--format", "qr")
	lines := strings.Split(strings.TrimSuffix(got.stdout, "\n"), "\n")
	if dots := len(code.Bitmap()); got.code != 0 || len(lines) != (dots+1)/2 || len([]rune(lines[9])) != dots {
		t.Errorf("exit %d, %d lines of %d for %d dots", got.code, len(lines), len([]rune(lines[9])), dots)
	}
	page := f.run("payments", "receipt", paymentID, "--format", "html")
	s := squareOf(code)
	if page.code != 0 || !strings.Contains(page.stdout, fmt.Sprintf(`viewBox="0 0 %d %d"`, s.Size, s.Size)) || !strings.Contains(page.stdout, `<path d="`+s.Path+`"/>`) {
		t.Errorf("the page does not show the code: exit %d", page.code)
	}
	drawn := make([][]bool, s.Size)
	for i := range drawn {
		drawn[i] = make([]bool, s.Size)
	}
	for _, run := range strings.Split(s.Path, "M")[1:] {
		var x, y, n, back int
		if _, err := fmt.Sscanf(run, "%d %dh%dv1h-%dz", &x, &y, &n, &back); err != nil || n != back {
			t.Fatalf("%q: %v", run, err)
		}
		for i := range n {
			drawn[y][x+i] = true
		}
	}
	if fmt.Sprint(drawn) != fmt.Sprint(code.Bitmap()) {
		t.Error("the page shows another code")
	}
}

// The longest proof that there can be still fits a code.
func TestTheLongestReceiptFitsACode(t *testing.T) {
	p := provenPayment(t, "till")
	var long peerv1.ReceiptProof
	if err := proto.Unmarshal(p.Receipt.Proof, &long); err != nil {
		t.Fatal(err)
	}
	voucher, err := preauth.Open[*peerv1.Voucher](long.Voucher)
	if err != nil {
		t.Fatal(err)
	}
	for i := range preauth.ReleasedMax {
		voucher.Body.Released = append(voucher.Body.Released, signedBy(t, fmt.Sprint("till ", i), &peerv1.Cancel{
			RequestHash: bytesOf(fmt.Sprint("request ", i), 32), Reason: peerv1.CancelReason_CANCEL_REASON_REFUSED, Code: "PREAUTH_EXPIRED",
		}).Bytes)
	}
	long.Voucher = signedBy(t, "phone", voucher.Body).Bytes
	long.Issuance.IssuerCerts = append(long.Issuance.IssuerCerts, signedBy(t, "root", &peerv1.IssuerKey{PublicKey: publicOf("issuer 2"), NotBeforeMs: 1, NotAfterMs: 2}).Bytes)
	for i := range 3 {
		long.Issuance.Handovers = append(long.Issuance.Handovers, signedBy(t, fmt.Sprint("root ", i), &peerv1.RootHandover{RootKey: publicOf(fmt.Sprint("root ", i+1)), TimeMs: 1}).Bytes)
	}
	p.Receipt.Proof = marshalled(t, &long)
	code, err := receiptCode(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes, version %d", len(p.Receipt.Proof), code.VersionNumber)
}

// A receipt that nothing proves is printed without a code, and said so where
// only the code was asked for.
func TestReceiptWithoutProof(t *testing.T) {
	f := answering(t)
	for _, format := range []string{"qr", "proof"} {
		if got := f.run("payments", "receipt", paymentID, "--format", format); got.code != 5 || !strings.HasPrefix(got.stderr, "error: nothing proves the receipt of payment "+paymentID+" to others\nwhy    The device is not enrolled") || !strings.Contains(got.stderr, "the issuer key that signed them was withdrawn") {
			t.Errorf("%s: %+v", format, got)
		}
	}
	if got := f.run("payments", "receipt", paymentID, "--format", "html"); got.code != 0 || strings.Contains(got.stdout, "<svg") {
		t.Errorf("%+v", got)
	}
}

// accused is evidence of that kind: vouchers at those counters, of those
// amounts.
func accused(t *testing.T, kind string, vouchers ...[2]int64) string {
	t.Helper()
	e := &peerv1.Evidence{Kind: kind, PreauthCert: preauthCert(t).Bytes, Issuance: issuanceOf(t), DeviceCert: signedBy(t, "issuer", &peerv1.DeviceCert{
		DeviceId: bytesOf("phone", 16), Role: peerv1.Role_ROLE_CUSTOMER, SigningKey: publicOf("phone"), NoiseKey: bytesOf("noise", 32), NotBeforeMs: 1, NotAfterMs: 2,
	}).Bytes}
	for i, v := range vouchers {
		e.Vouchers = append(e.Vouchers, signedBy(t, "phone", &peerv1.Voucher{
			PreauthId: bytesOf("preauth", 16), RequestHash: bytesOf(fmt.Sprint("request ", i), 32), PrevHash: bytesOf("previous", 32),
			Counter: uint32(v[0]), Amount: v[1], Currency: "USD",
		}).Bytes)
	}
	text, err := proof.EvidenceFile(e)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestEvidenceVerify(t *testing.T) {
	f := newFake(t)
	f.stop()
	key, file, stranger := roots(t)
	device := preauth.ID(bytesOf("phone", 16)).String()
	same := fileOf(t, accused(t, preauth.SameCounter, [2]int64{3, 12_00}, [2]int64{3, 15_00}))
	over := fileOf(t, accused(t, preauth.OverLimit, [2]int64{1, 50_00}, [2]int64{2, 50_01}))
	for _, v := range []verified{
		{"one counter", []string{same, "--root", key}, 0, []string{
			"proven  device " + device + " signed two vouchers at counter 3", "12.00 USD, counter 3", "15.00 USD, counter 3", preauth.Hash(bytesOf("request 1", 32)).String(),
		}},
		{"above the limit", []string{over, "--root", file}, 0, []string{"signed vouchers of 100.01 USD, and may spend 100.00 USD", "50.01 USD, counter 2"}},
		{"for programs", []string{same, "--root", key, "--json"}, 0, []string{`{"proven":true,"kind":"SAME_COUNTER","device_id":"` + device + `",`, `"counter":3,"amount":"15.00","tip":"0.00"}`}},
		{"two counters", []string{fileOf(t, accused(t, preauth.SameCounter, [2]int64{3, 1}, [2]int64{4, 1})), "--root", key}, 1, []string{"not proven  evidence: ", "counters 3 and 4"}},
		{"up to the limit", []string{fileOf(t, accused(t, preauth.OverLimit, [2]int64{1, 50_00}, [2]int64{2, 50_00})), "--root", key}, 1, []string{"not proven  evidence: ", "100.00 USD, the limit is 100.00"}},
		{"another root", []string{same, "--root", stranger}, 1, []string{"not proven  evidence: issuers: ", "an earlier root key\n"}},
		{"another file", []string{fileOf(t, "hello"), "--root", key}, 1, []string{"not proven  evidence: not a file of this kind, or damaged\n"}},
		{"no file", []string{"/nowhere/evidence", "--root", key}, 2, []string{"/nowhere/evidence: no such file", "evidence export"}},
	} {
		v.check(t, f, "evidence", "verify")
	}
	if got := f.run("evidence", "verify", over, "--root", key); !strings.Contains(got.stderr, "may answer with Cancels") {
		t.Errorf("what the accused can answer: %+v", got)
	}
	if got := f.run("evidence", "verify", same, "--root", key); got.stderr != "" {
		t.Errorf("nothing answers two vouchers at one counter: %+v", got)
	}
}

// journalParts is a journal as a daemon exports it: two events, one older than
// the chain, another after the store was put back.
func journalParts(t *testing.T) []proto.Message {
	t.Helper()
	var parts []proto.Message
	var last preauth.Hash
	for i, n := range []uint64{1, 2, 3 + preauth.JournalSkip} {
		e := preauth.JournalEntry{Sequence: n, TimeMs: 1_790_000_000_000, Body: []byte{byte(n)}}
		p := &devicev1.JournalEntry{Sequence: e.Sequence, TimeMs: e.TimeMs, Body: e.Body}
		if i > 0 {
			last = e.Chain(last)
			p.Hash = append(p.Hash, last[:]...)
		}
		parts = append(parts, &devicev1.ExportJournalResponse{Part: &devicev1.ExportJournalResponse_Entry{Entry: p}})
	}
	head := signedBy(t, "till", &peerv1.JournalHead{DeviceId: bytesOf("till", 16), Sequence: 3 + preauth.JournalSkip, Hash: last[:], TimeMs: 1_790_000_001_000})
	return append(parts, &devicev1.ExportJournalResponse{
		Part: &devicev1.ExportJournalResponse_Head{Head: head.Bytes}, DeviceCert: tillCert(t).Bytes, Issuance: marshalled(t, issuanceOf(t)),
	})
}

func TestJournal(t *testing.T) {
	f, path := newFake(t), filepath.Join(t.TempDir(), "till.journal")
	f.answer("ExportJournal", journalParts(t)...)
	if got := f.run("journal", "export", path, "--json"); got.code != 0 || !strings.HasPrefix(got.stdout, `{"file":`) {
		t.Fatalf("%+v", got)
	}
	if got := f.run("journal", "export", path); got.code != 5 {
		t.Errorf("over a file: %+v", got)
	}
	text := content(t, path)
	if lines := strings.Split(strings.TrimSpace(text), "\n"); len(lines) != 4 || !json.Valid([]byte(lines[0])) || !strings.HasPrefix(lines[3], `{"head":"`) {
		t.Errorf("wrote %s", text)
	}
	f.stop()
	key, _, stranger := roots(t)
	device := preauth.ID(bytesOf("till", 16)).String()
	for _, v := range []verified{
		{"as it was", []string{path, "--root", key}, 0, []string{"proven  the journal is as the device wrote it", device, "Cafe Central", "3, the last is 1000003"}},
		{"for programs", []string{path, "--root", key, "--json"}, 0, []string{
			`{"proven":true,"device_id":"` + device + `","business_name":"Cafe Central","sequence":"1000003","entries":"3","chained":"2","restored":["1000003"],"signed_at":"2026-09-21T14:13:21Z"}`,
		}},
		{"changed", []string{fileOf(t, strings.Replace(text, `"sequence":"2","time_ms":"1790000000000"`, `"sequence":"2","time_ms":"1790000000001"`, 1)), "--root", key}, 1,
			[]string{"not proven  ", "line 2: event 2 was changed", "; the events before that fit: 1"}},
		{"another root", []string{path, "--root", stranger}, 1, []string{"not proven  ", "issuers: ", "an earlier root key;"}},
		{"no file", []string{"/nowhere/journal", "--root", key}, 2, []string{"/nowhere/journal: no such file", "journal export"}},
	} {
		v.check(t, f, "journal", "verify")
	}
	if got := f.run("journal", "verify", path, "--root", key); !strings.Contains(got.stderr, "the first 1 events are older than the chain") || !strings.Contains(got.stderr, "at event 1000003 the device noticed") {
		t.Errorf("%+v", got)
	}
}

// TestBrokenJournal: of a journal that is not whole, people learn which line
// is wrong and how, what follows from it, and what to do.
func TestBrokenJournal(t *testing.T) {
	f, path := newFake(t), filepath.Join(t.TempDir(), "till.journal")
	f.answer("ExportJournal", journalParts(t)...)
	if got := f.run("journal", "export", path); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	text := content(t, path)
	key, _, _ := roots(t)
	signed := journalParts(t)[3].(*devicev1.ExportJournalResponse).GetHead()
	forged := signedBy(t, "stranger", &peerv1.JournalHead{DeviceId: bytesOf("till", 16), Sequence: 3 + preauth.JournalSkip, Hash: bytesOf("h", 32), TimeMs: 1})
	head := text[strings.LastIndex(strings.TrimSpace(text), "\n")+1:]
	for name, broken := range map[string]struct{ text, says, why, next string }{
		"a line damaged":    {strings.Replace(text, `"sequence":"2"`, `"sequence"<"2"`, 1), "line 2 is no line of a journal, or a damaged one; the events before that fit: 1", "was cut or damaged", "copy it again"},
		"the end missing":   {strings.TrimSuffix(text, head), "the last line is missing, which the device has signed; the events before that fit: 3", "was cut or damaged", "journal export FILE"},
		"another file":      {"hello\n", "line 1 is no line of a journal", "Something else wrote this file", "journal export FILE"},
		"one left out":      {text[strings.Index(text, "\n")+1:], "line 1: event 2 comes after 0: journal does not fit", "taken out", "vipaso-backend admin --dir DIR journal verify FILE"},
		"not enrolled":      {strings.TrimSuffix(text, head) + `{"head":""}`, "the device was not enrolled, or had no events: no device vouches", "anybody can write", "vipasoctl enroll"},
		"the end damaged":   {strings.Replace(text, `"device_cert":"C`, `"device_cert":"D`, 1), "the last line is damaged", "was cut or damaged", "journal export FILE"},
		"signed by another": {strings.Replace(text, base64.StdEncoding.EncodeToString(signed), base64.StdEncoding.EncodeToString(forged.Bytes), 1), "the last line: ", "is not genuine", "journal export FILE"},
	} {
		file := fileOf(t, broken.text)
		got := f.run("journal", "verify", file, "--root", key)
		if got.code != 1 || !strings.Contains(got.stdout, file+": "+broken.says) || !strings.Contains(got.stderr, broken.why) || !strings.Contains(got.stderr, broken.next) ||
			!strings.HasPrefix(got.stderr, "why    ") || strings.Contains(got.stdout, "proto") {
			t.Errorf("%s: %+v", name, got)
		}
		if got := f.run("journal", "verify", file, "--root", key, "--json"); got.code != 1 || got.stderr != "" || !strings.HasPrefix(got.stdout, `{"proven":false,"error":"`) {
			t.Errorf("%s for programs: %+v", name, got)
		}
	}
	if got := f.run("journal", "verify", t.TempDir(), "--root", key); got.code != 2 || !strings.Contains(got.stderr, "is a directory") {
		t.Errorf("a directory: %+v", got)
	}
}
