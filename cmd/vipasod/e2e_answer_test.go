package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// An answer is what a command said.
type answer struct {
	args           []string
	stdout, stderr string
	code           int
}

// command runs a program to its end.
func command(t *testing.T, env []string, path string, args ...string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%v: %v", args, errors.Join(err, ctx.Err()))
	}
	return answer{args: args, stdout: out.String(), stderr: errs.String(), code: cmd.ProcessState.ExitCode()}
}

// ok fails unless the command succeeded.
func (a answer) ok(t *testing.T) answer {
	t.Helper()
	if a.code != 0 {
		t.Fatalf("%v: exit %d\n%s%s", a.args, a.code, a.stdout, a.stderr)
	}
	return a
}

// refused fails unless the command failed for this reason, named before all
// else, with this exit code and a next step in the text.
func (a answer) refused(t *testing.T, code int, reason string) {
	t.Helper()
	if a.code != code || !strings.Contains(a.stderr, reason+": ") || !hasNextStep(a.stderr) {
		t.Errorf("%v: exit %d, want %d with %s and a next step:\n%s%s", a.args, a.code, code, reason, a.stdout, a.stderr)
	}
}

// hasNextStep reports whether a line of text says what to do next.
func hasNextStep(text string) bool {
	return slices.ContainsFunc(strings.Split(text, "\n"), func(l string) bool {
		_, step, ok := strings.Cut(strings.ToLower(l), "next")
		return ok && len(strings.TrimLeft(step, ": \t\x1b[0m")) > 5
	})
}

// objects decodes one JSON object per line, and fails if there is anything
// else, or white space, on stdout.
func (a answer) objects(t *testing.T) []map[string]any {
	t.Helper()
	var list []map[string]any
	for text := range strings.Lines(a.stdout) {
		list = append(list, object(t, strings.TrimSuffix(text, "\n")))
	}
	return list
}

// object decodes the only object on stdout.
func (a answer) object(t *testing.T) map[string]any {
	t.Helper()
	list := a.objects(t)
	if len(list) != 1 {
		t.Fatalf("%v: %d objects, want one\n%s", a.args, len(list), a.stdout)
	}
	return list[0]
}

// object decodes a compact JSON object.
func object(t *testing.T, text string) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatalf("%q is no object: %v", text, err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(text)); err != nil || compact.String() != text {
		t.Fatalf("%q is not compact: %v", text, err)
	}
	return o
}

// read decodes a message of the API, in which every field is known.
func read[M any, P interface {
	*M
	proto.Message
}](t *testing.T, text string) P {
	t.Helper()
	m := P(new(M))
	if err := protojson.Unmarshal([]byte(text), m); err != nil {
		t.Fatalf("%T: %v\n%s", m, err, text)
	}
	return m
}

func (d *device) status(t *testing.T) *devicev1.Status {
	t.Helper()
	return read[devicev1.Status](t, d.ask(t, "status").stdout)
}

func (d *device) payment(t *testing.T, id string) *paymentv1.Payment {
	t.Helper()
	return read[paymentv1.Payment](t, d.ask(t, "payments", "show", id).stdout)
}

func (d *device) payments(t *testing.T) []*paymentv1.Payment {
	t.Helper()
	var list []*paymentv1.Payment
	for text := range strings.Lines(d.ask(t, "payments", "list").stdout) {
		list = append(list, read[paymentv1.Payment](t, text))
	}
	return list
}

// funds returns the only pre-authorization of a customer.
func (d *device) funds(t *testing.T) *customerv1.PreAuthorization {
	t.Helper()
	return read[customerv1.PreAuthorization](t, d.ask(t, "preauth", "list").stdout)
}

// holds fails unless the only pre-authorization of a customer has these
// amounts.
func (d *device) holds(t *testing.T, spent, held, remaining string) {
	t.Helper()
	p := d.funds(t)
	if p.GetLimit() != "100.00" || p.GetSpent() != spent || p.GetHeld() != held || p.GetRemaining() != remaining {
		t.Errorf("%s: limit %s, spent %s, held %s, remaining %s; want 100.00, %s, %s, %s",
			d.name, p.GetLimit(), p.GetSpent(), p.GetHeld(), p.GetRemaining(), spent, held, remaining)
	}
}

// becomes waits until a payment is in a state on this device.
func (d *device) becomes(t *testing.T, id string, want paymentv1.PaymentState) {
	t.Helper()
	eventually(t, 3*patience, d.name+" has "+want.String(), func() (bool, string) {
		got := d.payment(t, id).GetState()
		return got == want, got.String()
	})
}

// awaitRadio waits until the device can use its radio.
func (d *device) awaitRadio(t *testing.T) {
	t.Helper()
	eventually(t, patience, "the radio is ready", func() (bool, string) {
		r := d.status(t).GetRadio()
		return r.GetReady(), r.String()
	})
}

// event waits for an event of a kind about a payment; an empty id is any.
func (p *process) event(t *testing.T, kind, payment string) (line, *paymentv1.Event) {
	t.Helper()
	l := p.await(t, kind+" "+payment, func(s string) bool {
		return strings.Contains(s, `"`+kind+`":{`) && strings.Contains(s, `"payment_id":"`+payment)
	})
	return l, read[paymentv1.Event](t, l.text)
}

// request asks for 12.00 USD or so with no network; somebody must pay.
func (d *device) request(t *testing.T, amount string, more ...string) *paymentv1.Payment {
	t.Helper()
	p := read[paymentv1.Payment](t, d.ask(t, append([]string{"pay", "request", amount, "USD"}, more...)...).stdout)
	if p.GetState() != paymentv1.PaymentState_PAYMENT_STATE_PROVISIONAL {
		t.Fatalf("pay request %s: %s", amount, p)
	}
	return p
}

// sound fails unless the books of the backend agree with themselves and with
// the signed objects.
func (w *world) sound(t *testing.T) {
	t.Helper()
	for _, what := range [][]string{{"ledger", "check"}, {"reconcile"}} {
		rules := w.admin(t, what...).ok(t).objects(t)
		if len(rules) == 0 {
			t.Errorf("%v checks nothing", what)
		}
		for _, rule := range rules {
			if rule["ok"] != true {
				t.Errorf("%v: %v", what, rule)
			}
		}
	}
}
