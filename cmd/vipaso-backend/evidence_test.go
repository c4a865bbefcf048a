package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	proofs "github.com/vipaso/vipasod/cmd/internal/proof"
	"github.com/vipaso/vipasod/preauth"
	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// enrolled is a device of a business or a customer.
func (s *site) enrolled(kind, id string, role peerv1.Role) *device {
	s.t.Helper()
	code := s.create("code", "enroll-code", "create", "--"+kind, id)
	return s.enroll(&backendv1.EnrollRequest{Credential: &backendv1.EnrollRequest_Code{Code: code}, Role: uint32(role)}, code, newKey(s.t))
}

func signed[M proto.Message](t *testing.T, key *ecdsa.PrivateKey, body M) preauth.Signed[M] {
	t.Helper()
	b, err := preauth.Sign(key, body)
	must(t, err)
	return b
}

func (d *device) body(t *testing.T) *peerv1.DeviceCert {
	t.Helper()
	c, err := preauth.Open[*peerv1.DeviceCert](d.cert)
	must(t, err)
	return c.Body
}

// trust is what a device is told to trust.
func (s *site) trust(d *device, head []byte) *peerv1.TrustBundle {
	s.t.Helper()
	resp, err := d.calls.Refresh(s.t.Context(), &backendv1.RefreshRequest{JournalHead: head})
	must(s.t, err)
	b, err := preauth.Open[*peerv1.TrustBundle](resp.TrustBundle)
	must(s.t, err)
	return b.Body
}

// claim is what a till hands in of a voucher with that counter over 5.00 USD.
func (s *site) claim(till, phone *device, cert preauth.PreauthCert, n byte, counter uint32) *backendv1.Item {
	s.t.Helper()
	id := bytes.Repeat([]byte{n}, 16)
	request := signed(s.t, till.key, &peerv1.Request{
		PaymentId: id, BusinessDeviceId: till.body(s.t).DeviceId, Nonce: id, Amount: 5_00, Currency: "USD", TtlMs: 60_000,
		ChannelBinding: make([]byte, 32), DeviceCert: till.cert,
	})
	voucher := signed(s.t, phone.key, &peerv1.Voucher{
		PreauthId: cert.Body.PreauthId, RequestHash: request.Hash[:], Amount: 5_00, Currency: "USD", Counter: counter, PrevHash: cert.Hash[:],
	})
	receipt := signed(s.t, till.key, &peerv1.Receipt{
		RequestHash: request.Hash[:], VoucherHash: voucher.Hash[:], Status: peerv1.ReceiptStatus_RECEIPT_STATUS_STORED, StoredMs: time.Now().UnixMilli(),
	})
	return &backendv1.Item{Request: request.Bytes, PreauthCert: cert.Bytes, Voucher: voucher.Bytes, Receipt: receipt.Bytes}
}

// TestEvidence: a double spend is listed, and exported as a file that the root
// key alone proves.
func TestEvidence(t *testing.T) {
	s := serve(t, t.TempDir())
	defer s.stop()
	ada := s.create("customer_id", "customer", "create", "--name", "Ada")
	till := s.enrolled("business", s.create("business_id", "business", "create", "--name", "Kiosk"), peerv1.Role_ROLE_BUSINESS)
	phone := s.enrolled("customer", ada, peerv1.Role_ROLE_CUSTOMER)
	card, err := preauth.ParseID(s.create("instrument_id", "instrument", "create", "--customer", ada, "--type", "CARD", "--balance", "50.00", "--currency", "USD"))
	must(t, err)
	resp, err := phone.calls.PreAuthorize(t.Context(), &backendv1.PreAuthorizeRequest{RequestId: bytes.Repeat([]byte{9}, 16), InstrumentId: card[:], Amount: 50_00, Currency: "USD"})
	must(t, err)
	cert, err := preauth.Open[*peerv1.PreauthCert](resp.PreauthCert)
	must(t, err)
	if code, out, _ := s.admin("evidence", "list"); code != exitOK || strings.Count(out, "\n") != 1 {
		t.Errorf("nothing is proven: %d %s", code, out)
	}
	_, err = till.calls.Submit(t.Context(), &backendv1.SubmitRequest{Items: []*backendv1.Item{s.claim(till, phone, cert, 1, 1), s.claim(till, phone, cert, 2, 1)}})
	must(t, err)

	accused := preauth.ID(phone.body(t).DeviceId).String()
	id, dir := s.create("evidence_id", "evidence", "list"), t.TempDir()
	if got := s.create("device_id", "evidence", "list"); got != accused {
		t.Errorf("accused is %s, not %s", got, accused)
	}
	roots := s.root(t)
	for i, which := range []string{id, accused} {
		file := filepath.Join(dir, fmt.Sprint(i))
		if code, out, errs := s.admin("evidence", "export", which, "-o", file); code != exitOK || !strings.Contains(out, "vipasoctl evidence verify "+file) {
			t.Fatalf("%d %s %s", code, out, errs)
		}
		text, err := os.ReadFile(file)
		must(t, err)
		e, err := proofs.ParseEvidence(text)
		must(t, err)
		got, err := preauth.VerifyEvidence(roots, e)
		if err != nil || got.Kind != preauth.SameCounter || preauth.ID(got.Accused.Body.DeviceId).String() != accused {
			t.Errorf("%s: %+v: %v", which, got, err)
		}
	}
	taken := filepath.Join(dir, "0")
	stranger := preauth.ID(till.body(t).DeviceId).String()
	for _, args := range [][]string{{id}, {id, "-o", taken}, {"17", "-o", filepath.Join(dir, "x")}, {stranger, "-o", filepath.Join(dir, "x")}, {"hello", "-o", filepath.Join(dir, "x")}} {
		if code, _, errs := s.admin(append([]string{"evidence", "export"}, args...)...); code == exitOK || code == exitFailed {
			t.Errorf("%v: %d %s", args, code, errs)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Errorf("%d files are left: %v", len(files), err)
	}
}

// root is the root key that devices of the site know.
func (s *site) root(t *testing.T) preauth.PublicKey {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "root-key.pem"))
	must(t, err)
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	must(t, err)
	return preauth.PublicKeyOf(&key.(*ecdsa.PrivateKey).PublicKey)
}

// log is a device's event log as this test keeps it.
type log struct {
	t       *testing.T
	d       *device
	entries []preauth.JournalEntry
}

// add adds n events, the first of them after left out numbers.
func (l *log) add(n int, skipped uint64) {
	for range n {
		var last preauth.JournalEntry
		if len(l.entries) > 0 {
			last = l.entries[len(l.entries)-1]
		}
		e := preauth.JournalEntry{Sequence: last.Sequence + 1 + skipped, TimeMs: time.Now().UnixMilli(), Body: []byte{1}}
		e.Hash, skipped = e.Chain(last.Hash), 0
		l.entries = append(l.entries, e)
	}
}

// head is the device's word on the log, signed at that time.
func (l *log) head(at time.Time) []byte {
	last := l.entries[len(l.entries)-1]
	return signed(l.t, l.d.key, &peerv1.JournalHead{
		DeviceId: l.d.body(l.t).DeviceId, Sequence: last.Sequence, Hash: last.Hash[:], TimeMs: at.UnixMilli(),
	}).Bytes
}

// file exports the log.
func (l *log) file(bundle *peerv1.TrustBundle, at time.Time) string {
	l.t.Helper()
	var text []byte
	add := func(part *devicev1.ExportJournalResponse) {
		line, err := proofs.JournalLine(part)
		must(l.t, err)
		text = append(text, line...)
	}
	for _, e := range l.entries {
		add(&devicev1.ExportJournalResponse{Part: &devicev1.ExportJournalResponse_Entry{Entry: &devicev1.JournalEntry{
			Sequence: e.Sequence, TimeMs: e.TimeMs, Body: e.Body, Hash: e.Hash[:],
		}}})
	}
	issuance, err := proto.Marshal(&peerv1.Issuance{IssuerCerts: bundle.IssuerCerts, Handovers: bundle.Handovers})
	must(l.t, err)
	add(&devicev1.ExportJournalResponse{Part: &devicev1.ExportJournalResponse_Head{Head: l.head(at)}, DeviceCert: l.d.cert, Issuance: issuance})
	path := filepath.Join(l.t.TempDir(), "journal")
	must(l.t, os.WriteFile(path, text, 0o600))
	return path
}

// TestJournal: a journal is held against everything its device has told.
func TestJournal(t *testing.T) {
	s := serve(t, t.TempDir())
	defer s.stop()
	till := s.enrolled("business", s.create("business_id", "business", "create", "--name", "Kiosk"), peerv1.Role_ROLE_BUSINESS)
	l := &log{t: t, d: till}
	l.add(3, 0)
	now := time.Now()
	bundle := s.trust(till, l.head(now))
	check := func(name, file string, code int, want ...string) {
		t.Helper()
		got, out, errs := s.admin("journal", "verify", file)
		for _, part := range want {
			if !strings.Contains(out+errs, part) {
				t.Errorf("%s: %s%s, want %q", name, out, errs, part)
			}
		}
		if got != code {
			t.Errorf("%s: exit %d, want %d: %s%s", name, got, code, out, errs)
		}
	}
	early := l.file(bundle, now)
	check("as it was told", early, exitOK, "agrees with  1 ends")
	l.add(2, 0)
	check("with more since", l.file(bundle, now.Add(time.Second)), exitOK, "agrees with  1 ends")
	s.trust(till, l.head(now.Add(time.Minute)))
	check("exported before", early, exitOK, "agrees with  0 ends", "signed event 5", "after this export")
	short := &log{t: t, d: till, entries: l.entries[:4]}
	check("cut", short.file(bundle, now.Add(time.Hour)), exitFailed, "problem", "the journal has no such event")

	other := &log{t: t, d: till, entries: append([]preauth.JournalEntry{}, l.entries[:2]...)}
	other.entries[1].Body = []byte{2}
	other.entries[1].Hash = other.entries[1].Chain(other.entries[0].Hash)
	other.add(9, 0)
	check("another journal", other.file(bundle, now.Add(time.Hour)), exitFailed, "it is another journal")
	spoilt := l.file(bundle, now)
	text, err := os.ReadFile(spoilt)
	must(t, err)
	must(t, os.WriteFile(spoilt, bytes.Replace(text, []byte(`"body":"AQ=="`), []byte(`"body":"AA=="`), 1), 0o600))
	check("changed", spoilt, exitFailed, "event 1 was changed")
	check("no file", "/nowhere/journal", exitUsage, "/nowhere/journal", "Next: name the file that `vipasoctl journal export FILE`")
	check("a directory", s.dir, exitUsage, s.dir+": is a directory", "Next: name the file that `vipasoctl journal export FILE`")
	key := filepath.Join(s.dir, "ca.pem")
	check("no journal", key, exitUsage, key+": no journal can be read: its first line is not of one\nNext: name the file that `vipasoctl journal export")

	back := &log{t: t, d: till, entries: append([]preauth.JournalEntry{}, l.entries[:4]...)}
	back.add(1, preauth.JournalSkip)
	s.trust(till, back.head(now.Add(2*time.Hour)))
	check("put back", back.file(bundle, now.Add(2*time.Hour)), exitOK, "agrees with  1 ends", "has forgotten it: its store was put back")
	if code, out, _ := s.admin("journal", "list"); code != exitOK || !strings.Contains(out, "RESTORED") || !strings.Contains(out, "NEWEST") {
		t.Errorf("%d %s", code, out)
	}
	if code, out, _ := s.admin("journal", "list", "--json"); code != exitOK || !strings.Contains(out, `"kind":"RESTORED","sequence":"5"`) {
		t.Errorf("%d %s", code, out)
	}
}
