package syncer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/syncer/outbox"
)

// domain names this product in ErrorInfo.
const domain = "vipaso.dev"

// Errors of talking to the backend.
var (
	// ErrNotEnrolled: the device has no backend.
	ErrNotEnrolled = errors.New("device is not enrolled")
	// ErrOffline: the backend did not answer. The call may have had effect;
	// the same call again is harmless.
	ErrOffline = errors.New("backend does not answer")
	// ErrUntrusted: whoever answered is not the backend of the CA.
	ErrUntrusted = errors.New("backend is not who it should be")
	// ErrAddress: the URL or the CA file cannot be used.
	ErrAddress = errors.New("cannot be used as a backend")
	// ErrAnswer: the backend's answer does not verify or lacks something.
	ErrAnswer = errors.New("backend's answer does not verify")
	// ErrTotals: device and backend count a batch differently.
	ErrTotals = outbox.ErrTotals
)

// Refused is a call that the backend answered with a no.
type Refused struct {
	Reason     string        // of the error catalogue
	Detail     string        // the backend's words
	RetryAfter time.Duration // when to ask again; 0 if it did not say
	invalid    bool          // the request itself, not its caller
}

// Error returns the reason and the backend's words.
func (r *Refused) Error() string { return "backend refuses: " + r.Reason + ": " + r.Detail }

// Reason returns the reason of the error catalogue for an error of this
// package, and INTERNAL for any other.
func Reason(err error) string {
	var refused *Refused
	if errors.As(err, &refused) {
		return refused.Reason
	}
	for _, c := range []struct {
		err    error
		reason string
	}{
		{ErrNotEnrolled, "NOT_ENROLLED"},
		{ErrUntrusted, "BACKEND_UNTRUSTED"},
		{ErrOffline, "OFFLINE"},
		{ErrAddress, "FIELD_INVALID"},
		{ErrAnswer, "CERT_INVALID"},
		{ErrTotals, "SYNC_MISMATCH"},
		{outbox.ErrAnswer, "SYNC_MISMATCH"},
		{outbox.ErrVerdict, "VERDICT_UNEXPECTED"},
		{preauth.ErrSignature, "SIGNATURE_INVALID"},
		{context.Canceled, "CANCELLED"},
		{context.DeadlineExceeded, "DEADLINE"},
	} {
		if errors.Is(err, c.err) {
			return c.reason
		}
	}
	return "INTERNAL"
}

// translate makes a gRPC error one of this package's. An error with a reason
// is an answer; without one, it may be the network's.
func translate(err error) error {
	s := status.Convert(err)
	r := &Refused{Detail: s.Message(), invalid: s.Code() == codes.InvalidArgument}
	for _, d := range s.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			if d.Domain == domain {
				r.Reason = d.Reason
			}
		case *errdetails.RetryInfo:
			r.RetryAfter = d.RetryDelay.AsDuration()
		}
	}
	switch s.Code() {
	case codes.DeadlineExceeded, codes.Canceled:
		return fmt.Errorf("%w: %s", ErrOffline, silence(s.Message()))
	case codes.Unavailable:
		if r.Reason == "" {
			return fmt.Errorf("%w: %s", ErrOffline, silence(s.Message()))
		}
	}
	if r.Reason == "" {
		r.Reason = "BACKEND_REJECTED"
	}
	return r
}

// silences are why a backend does not answer, in the words of gRPC, which has
// only text for it, and in those for people.
var silences = []struct{ said, means string }{
	{"taken offline", "taken offline"},
	{"connection refused", "connection refused"},
	{"no such host", "name not found"},
	{"network is unreachable", "network unreachable"},
	{"no route to host", "no route to host"},
	{"i/o timeout", "no answer in time"},
	{"context deadline exceeded", "no answer in time"},
}

// silence says why a backend does not answer; what is not known stays as it is.
func silence(said string) string {
	for _, s := range silences {
		if strings.Contains(said, s.said) {
			return s.means
		}
	}
	return said
}
