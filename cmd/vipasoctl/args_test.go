package main

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// TestNegativeAmounts: whether -1 is an amount is for the daemon to say.
func TestNegativeAmounts(t *testing.T) {
	id := " --instrument " + instrumentID
	tests := []struct{ args, method, sent string }{
		{"pay request -1 USD", "StreamPaymentRequest", "-1"},
		{"pay request -1 USD --json", "StreamPaymentRequest", "-1"},
		{"--json pay request -.5 USD", "StreamPaymentRequest", "-.5"},
		{"pay request 1 USD --ref -5", "StreamPaymentRequest", "-5"},
		{"pay request -0 USD -v", "StreamPaymentRequest", "-0"},
		{"pay request --timeout 5s -1e3 USD", "StreamPaymentRequest", "-1e3"},
		{"pay request -1,50 USD", "StreamPaymentRequest", "-1,50"},
		{"pay request -- -1 USD", "StreamPaymentRequest", "-1"},
		{"pay request 1 USD --tip max:-1", "StreamPaymentRequest", "-1"},
		{"preauth create -1 USD" + id, "PreAuthorizeInstrument", "-1"},
		{"preauth create" + id + " -1.00 USD", "PreAuthorizeInstrument", "-1.00"},
		{"ready -1 USD", "CheckReadiness", "-1"},
		{"pay accept x --amount -1 --currency USD" + id, "AcceptPayment", "-1"},
		{"pay accept x --amount=-1 --currency USD" + id, "AcceptPayment", "-1"},
		{"pay accept x --amount 1 --tip -1 --currency USD" + id, "AcceptPayment", "-1"},
	}
	for _, test := range tests {
		f := newFake(t)
		f.answer("GetStatus", offlineTill())
		f.fail(test.method, failure("INVALID_ARGUMENT", "AMOUNT_SYNTAX", "not an amount"))
		got := f.run(strings.Fields(test.args)...)
		if got.code != 2 || !strings.Contains(got.stderr, "AMOUNT_SYNTAX: not an amount") {
			t.Errorf("%s: exit %d, stderr %q", test.args, got.code, got.stderr)
		}
		if m := f.last(test.method); m == nil || !holds(m.ProtoReflect(), test.sent) {
			t.Errorf("%s: the daemon was asked %v, want %s in it", test.args, m, test.sent)
		}
	}
}

// holds is whether a text of m is want.
func holds(m protoreflect.Message, want string) bool {
	found := false
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch f.Kind() {
		case protoreflect.StringKind:
			found = found || v.String() == want
		case protoreflect.MessageKind:
			found = found || holds(v.Message(), want)
		}
		return !found
	})
	return found
}

func TestNegative(t *testing.T) {
	for arg, want := range map[string]bool{
		"-1": true, "-1.00": true, "-.5": true, "-,5": true, "-0": true, "-1USD": true,
		"1": false, "-": false, "--1": false, "-v": false, "--json": false, "": false, "-.": false, "-a1": false,
	} {
		if negative(arg) != want {
			t.Errorf("negative(%q) = %t", arg, !want)
		}
	}
}

// TestAcceptAllTip: a negative tip reaches the daemon from receive too.
func TestAcceptAllTip(t *testing.T) {
	f := receiver(t)
	f.on("ReceivePaymentRequestsViaBle", events(requested(6)))
	f.fail("AcceptPayment", failure("INVALID_ARGUMENT", "AMOUNT_SYNTAX", "tip -1"))
	s := f.begin("pay", "receive", "--accept-all", "--tip", "-1", "--json")
	s.line()
	var asked []proto.Message
	eventually(t, func() bool { asked = f.requests("AcceptPayment"); return len(asked) > 0 })
	if !holds(asked[0].ProtoReflect(), "-1") {
		t.Errorf("asked %v", asked[0])
	}
	eventually(t, func() bool { return strings.Contains(s.messages(), "AMOUNT_SYNTAX") })
	s.stop()
	if code := s.end(); code != 0 {
		t.Errorf("exit %d", code)
	}
}
