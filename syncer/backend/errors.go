package backend

import (
	"context"
	"errors"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/ledger"
	"github.com/vipaso/vipasod/preauth/money"
)

// domain names this product in ErrorInfo.
const domain = "vipaso.dev"

// Errors of the services and of administration. Each has one reason, which
// is part of the interface.
var (
	// ErrCodeInvalid says that a code or token is unknown, expired, or was
	// used with other keys.
	ErrCodeInvalid = errors.New("code or token is not valid")
	// ErrProof says that the caller did not prove to hold its signing key.
	ErrProof = errors.New("proof of possession does not verify")
	// ErrKeyInUse says that the signing key answers for another device.
	ErrKeyInUse = errors.New("signing key belongs to another device")
	// ErrWrongRole says that a business asks what only a customer may, or
	// the other way round.
	ErrWrongRole = errors.New("wrong role")
	// ErrNoCertificate says that the caller showed no genuine client
	// certificate.
	ErrNoCertificate = errors.New("no genuine device certificate")
	// ErrCertificateExpired says that the caller must renew first.
	ErrCertificateExpired = errors.New("device certificate has expired")
	// ErrDeviceRevoked says that the device may only hand in what it has, and
	// ask what became of it.
	ErrDeviceRevoked = errors.New("device is revoked")
	// ErrInstrument says that the customer has no such instrument.
	ErrInstrument = errors.New("no such instrument")
	// ErrNotCapable says that funds cannot be set aside on an instrument.
	ErrNotCapable = errors.New("instrument cannot be pre-authorized")
	// ErrCurrencyMismatch says that an instrument has another currency.
	ErrCurrencyMismatch = errors.New("instrument has another currency")
	// ErrLimitTotal says that the device holds as much as it may.
	ErrLimitTotal = errors.New("limit of all that may be held")
	// ErrLimitCount says that the device has as many pre-authorizations, or
	// a pre-authorization as many payments, as it may.
	ErrLimitCount = errors.New("limit of how many there may be")
	// ErrLimitRate says that the device has done this as often today as it
	// may.
	ErrLimitRate = errors.New("limit of a day")
	// ErrRequestIDReused says that a request id came with other content.
	ErrRequestIDReused = errors.New("request id was used with other content")
	// ErrPreauth says that the caller has no such pre-authorization.
	ErrPreauth = errors.New("no such pre-authorization")
	// ErrRequestInvalid says that a signed Request cannot be used.
	ErrRequestInvalid = errors.New("request does not verify")
	// ErrRequestCancelled says that a Request has been cancelled.
	ErrRequestCancelled = errors.New("request is cancelled")
	// ErrRequestPaid says that a Request has been claimed.
	ErrRequestPaid = errors.New("request is paid")
	// ErrBinding says that an amount does not fit the bound Request.
	ErrBinding = errors.New("amount does not fit the request")
	// ErrSeal says that sealed payments cannot be opened, or hold something
	// else.
	ErrSeal = errors.New("not sealed for this backend, or damaged")
	// ErrOverloaded says that the caller should come back later.
	ErrOverloaded = errors.New("too many calls at once")
	// ErrNotFound says that there is no such business, customer, device or
	// payment.
	ErrNotFound = errors.New("not found")
	// ErrInvalid says that an argument cannot be used.
	ErrInvalid = errors.New("invalid argument")
)

// conditions is the one table from errors to codes and reasons. The first
// that matches counts.
var conditions = []struct {
	err    error
	code   codes.Code
	reason string
}{
	{ErrCodeInvalid, codes.PermissionDenied, "CODE_INVALID"},
	{ErrProof, codes.PermissionDenied, "PROOF_INVALID"},
	{ErrKeyInUse, codes.AlreadyExists, "KEY_IN_USE"},
	{ErrWrongRole, codes.FailedPrecondition, "WRONG_ROLE"},
	{ErrNoCertificate, codes.Unauthenticated, "NOT_ENROLLED"},
	{ErrCertificateExpired, codes.Unauthenticated, "CERT_EXPIRED"},
	{ErrDeviceRevoked, codes.PermissionDenied, "DEVICE_REVOKED"},
	{ErrInstrument, codes.NotFound, "INSTRUMENT_NOT_FOUND"},
	{ErrNotCapable, codes.FailedPrecondition, "NOT_PREAUTH_CAPABLE"},
	{ErrCurrencyMismatch, codes.FailedPrecondition, "CURRENCY_MISMATCH"},
	{ErrLimitTotal, codes.ResourceExhausted, "LIMIT_TOTAL"},
	{ErrLimitCount, codes.ResourceExhausted, "LIMIT_COUNT"},
	{ErrLimitRate, codes.ResourceExhausted, "LIMIT_RATE"},
	{ErrRequestIDReused, codes.AlreadyExists, "REQUEST_ID_REUSED"},
	{ErrPreauth, codes.NotFound, "PREAUTH_NOT_FOUND"},
	{ErrRequestInvalid, codes.InvalidArgument, "REQUEST_INVALID"},
	{ErrRequestCancelled, codes.FailedPrecondition, "REQUEST_CANCELLED"},
	{ErrRequestPaid, codes.FailedPrecondition, "PAYMENT_STATE"},
	{ErrBinding, codes.FailedPrecondition, "AMOUNT_MISMATCH"},
	{ErrSeal, codes.InvalidArgument, "SEAL_INVALID"},
	{ErrOverloaded, codes.Unavailable, "OVERLOADED"},
	{ErrNotFound, codes.NotFound, "NOT_FOUND"},
	{ErrInvalid, codes.InvalidArgument, "FIELD_INVALID"},
	{ledger.ErrInsufficient, codes.FailedPrecondition, "INSUFFICIENT_FUNDS"},
	{ledger.ErrAmount, codes.InvalidArgument, "AMOUNT_RANGE"},
	{money.ErrCurrency, codes.InvalidArgument, "CURRENCY_UNKNOWN"},
	{money.ErrRange, codes.InvalidArgument, "AMOUNT_RANGE"},
	{preauth.ErrDecode, codes.InvalidArgument, "PEER_PROTOCOL"},
	{context.Canceled, codes.Canceled, "CANCELLED"},
	{context.DeadlineExceeded, codes.DeadlineExceeded, "DEADLINE"},
}

// Reason returns the stable reason of an error, INTERNAL for one that is in
// no table.
func Reason(err error) string {
	if s, ok := status.FromError(err); ok && s.Code() == codes.InvalidArgument {
		return "FIELD_INVALID"
	}
	_, reason := condition(err)
	return reason
}

func condition(err error) (codes.Code, string) {
	for _, c := range conditions {
		if errors.Is(err, c.err) {
			return c.code, c.reason
		}
	}
	return codes.Internal, "INTERNAL"
}

// overloaded is ErrOverloaded with the time the caller should wait.
type overloaded struct{ wait time.Duration }

func (o overloaded) Error() string { return ErrOverloaded.Error() }
func (o overloaded) Unwrap() error { return ErrOverloaded }

// toStatus makes err a gRPC status with its reason. What is internal is not
// told to callers.
func toStatus(err error) error {
	if _, ok := status.FromError(err); ok {
		return err
	}
	code, reason := condition(err)
	text := err.Error()
	if code == codes.Internal {
		text = "internal error"
	}
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Domain: domain, Reason: reason}}
	if o := (overloaded{}); errors.As(err, &o) {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(o.wait)})
	}
	s, err := status.New(code, text).WithDetails(details...)
	if err != nil {
		return status.Error(code, text)
	}
	return s.Err()
}

// internal reports whether an error is one that somebody should look at.
func internal(err error) bool {
	return status.Code(toStatus(err)) == codes.Internal
}

// translate is the interceptor that makes every error a status of the table.
// A refusal of the validator gets the reason FIELD_INVALID.
func translate(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	resp, err := next(ctx, req)
	if err == nil {
		return resp, nil
	}
	s, ok := status.FromError(err)
	if !ok {
		return nil, toStatus(err)
	}
	if s.Code() != codes.InvalidArgument {
		return nil, err
	}
	for _, d := range s.Details() {
		if _, has := d.(*errdetails.ErrorInfo); has {
			return nil, err
		}
	}
	with, err := s.WithDetails(&errdetails.ErrorInfo{Domain: domain, Reason: "FIELD_INVALID"})
	if err != nil {
		return nil, s.Err()
	}
	return nil, with.Err()
}
