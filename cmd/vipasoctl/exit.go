package main

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/vipaso/vipasod/daemon/catalogue"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// The exit codes. Scripts rely on them.
const (
	exitOK          = 0  // done
	exitFailed      = 1  // declined, cancelled, rejected, or an error of no other kind
	exitUsage       = 2  // the command or a value in it is wrong
	exitUnreachable = 3  // no daemon answers on the socket
	exitNotAllowed  = 4  // this user may not do that
	exitConflict    = 5  // not there, or not in the state for it
	exitTimeout     = 6  // time ran out, or the payment request expired
	exitConfig      = 78 // the daemon's configuration is wrong (EX_CONFIG)
)

// An outcome is an exit code for which stdout has said everything already.
type outcome int

func (o outcome) Error() string { return "operation failed" }

// failedUnless returns nil if ok, else the outcome "operation failed".
func failedUnless(ok bool) error {
	if ok {
		return nil
	}
	return outcome(exitFailed)
}

// paymentOutcome is how asking for or consenting to p came out. A payment
// that may have happened is no failure.
func paymentOutcome(p *paymentv1.Payment) error {
	switch p.GetState() {
	case paymentv1.PaymentState_PAYMENT_STATE_PROVISIONAL, paymentv1.PaymentState_PAYMENT_STATE_SETTLED,
		paymentv1.PaymentState_PAYMENT_STATE_AUTHORIZED, paymentv1.PaymentState_PAYMENT_STATE_AWAITING:
		return nil
	case paymentv1.PaymentState_PAYMENT_STATE_EXPIRED:
		return outcome(exitTimeout)
	default:
		return outcome(exitFailed)
	}
}

// exitCode returns the exit code for err; nil is exitOK.
func exitCode(err error) int {
	var done outcome
	var usage *usageError
	var unknown *unknownCode
	var bare *noProof
	var file *fileError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &done):
		return int(done)
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, fs.ErrExist), errors.As(err, &unknown), errors.As(err, &bare):
		return exitConflict
	case errors.As(err, &file) && file.hint != "":
		return exitUsage // a file to read was named wrongly
	case errors.Is(err, context.DeadlineExceeded):
		return exitTimeout
	case reasonOf(err) == catalogue.ConfigInvalid:
		return exitConfig
	}
	st, ok := statusOf(err)
	if !ok {
		return exitFailed
	}
	return exitByCode(st, err)
}

func exitByCode(st *status.Status, err error) int {
	switch st.Code() {
	case codes.InvalidArgument:
		return exitUsage
	case codes.PermissionDenied:
		return exitNotAllowed
	case codes.NotFound, codes.FailedPrecondition, codes.AlreadyExists, codes.Aborted, codes.OutOfRange:
		return exitConflict
	case codes.DeadlineExceeded:
		return exitTimeout
	case codes.Unavailable:
		if interrupted(err) {
			return exitUnreachable
		}
	}
	return exitFailed
}

// interrupted is whether err says that the daemon was not there to answer.
// Unavailable with a reason is an answer: the adapter or the backend is away.
func interrupted(err error) bool {
	st, ok := statusOf(err)
	return ok && st.Code() == codes.Unavailable && reasonOf(err) == ""
}

// undecided is whether a call that ended with err may have been done all the
// same: nobody has refused it.
func undecided(err error) bool {
	if st, ok := statusOf(err); ok && st.Code() == codes.ResourceExhausted {
		return false // a limit
	}
	code := exitCode(err)
	return code == exitFailed || code == exitUnreachable || code == exitTimeout
}

// resumable is whether the stream that ended with err can be opened again
// where it stopped. A daemon that stops ends its streams in order or cancels
// them.
func resumable(err error) bool {
	if interrupted(err) || errors.Is(err, io.EOF) {
		return true
	}
	switch reasonOf(err) {
	case catalogue.WatchBehind, catalogue.WatchExpired:
		return true
	}
	st, ok := statusOf(err)
	return ok && st.Code() == codes.Canceled
}

// cancelled is whether err says only that this program was told to stop.
func cancelled(err error) bool {
	st, ok := statusOf(err)
	return errors.Is(err, context.Canceled) || ok && st.Code() == codes.Canceled
}

// unimplemented is whether the daemon does not serve the method at all.
func unimplemented(err error) bool {
	st, ok := statusOf(err)
	return ok && st.Code() == codes.Unimplemented
}

// notFound returns the error that the daemon would give for a missing thing.
func notFound(reason, message string) error {
	return reasoned(codes.NotFound, reason, message, nil)
}

// wrongState returns the error that the daemon would give for a payment that
// is not in the state for what was asked.
func wrongState(paymentID, message string) error {
	return reasoned(codes.FailedPrecondition, catalogue.PaymentState, message, map[string]string{"payment_id": paymentID})
}

// outOfRange returns the error that the daemon would give for a number beyond
// the last.
func outOfRange(reason, message string) error {
	return reasoned(codes.OutOfRange, reason, message, nil)
}

// reasoned returns an error as the daemon gives it.
func reasoned(code codes.Code, reason, message string, about map[string]string) error {
	st, err := status.New(code, message).WithDetails(&errdetails.ErrorInfo{Domain: "vipaso.dev", Reason: reason, Metadata: about})
	if err != nil {
		return status.Error(code, message)
	}
	return st.Err()
}

// statusOf returns the gRPC status in err, if it came from a call.
func statusOf(err error) (*status.Status, bool) {
	if err == nil {
		return nil, false
	}
	return status.FromError(err)
}

// reasonOf returns the machine-readable reason in err, or "".
func reasonOf(err error) string {
	if info := detail[*errdetails.ErrorInfo](err); info != nil {
		return info.GetReason()
	}
	return ""
}

// detail returns the first detail of type T in err, or T's zero value.
func detail[T any](err error) T {
	var none T
	st, ok := statusOf(err)
	if !ok {
		return none
	}
	for _, d := range st.Details() {
		if t, ok := d.(T); ok {
			return t
		}
	}
	return none
}
