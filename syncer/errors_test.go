package syncer

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/syncer/outbox"
)

func TestTranslate(t *testing.T) {
	foreign, err := status.New(codes.Unavailable, "in words").WithDetails(&errdetails.ErrorInfo{Domain: "other.example", Reason: "OTHER"})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		err    error
		reason string
		after  time.Duration
	}{
		{"nobody is there", status.Error(codes.Unavailable, "refused"), "OFFLINE", 0},
		{"nobody answers in time", status.Error(codes.DeadlineExceeded, "late"), "OFFLINE", 0},
		{"the connection was closed", status.Error(codes.Canceled, "closing"), "OFFLINE", 0},
		{"a proxy has reasons of its own", foreign.Err(), "OFFLINE", 0},
		{"the backend gave up in time", refusal(codes.DeadlineExceeded, "DEADLINE", 0), "OFFLINE", 0},
		{"the backend paces", refusal(codes.Unavailable, "OVERLOADED", 7*time.Second), "OVERLOADED", 7 * time.Second},
		{"the backend refuses", refusal(codes.FailedPrecondition, "INSUFFICIENT_FUNDS", 0), "INSUFFICIENT_FUNDS", 0},
		{"the backend has a bug", status.Error(codes.Internal, "internal error"), "BACKEND_REJECTED", 0},
		{"it is no backend", status.Error(codes.Unimplemented, "unknown service"), "BACKEND_REJECTED", 0},
		{"it is no gRPC error", errors.New("text"), "BACKEND_REJECTED", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := translate(tt.err)
			if Reason(got) != tt.reason || errors.Is(got, ErrOffline) != (tt.reason == "OFFLINE") {
				t.Errorf("%v (%s), want %s", got, Reason(got), tt.reason)
			}
			var refused *Refused
			if errors.As(got, &refused) && refused.RetryAfter != tt.after {
				t.Errorf("retry after %s, want %s", refused.RetryAfter, tt.after)
			}
			if got.Error() == "" {
				t.Error("says nothing")
			}
		})
	}
}

func TestReasons(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{ErrNotEnrolled, "NOT_ENROLLED"},
		{ErrOffline, "OFFLINE"},
		{fmt.Errorf("%w: %w", ErrUntrusted, errors.New("x509")), "BACKEND_UNTRUSTED"},
		{ErrAddress, "FIELD_INVALID"},
		{ErrAnswer, "CERT_INVALID"},
		{ErrTotals, "SYNC_MISMATCH"},
		{outbox.ErrAnswer, "SYNC_MISMATCH"},
		{outbox.ErrVerdict, "VERDICT_UNEXPECTED"},
		{preauth.ErrSignature, "SIGNATURE_INVALID"},
		{context.Canceled, "CANCELLED"},
		{context.DeadlineExceeded, "DEADLINE"},
		{&Refused{Reason: "TOO_LATE"}, "TOO_LATE"},
		{errors.New("disk"), "INTERNAL"},
	}
	for _, tt := range tests {
		if got := Reason(tt.err); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.err, got, tt.want)
		}
	}
}

// TestSilence: why a backend does not answer is told without gRPC's words.
func TestSilence(t *testing.T) {
	const dialing = `connection error: desc = "transport: Error while dialing: `
	for said, want := range map[string]string{
		dialing + `dial tcp 127.0.0.1:1: connect: connection refused"`:          "connection refused",
		dialing + `dial tcp: lookup pay.example.com on [::1]:53: no such host"`: "name not found",
		dialing + `dial tcp 192.0.2.1:1: connect: network is unreachable"`:      "network unreachable",
		dialing + `dial tcp 192.0.2.1:1: i/o timeout"`:                          "no answer in time",
		dialing + `backend does not answer: taken offline"`:                     "taken offline",
		"context deadline exceeded":                                             "no answer in time",
		"something else":                                                        "something else",
	} {
		for _, code := range []codes.Code{codes.Unavailable, codes.DeadlineExceeded} {
			if got := translate(status.Error(code, said)); got.Error() != ErrOffline.Error()+": "+want {
				t.Errorf("%q: %v, want %s", said, got, want)
			}
		}
	}
}
