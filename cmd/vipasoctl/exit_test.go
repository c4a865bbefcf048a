package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/vipaso/vipasod/daemon/catalogue"
)

// exits is the contract: gRPC status of a reason to exit code. Statuses that
// are not listed exit 1; Unavailable with a reason is an answer.
var exits = map[string]int{
	"INVALID_ARGUMENT": 2, "PERMISSION_DENIED": 4, "NOT_FOUND": 5, "FAILED_PRECONDITION": 5, "ALREADY_EXISTS": 5,
	"ABORTED": 5, "OUT_OF_RANGE": 5, "DEADLINE_EXCEEDED": 6, "UNAVAILABLE": 1, "RESOURCE_EXHAUSTED": 1, "INTERNAL": 1,
}

func TestReasonsExit(t *testing.T) {
	f := newFake(t)
	tested := 0
	for _, e := range catalogue.All() {
		want, ok := exits[e.GRPC]
		if !ok {
			continue
		}
		if e.Code == "CONFIG_INVALID" {
			want = 78
		}
		tested++
		f.fail("GetStatus", failure(e.GRPC, e.Code, "acting values"))
		got := f.run("status")
		if got.code != want {
			t.Errorf("%s (%s) exits %d, want %d", e.Code, e.GRPC, got.code, want)
		}
		for _, part := range []string{e.Code + ": acting values", e.What, e.Why, e.Next} {
			if !strings.Contains(got.stderr, part) {
				t.Errorf("%s: stderr lacks %q:\n%s", e.Code, part, got.stderr)
			}
		}
		if got.stdout != "" {
			t.Errorf("%s: stdout = %q, want nothing", e.Code, got.stdout)
		}
	}
	if tested < 20 {
		t.Errorf("only %d reasons tested", tested)
	}
}

func TestStatusesWithoutReasonExit(t *testing.T) {
	f := newFake(t)
	want := map[string]int{"UNAVAILABLE": 3, "CANCELLED": 1, "UNIMPLEMENTED": 1, "UNKNOWN": 1}
	for grpcCode, code := range exits {
		if grpcCode != "UNAVAILABLE" {
			want[grpcCode] = code
		}
	}
	for grpcCode, code := range want {
		f.fail("GetStatus", failure(grpcCode, "", "no reason given"))
		if got := f.run("status"); got.code != code || got.stderr == "" {
			t.Errorf("%s exits %d, want %d; stderr %q", grpcCode, got.code, code, got.stderr)
		}
	}
}

func TestReasonUnknownToTheCatalogue(t *testing.T) {
	f := newFake(t)
	f.fail("GetStatus", failure("FAILED_PRECONDITION", "FROM_A_NEWER_DAEMON", "the moon is full"))
	got := f.run("status")
	if got.code != 5 || !strings.Contains(got.stderr, "FROM_A_NEWER_DAEMON: the moon is full") || !strings.Contains(got.stderr, "vipasoctl doctor") {
		t.Errorf("exit %d, stderr %q", got.code, got.stderr)
	}
}

func TestErrorDetailsAreTold(t *testing.T) {
	f := newFake(t)
	f.fail("GetStatus", failure("UNAVAILABLE", "OFFLINE", "backend away",
		&errdetails.RetryInfo{RetryDelay: durationpb.New(22 * time.Second)},
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "amount", Description: "too long"}}}))
	got := f.run("status")
	for _, part := range []string{"Again in 22s.", "amount: too long"} {
		if !strings.Contains(got.stderr, part) {
			t.Errorf("stderr lacks %q:\n%s", part, got.stderr)
		}
	}
}

// TestNothingIsSaidTwice: a daemon's message begins with what the catalogue
// says, and its field violation repeats the rest.
func TestNothingIsSaidTwice(t *testing.T) {
	f := newFake(t)
	f.fail("VoidPreAuthorization", failure("INVALID_ARGUMENT", "FIELD_INVALID", "A field of the call breaks its rule: id: must be a UUID",
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "id", Reason: "FIELD_INVALID", Description: "must be a UUID"}}}))
	want := "error: FIELD_INVALID: A field of the call breaks its rule: id: must be a UUID\n" +
		"why    Ids are UUIDs, and texts, times and numbers have bounds.\n" +
		"next   Correct the field that the message names; `vipasoctl help` explains every command, the .proto files every call. Here: vipasoctl preauth void --help.\n"
	if got := f.run("preauth", "void", "x"); got.code != 2 || got.stderr != want {
		t.Errorf("exit %d, stderr\n%s\nwant\n%s", got.code, got.stderr, want)
	}
	f.fail("VoidPreAuthorization", failure("INVALID_ARGUMENT", "AMOUNT_SYNTAX", `The amount is not a plain decimal number: "x" USD`,
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "tip.max", Reason: "AMOUNT_SYNTAX", Description: `"x" USD: not an amount such as 12.00`}}}))
	if got := f.run("preauth", "void", "x"); strings.Contains(got.stderr, "what ") || !strings.Contains(got.stderr, "are refused. It is about tip.max.\n") {
		t.Errorf("stderr\n%s", got.stderr)
	}
	f.fail("VoidPreAuthorization", failure("INVALID_ARGUMENT", "FIELD_INVALID", "A field of the call breaks its rule: no PEM certificate",
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "backend_url", Reason: "FIELD_INVALID", Description: "no PEM certificate: not a backend"}}}))
	if got := f.run("preauth", "void", "x"); strings.Count(got.stderr, "no PEM certificate") != 1 || !strings.Contains(got.stderr, "It is about backend_url.\n") {
		t.Errorf("stderr\n%s", got.stderr)
	}
}

// TestNextStepNamesThePayment: the payment that is in the way, or that the
// command was about, can be pasted.
func TestNextStepNamesThePayment(t *testing.T) {
	f := newFake(t)
	f.fail("CancelPayment", failure("FAILED_PRECONDITION", "PAYMENT_STATE", "it is SETTLED"))
	if got := f.run("pay", "cancel", otherID); !strings.Contains(got.stderr, "payments show "+otherID+" --timeline") {
		t.Errorf("%+v", got)
	}
	f.fail("StreamPaymentRequest", failure("FAILED_PRECONDITION", "", "open", &errdetails.ErrorInfo{
		Domain: "vipaso.dev", Reason: "PAYMENT_IN_PROGRESS", Metadata: map[string]string{"payment_id": paymentID},
	}))
	if got := f.run("pay", "request", "1.00", "USD"); got.code != 5 || !strings.Contains(got.stderr, "vipasoctl pay cancel "+paymentID) {
		t.Errorf("%+v", got)
	}
}

// TestStrangersTextIsHarmless: a reason text that comes over the air must not
// steer the terminal.
func TestStrangersTextIsHarmless(t *testing.T) {
	f := newFake(t)
	f.fail("GetStatus", failure("INTERNAL", "INTERNAL", "a\x1b[2Jb\u202ec\nd"))
	if got := f.run("status"); strings.ContainsAny(got.stderr, "\x1b\u202e") || !strings.Contains(got.stderr, "a?[2Jb?c; d") {
		t.Errorf("stderr = %q", got.stderr)
	}
}

func TestUnreachable(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "file")
	if err := os.WriteFile(stale, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, socket := range []string{filepath.Join(dir, "none"), stale} {
		for _, args := range []string{"status", "status --watch", "doctor", "listen", "payments list", "pay request 1 USD", "pay receive", "preauth void x", "store export"} {
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), append(strings.Fields(args), "--socket", socket), strings.NewReader(""), &stdout, &stderr, func(string) string { return "" })
			if code != 3 || !strings.Contains(stderr.String(), "systemctl status vipasod") || !strings.Contains(stderr.String(), socket) {
				t.Errorf("%s on %s: exit %d, stderr %q", args, socket, code, stderr.String())
			}
			if stdout.Len() != 0 {
				t.Errorf("%s: stdout = %q", args, stdout.String())
			}
		}
	}
}

// TestWhyUnreachable: each way in which nobody answers has its own next step.
func TestWhyUnreachable(t *testing.T) {
	dir := t.TempDir()
	dead := filepath.Join(dir, "dead")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for socket, want := range map[string]string{
		filepath.Join(dir, "none"): "systemctl start vipasod",
		dead:                       "systemctl restart vipasod",
		dir:                        "That is no socket",
		filepath.Join(dir, strings.Repeat("x", 200)): "at most 107 bytes",
	} {
		var stderr bytes.Buffer
		code := run(t.Context(), []string{"status", "--socket", socket}, strings.NewReader(""), io.Discard, &stderr, func(string) string { return "" })
		if code != 3 || !strings.Contains(stderr.String(), want) || !strings.Contains(stderr.String(), "DAEMON_UNREACHABLE") || !strings.Contains(stderr.String(), "\nnext ") {
			t.Errorf("%s: exit %d, stderr lacks %q:\n%s", socket, code, want, stderr.String())
		}
	}
}

// TestForbiddenSocket: a socket that this user may not open is not a dead
// one, and there is something to do about it.
func TestForbiddenSocket(t *testing.T) {
	var stderr bytes.Buffer
	a := newApp(nil, nil, &stderr, os.Getenv)
	a.conn = &conn{}
	refusal := fmt.Errorf("connect: %w", syscall.EACCES)
	a.conn.refusal.Store(&refusal)
	err := failure("UNAVAILABLE", "", "transport: …")
	a.explain(err)
	if code := a.code(err); code != 4 || !strings.Contains(stderr.String(), "usermod") || strings.Contains(stderr.String(), "DAEMON_UNREACHABLE") {
		t.Errorf("exit %d, stderr %q", code, stderr.String())
	}
}

// TestFullDisk: a result that could not be written is no success.
func TestFullDisk(t *testing.T) {
	f := newFake(t)
	f.answer("GetStatus", offlineTill())
	for _, args := range [][]string{{"status"}, {"status", "--json"}, {"version"}, {"errors"}, {"completion", "bash"}, {"--help"}} {
		var stderr bytes.Buffer
		if code := f.runTo(t.Context(), brokenWriter{}, &stderr, args...); code != 1 || !strings.Contains(stderr.String(), "disk full") {
			t.Errorf("%v: exit %d, stderr %q", args, code, stderr.String())
		}
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, fmt.Errorf("disk full") }

// TestFlagsSayWhatTheyTake: not what a library says of the value.
func TestFlagsSayWhatTheyTake(t *testing.T) {
	f := newFake(t)
	for args, want := range map[string]string{
		"listen --after abc":                         `error: --after takes a whole number from 0 on, not "abc"` + "\n",
		"listen --after -1":                          `error: --after takes a whole number from 0 on, not "-1"` + "\n",
		"pay request 1 USD --timeout 5":              `error: --timeout takes a time with its unit, such as 90s, 10m or 24h, not "5"` + "\n",
		"payments list --limit 99999999999999999999": `error: --limit takes a smaller number, not "99999999999999999999"` + "\n",
		"pay receive --single=maybe":                 `error: --single takes true or false, not "maybe"` + "\n",
	} {
		if got := f.run(strings.Fields(args)...); got.code != 2 || !strings.HasPrefix(got.stderr, want) {
			t.Errorf("%s: %+v, want %s", args, got, want)
		}
	}
}

func TestUsage(t *testing.T) {
	f := newFake(t)
	f.answer("GetStatus", offlineTill())
	for _, args := range []string{
		"", "nope", "pay", "pay nope", "status extra", "status --nope", "pay request", "pay request 1", "pay request 1 USD 2",
		"pay request 1 USD --tip 5", "pay request 1 USD --tip max:", "pay request 1 USD --policy never", "pay request 1 USD --policy unspecified", "pay request 1 USD --timeout soon",
		"pay receive --tip 1", "pay receive --after 1s", "pay accept " + paymentID, "pay accept", "ready 1", "listen --types nope", "listen --after -1",
		"payments list --status nope", "payments list --limit -1", "payments show", "payments receipt x --format pdf", "payments receipt x --format text --json",
		"store export --format xml", "store export --format csv --json", "store backup", "enroll",
		"sim set", "sim set --loss 101%", "sim set --loss 1.25%", "sim set --loss -1%", "sim set --loss many", "sim offline maybe", "log level loud", "completion tcsh", "errors A B", "-1",
	} {
		got := f.run(strings.Fields(args)...)
		if got.code != 2 || got.stdout != "" {
			t.Errorf("%q exits %d with stdout %q, want 2 and nothing", args, got.code, got.stdout)
		}
		if !strings.HasPrefix(got.stderr, "error: ") && !strings.Contains(got.stderr, "\nerror: ") || !strings.Contains(got.stderr, "--help") {
			t.Errorf("%q: stderr does not say what and what to read:\n%s", args, got.stderr)
		}
		if strings.Contains(got.stderr, "x00") {
			t.Errorf("%q: stderr shows how arguments are marked: %s", args, got.stderr)
		}
	}
}

func TestSuggestions(t *testing.T) {
	f := newFake(t)
	for args, want := range map[string]string{"staus": "did you mean status?", "pay requst": "did you mean request?"} {
		if got := f.run(strings.Fields(args)...); !strings.Contains(got.stderr, want) {
			t.Errorf("%q: stderr lacks %q:\n%s", args, want, got.stderr)
		}
	}
}
