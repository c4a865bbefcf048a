package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/daemon/catalogue"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
	"github.com/vipaso/vipasod/store"
	"github.com/vipaso/vipasod/syncer"
)

// errorDomain names this product in ErrorInfo.
const errorDomain = "vipaso.dev"

// retryLater is how long a caller is asked to wait when nobody knows better.
const retryLater = 2 * time.Second

// errorTable maps every error that a caller can act on to its machine-readable
// reason; the catalogue gives the reason's gRPC code. The first match wins.
// field is the field of the call at fault, if it is always the same one.
// Reasons are API: add new ones, never rename.
//
// Beside the table, a refusal of preauth, an adapter's error and an answer of
// the backend carry their own reason.
var errorTable = []struct {
	err    error
	reason string
	field  string
}{
	{errNotEnrolled, catalogue.NotEnrolled, ""},
	{errLocked, catalogue.DeviceLocked, ""},
	{errWrongRole, catalogue.WrongRole, ""},
	{errInProgress, catalogue.PaymentInProgress, ""},
	{errReused, catalogue.RequestIDReused, ""},
	{errNoPayment, catalogue.PaymentNotFound, ""},
	{errNoInstrument, catalogue.InstrumentNotFound, ""},
	{errNoPreauth, catalogue.PreauthNotFound, ""},
	{errNotCapable, catalogue.NotPreauthCapable, ""},
	{errDelegated, catalogue.FieldInvalid, "is_delegated_instrument"},
	{errNoSealing, catalogue.SealUnavailable, ""},
	{errUnsynced, catalogue.UnsyncedMoney, ""},
	{errClock, catalogue.ClockRegressed, ""},
	{errWatchBehind, catalogue.WatchBehind, ""},
	{errWatchExpired, catalogue.WatchExpired, ""},
	{errNotPermitted, catalogue.NotPermitted, ""},
	{errPageToken, catalogue.FieldInvalid, "page_token"},
	{errOtherEnrolled, catalogue.AlreadyEnrolled, ""},
	{errTooLarge, catalogue.MessageTooLarge, ""},
	{errNoHealth, catalogue.NotFound, "service"},
	{ErrKey, catalogue.KeyUnusable, ""},
	{ErrKeyExposed, catalogue.KeyExposed, ""},
	{ErrSocketInUse, catalogue.SocketInUse, ""},

	{errNotReversible, catalogue.NotReversible, ""},
	{payment.ErrState, catalogue.PaymentState, ""},

	{money.ErrSyntax, catalogue.AmountSyntax, "amount"},
	{money.ErrPrecision, catalogue.AmountPrecision, "amount"},
	{money.ErrRange, catalogue.AmountRange, "amount"},
	{money.ErrCurrency, catalogue.CurrencyUnknown, "currency"},

	{preauth.ErrID, catalogue.FieldInvalid, ""},
	{preauth.ErrHash, catalogue.FieldInvalid, ""},
	{preauth.ErrKey, catalogue.KeyUnusable, ""},

	{store.ErrNotFound, catalogue.NotFound, ""},
	{store.ErrExists, catalogue.RequestIDReused, ""},
	{store.ErrConflict, catalogue.Conflict, ""},
	{store.ErrToken, catalogue.FieldInvalid, "page_token"},
	{store.ErrMigration, catalogue.MigrationFailed, ""},
	{store.ErrInconsistent, catalogue.StoreInconsistent, ""},
	{store.ErrReadOnly, catalogue.StoreReadOnly, ""},
	{store.ErrDurability, catalogue.StoreReadOnly, ""},
	{store.ErrFull, catalogue.StoreFull, ""},
	{store.ErrIO, catalogue.StoreCorrupt, ""},
	{store.ErrCorrupt, catalogue.StoreCorrupt, ""},
	{store.ErrNewer, catalogue.StoreNewer, ""},
	{store.ErrLocked, catalogue.StoreLocked, ""},
	{store.ErrRole, catalogue.WrongRole, ""},
	{store.ErrPoisoned, catalogue.Internal, ""},

	{syncer.ErrNotEnrolled, catalogue.NotEnrolled, ""},
	{syncer.ErrUntrusted, catalogue.BackendUntrusted, ""},
	{syncer.ErrOffline, catalogue.Offline, ""},
	{syncer.ErrAddress, catalogue.FieldInvalid, "backend_url"},
	{syncer.ErrAnswer, catalogue.BackendRejected, ""},
	{syncer.ErrTotals, catalogue.SyncMismatch, ""},

	{secure.ErrProtocol, catalogue.PeerProtocol, ""},
	{secure.ErrHandshake, catalogue.HandshakeFailed, ""},
	{secure.ErrPeerIdentity, catalogue.CertInvalid, ""},
	{secure.ErrVersion, catalogue.PeerIncompatible, ""},
	{secure.ErrDowngrade, catalogue.HandshakeFailed, ""},
	{link.ErrLost, catalogue.LinkLost, ""},
	{link.ErrAdapter, catalogue.AdapterDown, ""},
	{errNoRadio, catalogue.AdapterDown, ""},
	{link.ErrTooLong, catalogue.MessageTooLarge, ""},
	{link.ErrClosed, catalogue.AdapterDown, ""},

	{context.Canceled, catalogue.Cancelled, ""},
	{context.DeadlineExceeded, catalogue.Deadline, ""},
}

// fault is an error with what the caller needs to mend it: the field of the
// call, and values to act on.
type fault struct {
	error
	field    string
	metadata map[string]string
}

func (f *fault) Unwrap() error { return f.error }

// inField says which field of the call err is about. A nil err stays nil.
func inField(field string, err error) error {
	if err == nil {
		return nil
	}
	return &fault{error: err, field: field}
}

// naming adds a value to err that a program can act on, such as the payment
// that is in the way.
func naming(err error, key, value string) error {
	return &fault{error: err, metadata: map[string]string{key: value}}
}

// reasonOf returns the reason of the error catalogue for err, INTERNAL for
// one that is in no table, and the field at fault, if any.
func reasonOf(err error) (reason, field string) {
	var f *fault
	if errors.As(err, &f) {
		field = f.field
	}
	var refused *syncer.Refused
	var adapter *link.AdapterError
	switch {
	case errors.As(err, &refused):
		return backendReason(refused.Reason), field
	case errors.As(err, &adapter):
		return adapter.Reason, field
	}
	for _, row := range errorTable {
		if errors.Is(err, row.err) {
			return row.reason, firstOf(field, row.field)
		}
	}
	if code := preauth.Code(err); code != catalogue.PeerProtocol {
		return code, field
	}
	return catalogue.Internal, ""
}

// backendReason is a reason of the backend, if a call can have it: a newer
// backend may know others.
func backendReason(reason string) string {
	if e, ok := catalogue.Lookup(reason); ok && e.GRPC != "" {
		return reason
	}
	return catalogue.BackendRejected
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// toStatus makes err the gRPC status that a caller gets: code, reason, fields
// at fault, and when to try again. An error that no caller can act on is told
// as INTERNAL, without its text, and incident is true: it belongs into the
// log, under the id.
func toStatus(err error, id string) (out error, incident bool) {
	if s, ok := status.FromError(err); ok {
		return foreign(s, err, id)
	}
	reason, field := reasonOf(err)
	entry, known := catalogue.Lookup(reason)
	code, ok := codeOf(entry)
	switch {
	case !known, !ok, code == codes.Internal:
		return internal(id), true
	}
	details := []protoadapt.MessageV1{info(reason, err)}
	switch {
	case code == codes.InvalidArgument && field != "":
		details = append(details, badRequest(violation(field, reason, err.Error())))
	case code == codes.Unavailable:
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(retryAfter(err))})
	}
	return build(code, message(entry, err), details...), false
}

// foreign completes a status that grpc or an interceptor made.
func foreign(s *status.Status, err error, id string) (error, bool) {
	switch s.Code() {
	case codes.InvalidArgument:
		if v := violations(s); len(v) > 0 {
			what, _ := catalogue.Lookup(catalogue.FieldInvalid)
			text := trimPeriod(what.What) + ": " + v[0].Field + ": " + v[0].Description
			return build(s.Code(), text, info(catalogue.FieldInvalid, err), badRequest(v...)), false
		}
	case codes.Canceled:
		return build(s.Code(), s.Message(), info(catalogue.Cancelled, err)), false
	case codes.DeadlineExceeded:
		return build(s.Code(), s.Message(), info(catalogue.Deadline, err)), false
	case codes.Unimplemented:
		return err, false
	}
	return internal(id), true
}

// codeOf returns the gRPC code of a catalogue entry. ok is false for a reason
// that is never the error of a call.
func codeOf(e catalogue.Entry) (code codes.Code, ok bool) {
	if e.GRPC == "" || code.UnmarshalJSON([]byte(`"`+e.GRPC+`"`)) != nil {
		return codes.Internal, false
	}
	return code, true
}

// message is the catalogue's sentence with the values that err was made of.
func message(e catalogue.Entry, err error) string {
	if text := acting(err); text != "" {
		return trimPeriod(e.What) + ": " + text
	}
	return e.What
}

// acting is what err says beside its sentinel, which the catalogue says better.
func acting(err error) string {
	var refused *syncer.Refused
	var adapter *link.AdapterError
	switch {
	case errors.As(err, &refused):
		return refused.Detail
	case errors.As(err, &adapter):
		return adapter.Detail
	}
	root := err
	for next := errors.Unwrap(root); next != nil; next = errors.Unwrap(root) {
		root = next
	}
	if _, several := root.(interface{ Unwrap() []error }); several {
		return err.Error()
	}
	text := strings.TrimSuffix(strings.TrimPrefix(err.Error(), root.Error()), root.Error())
	return strings.TrimPrefix(strings.TrimSuffix(text, ": "), ": ")
}

func trimPeriod(s string) string { return strings.TrimSuffix(s, ".") }

// internal tells a caller nothing but where to find the rest.
func internal(id string) error {
	text := "internal error"
	if id != "" {
		text += ", incident " + id
	}
	i := &errdetails.ErrorInfo{Domain: errorDomain, Reason: catalogue.Internal}
	if id != "" {
		i.Metadata = map[string]string{"incident": id}
	}
	return build(codes.Internal, text, i)
}

func info(reason string, err error) *errdetails.ErrorInfo {
	i := &errdetails.ErrorInfo{Domain: errorDomain, Reason: reason}
	for f := (*fault)(nil); errors.As(err, &f); err = f.error {
		if i.Metadata == nil && len(f.metadata) > 0 {
			i.Metadata = make(map[string]string)
		}
		maps.Copy(i.Metadata, f.metadata)
	}
	return i
}

func violation(field, reason, text string) *errdetails.BadRequest_FieldViolation {
	return &errdetails.BadRequest_FieldViolation{Field: field, Reason: reason, Description: text}
}

func badRequest(v ...*errdetails.BadRequest_FieldViolation) *errdetails.BadRequest {
	return &errdetails.BadRequest{FieldViolations: v}
}

// violations returns which fields break their rule, as the validator says.
func violations(s *status.Status) []*errdetails.BadRequest_FieldViolation {
	var out []*errdetails.BadRequest_FieldViolation
	for _, d := range s.Details() {
		list, ok := d.(*validate.Violations)
		if !ok {
			continue
		}
		for _, v := range list.GetViolations() {
			out = append(out, violation(protovalidate.FieldPathString(v.GetField()), catalogue.FieldInvalid, v.GetMessage()))
		}
	}
	return slices.Clip(out)
}

// retryAfter is when the same call may succeed.
func retryAfter(err error) time.Duration {
	var refused *syncer.Refused
	if errors.As(err, &refused) && refused.RetryAfter > 0 {
		return refused.RetryAfter
	}
	return retryLater
}

func build(code codes.Code, text string, details ...protoadapt.MessageV1) error {
	s, err := status.New(code, text).WithDetails(details...)
	if err != nil {
		return status.Error(codes.Internal, fmt.Sprintf("error details: %v", err))
	}
	return s.Err()
}
