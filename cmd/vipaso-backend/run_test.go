package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	wiring "github.com/vipaso/vipasod/cmd/internal/backend"
	"github.com/vipaso/vipasod/preauth"
	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// A site is a backend that serves from a directory, as the binary does.
type site struct {
	t    *testing.T
	dir  string
	addr string
	stop func()
}

func serve(t *testing.T, dir string) *site {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan string, 1), make(chan int, 1)
	out := &firstLine{line: ready}
	var log bytes.Buffer
	go func() {
		done <- run(ctx, []string{"serve", "--dir", dir, "--listen", "127.0.0.1:0", "--log-level", "error"}, out, &log)
	}()
	s := &site{t: t, dir: dir, stop: func() {
		cancel()
		if code := <-done; code != exitOK {
			t.Errorf("serve ended with %d: %s", code, log.String())
		}
	}}
	select {
	case line := <-ready:
		s.addr = strings.TrimSuffix(strings.Fields(line)[2], ",")
	case code := <-done:
		t.Fatalf("serve ended with %d: %s", code, log.String())
	}
	return s
}

// firstLine passes on the first thing written.
type firstLine struct{ line chan string }

func (f *firstLine) Write(b []byte) (int, error) {
	select {
	case f.line <- string(b):
	default:
	}
	return len(b), nil
}

// admin runs an admin command and returns code, stdout and stderr.
func (s *site) admin(args ...string) (int, string, string) {
	var out, errs bytes.Buffer
	code := run(s.t.Context(), append([]string{"admin", "--dir", s.dir}, args...), &out, &errs)
	return code, out.String(), errs.String()
}

// create runs an admin command with --json and returns one field.
func (s *site) create(field string, args ...string) string {
	s.t.Helper()
	code, out, errs := s.admin(append(args, "--json")...)
	if code != exitOK {
		s.t.Fatalf("%v ended with %d: %s", args, code, errs)
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(out), &object); err != nil || strings.Count(out, "\n") != 1 {
		s.t.Fatalf("%v printed %q", args, out)
	}
	text, _ := object[field].(string)
	if text == "" {
		s.t.Fatalf("%v printed no %s: %s", args, field, out)
	}
	return text
}

// A device is enrolled over the real port.
type device struct {
	key   *ecdsa.PrivateKey
	cert  []byte
	calls backendv1.SettlementServiceClient
}

func (s *site) enroll(credential *backendv1.EnrollRequest, text string, key *ecdsa.PrivateKey) *device {
	s.t.Helper()
	resp, err := s.tryEnroll(credential, text, key)
	must(s.t, err)
	return &device{key: key, cert: resp.DeviceCert, calls: backendv1.NewSettlementServiceClient(
		s.dial(&tls.Certificate{Certificate: [][]byte{resp.TlsCert}, PrivateKey: key}))}
}

func (s *site) tryEnroll(credential *backendv1.EnrollRequest, text string, key *ecdsa.PrivateKey) (*backendv1.EnrollResponse, error) {
	s.t.Helper()
	public, noise := preauth.PublicKeyOf(&key.PublicKey), make([]byte, 32)
	noise[0] = 1
	sig, err := preauth.SignMessage(key, "enrollment", slices.Concat([]byte(text), []byte{0}, public[:], noise))
	must(s.t, err)
	credential.SigningKey, credential.NoiseKey, credential.Signature = public[:], noise, sig
	return backendv1.NewEnrollmentServiceClient(s.dial(nil)).Enroll(s.t.Context(), credential)
}

func (s *site) dial(certificate *tls.Certificate) *grpc.ClientConn {
	s.t.Helper()
	ca, err := os.ReadFile(filepath.Join(s.dir, wiring.CAFile))
	must(s.t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	config := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}
	if certificate != nil {
		config.Certificates = []tls.Certificate{*certificate}
	}
	c, err := grpc.NewClient(s.addr, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	must(s.t, err)
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

func byCode(code string, role uint32) *backendv1.EnrollRequest {
	return &backendv1.EnrollRequest{Credential: &backendv1.EnrollRequest_Code{Code: code}, Role: role}
}

func TestAPaymentFromTheCommandLine(t *testing.T) {
	s := serve(t, filepath.Join(t.TempDir(), "backend"))
	shop := s.create("business_id", "business", "create", "--name", "Cafe Luna", "--mcc", "5812")
	ada := s.create("customer_id", "customer", "create", "--name", "Ada")
	card := s.create("instrument_id", "instrument", "create", "--customer", ada, "--type", "CARD", "--balance", "500.00", "--currency", "USD")
	tillCode := s.create("code", "enroll-code", "create", "--business", shop, "--ttl", "1h")
	phoneCode := s.create("code", "enroll-code", "create", "--customer", ada)
	till := s.enroll(byCode(tillCode, 1), tillCode, newKey(t))
	phone := s.enroll(byCode(phoneCode, 2), phoneCode, newKey(t))

	instrument, err := preauth.ParseID(card)
	must(t, err)
	pre, err := phone.calls.PreAuthorize(t.Context(), &backendv1.PreAuthorizeRequest{
		RequestId: make([]byte, 16), InstrumentId: instrument[:], Amount: 100_00, Currency: "USD",
	})
	must(t, err)
	payment, item := sale(t, till, phone, pre.PreauthCert)

	if code, _, errs := s.admin("payment", "show", payment); code != exitConflict || !strings.Contains(errs, "not found") {
		t.Errorf("an unknown payment: %d %s", code, errs)
	}
	id, err := preauth.ParseID(payment)
	must(t, err)
	_, err = till.calls.RegisterPayment(t.Context(), &backendv1.RegisterPaymentRequest{PaymentId: id[:]})
	must(t, err)
	if code, out, _ := s.admin("payment", "show", payment); code != exitOK || strings.Contains(strings.ToUpper(out), "SETTLED") {
		t.Errorf("before it is settled: %d %s", code, out)
	}
	if code, out, _ := s.admin("payment", "show", payment, "--json"); code != exitOK || out != `{"payment_id":"`+payment+`","requests":[]}`+"\n" {
		t.Errorf("before it is settled: %d %s", code, out)
	}
	_, err = phone.calls.Submit(t.Context(), &backendv1.SubmitRequest{Items: []*backendv1.Item{item}})
	must(t, err)
	for _, args := range [][]string{{"payment", "show", payment}, {"payment", "show", payment, "--json"}} {
		if code, out, _ := s.admin(args...); code != exitOK || !strings.Contains(out, "SETTLED") || !strings.Contains(out, "12.50") || !strings.Contains(out, "Cafe Luna") {
			t.Errorf("%v: %d %s", args, code, out)
		}
	}
	s.checks()
	s.stop()

	keys := snapshot(t, s.dir)
	again := serve(t, s.dir)
	if !slices.Equal(keys, snapshot(t, s.dir)) {
		t.Error("a restart changed keys or certificates")
	}
	if code, out, _ := again.admin("payment", "show", payment); code != exitOK || !strings.Contains(out, "SETTLED") {
		t.Errorf("after a restart: %d %s", code, out)
	}
	again.checks()
	again.stop()
	if code, out, _ := again.admin("device", "list"); code != exitOK || strings.Count(out, "\n") != 3 || !strings.Contains(out, "business") {
		t.Errorf("without serve: %d %s", code, out)
	}
}

// checks runs both checks in both forms.
func (s *site) checks() {
	s.t.Helper()
	for _, args := range [][]string{{"ledger", "check"}, {"reconcile"}} {
		code, out, errs := s.admin(args...)
		if code != exitOK || strings.Contains(out, "WRONG") || !strings.HasPrefix(out, "ok ") {
			s.t.Errorf("%v: %d %s%s", args, code, out, errs)
		}
		code, out, _ = s.admin(append(args, "--json")...)
		for line := range strings.Lines(out) {
			var c checkedJSON
			if err := json.Unmarshal([]byte(line), &c); err != nil || !c.OK || code != exitOK {
				s.t.Errorf("%v: %d %s", args, code, line)
			}
		}
	}
}

// sale signs one payment of 12.50 with everything a claim needs.
func sale(t *testing.T, till, phone *device, preauthCert []byte) (payment string, item *backendv1.Item) {
	t.Helper()
	cert, err := preauth.Open[*peerv1.DeviceCert](till.cert)
	must(t, err)
	pre, err := preauth.Open[*peerv1.PreauthCert](preauthCert)
	must(t, err)
	id := preauth.ID{1, 2, 3}
	request, err := preauth.Sign(till.key, &peerv1.Request{
		PaymentId: id[:], BusinessDeviceId: cert.Body.DeviceId, Nonce: make([]byte, 16), Amount: 12_50, Currency: "USD",
		TtlMs: 60_000, ChannelBinding: make([]byte, 32), DeviceCert: till.cert, CreatedMs: 1,
	})
	must(t, err)
	voucher, err := preauth.Sign(phone.key, &peerv1.Voucher{
		PreauthId: pre.Body.PreauthId, RequestHash: request.Hash[:], Amount: 12_50, Currency: "USD",
		Counter: 1, Remaining: 87_50, PrevHash: pre.Hash[:], DeviceTimeMs: 1,
	})
	must(t, err)
	receipt, err := preauth.Sign(till.key, &peerv1.Receipt{
		RequestHash: request.Hash[:], VoucherHash: voucher.Hash[:], Status: peerv1.ReceiptStatus_RECEIPT_STATUS_STORED, StoredMs: 1,
	})
	must(t, err)
	return id.String(), &backendv1.Item{
		Request: request.Bytes, PreauthCert: preauthCert, Voucher: voucher.Bytes, Receipt: receipt.Bytes,
	}
}

// snapshot is every PEM file's content.
func snapshot(t *testing.T, dir string) (all []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.pem"))
	must(t, err)
	for _, f := range files {
		b, err := os.ReadFile(f)
		must(t, err)
		info, err := os.Stat(f)
		must(t, err)
		if strings.Contains(f, "key") && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", f, info.Mode())
		}
		all = append(all, f+"\n"+string(b))
	}
	return all
}

func TestTokenAndRevocationFromTheCommandLine(t *testing.T) {
	s := serve(t, filepath.Join(t.TempDir(), "backend"))
	defer s.stop()
	ada := s.create("customer_id", "customer", "create", "--name", "Ada")
	key := newKey(t)
	token := s.create("token", "enroll-token", "create", "--customer", ada, "--jwk", jwkFile(t, key))
	phone := s.enroll(&backendv1.EnrollRequest{Credential: &backendv1.EnrollRequest_Token{Token: token}, Role: 2}, token, key)
	_, err := phone.calls.Refresh(t.Context(), &backendv1.RefreshRequest{})
	must(t, err)

	id := s.create("device_id", "device", "list")
	s.create("device_id", "device", "revoke", id)
	if _, err := phone.calls.Refresh(t.Context(), &backendv1.RefreshRequest{}); err == nil || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("the revoked device is told %v", err)
	}
	if code, out, _ := s.admin("device", "list"); code != exitOK || !strings.Contains(out, "OPERATOR") {
		t.Errorf("device list: %d %s", code, out)
	}
	if code, out, _ := s.admin("guarantee", "set", "20.00", "USD"); code != exitOK || !strings.Contains(out, "20.00 USD") {
		t.Errorf("guarantee: %d %s", code, out)
	}
	bob := s.create("customer_id", "customer", "create", "--name", "Bob")
	card := s.create("instrument_id", "instrument", "create", "--customer", ada, "--type", "MNO", "--balance", "7", "--currency", "JPY", "--no-pre-auth")
	s.create("customer_id", "instrument", "delegate", "--instrument", card, "--to", bob)
}

func TestServiceManagerIsTold(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	must(t, err)
	defer func() { must(t, manager.Close()) }()
	t.Setenv("NOTIFY_SOCKET", socket)
	s := serve(t, t.TempDir())
	said := make([]byte, 64)
	n, err := manager.Read(said)
	must(t, err)
	s.stop()
	if string(said[:n]) != "READY=1" {
		t.Errorf("the service manager is told %q", said[:n])
	}
}

func TestServerCertificateNamesItsHosts(t *testing.T) {
	s := serve(t, t.TempDir())
	defer s.stop()
	ca, err := os.ReadFile(filepath.Join(s.dir, wiring.CAFile))
	must(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	for _, host := range []string{"localhost", "127.0.0.1"} {
		d := tls.Dialer{NetDialer: &net.Dialer{Timeout: time.Minute}, Config: &tls.Config{RootCAs: pool, ServerName: host, MinVersion: tls.VersionTLS13}}
		c, err := d.DialContext(t.Context(), "tcp", s.addr)
		must(t, err)
		must(t, c.Close())
	}
}

func TestHelpHasExamples(t *testing.T) {
	root := rootCommand()
	todo := root.Commands()
	for len(todo) > 0 {
		c := todo[0]
		todo = append(todo[1:], c.Commands()...)
		if c.Short == "" || c.Name() != "version" && !c.HasSubCommands() && c.Example == "" {
			t.Errorf("%s has no example", c.CommandPath())
		}
	}
	var out bytes.Buffer
	if code := run(t.Context(), []string{"serve", "--help"}, &out, &out); code != exitOK || !strings.Contains(out.String(), "ca.pem") {
		t.Errorf("help: %d %s", code, out.String())
	}
	out.Reset()
	if code := run(t.Context(), []string{"--help"}, &out, &out); code != exitOK || !strings.Contains(out.String(), "Exit codes: 0 ok, 1 ") || !strings.Contains(out.String(), "vipaso-backend serve") {
		t.Errorf("help: %d %s", code, out.String())
	}
	if code := run(t.Context(), []string{"version"}, &out, &out); code != exitOK || strings.Contains(out.String(), "(devel)") {
		t.Errorf("version: %d %s", code, out.String())
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return k
}

// jwkFile is a file with the public half of a key.
func jwkFile(t *testing.T, key *ecdsa.PrivateKey) string {
	t.Helper()
	point, err := key.PublicKey.Bytes()
	must(t, err)
	jwk, err := json.Marshal(map[string]string{
		"kty": "EC", "crv": "P-256",
		"x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:]),
	})
	must(t, err)
	file := filepath.Join(t.TempDir(), "device.jwk")
	must(t, os.WriteFile(file, jwk, 0o600))
	return file
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
