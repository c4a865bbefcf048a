package daemon

import "errors"

// What a caller can do about a refused call is in the error catalogue; the
// table in errors.go maps these to it.
var (
	errNotEnrolled   = errors.New("device is not enrolled")
	errLocked        = errors.New("the store was put back from an older copy: locked until it has synchronized")
	errWrongRole     = errors.New("not a call for this device's role")
	errNotReversible = errors.New("only a payment that the till was paid can be given back")
	errInProgress    = errors.New("another payment is open")
	errReused        = errors.New("request_id was used for another call")
	errNoPayment     = errors.New("no such payment")
	errNoInstrument  = errors.New("no such instrument")
	errNoPreauth     = errors.New("no such pre-authorization")
	errNotCapable    = errors.New("instrument cannot be pre-authorized")
	errDelegated     = errors.New("is_delegated_instrument does not fit the instrument")
	errNoSealing     = errors.New("the trust bundle names no sealing key")
	errUnsynced      = errors.New("money is not synchronized yet")
	errClock         = errors.New("the clock stands before the last known time")
	errNoRadio       = errors.New("no radio")
	errWatchBehind   = errors.New("watcher is too slow")
	errWatchExpired  = errors.New("resume point is not in the log")
	errNotPermitted  = errors.New("not permitted")
	errPageToken     = errors.New("not a page token")
	errAskedOften    = errors.New("customer came back too often without an answer")
	errOtherEnrolled = errors.New("device is enrolled already")
)
