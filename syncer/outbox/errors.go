package outbox

import (
	"errors"

	"github.com/vipaso/vipasod/preauth"
)

// Reasons why an item stays.
var (
	// ErrItem: the item's own bytes do not belong together.
	ErrItem = errors.New("outbox item does not hold together")
	// ErrAnswer: the answer has not one result per item.
	ErrAnswer = errors.New("answer does not fit the batch")
	// ErrTotals: device and backend count the batch differently.
	ErrTotals = errors.New("device and backend count the batch differently")
	// ErrVerdict: the verdict is about something else than the item.
	ErrVerdict = errors.New("verdict does not fit the item")
	// ErrUnanswered: the backend has not decided yet.
	ErrUnanswered = errors.New("not decided yet")
)

// Refusal is why the backend could not judge one item: a reason of the error
// catalogue.
type Refusal string

// Error returns the reason.
func (r Refusal) Error() string { return "not judged: " + string(r) }

// Reason returns what an item that stays because of err shows: a reason of
// the error catalogue, empty for ErrUnanswered, which is no error.
func Reason(err error) string {
	var refusal Refusal
	switch {
	case errors.Is(err, ErrUnanswered):
		return ""
	case errors.As(err, &refusal):
		return string(refusal)
	case errors.Is(err, ErrItem):
		return "STORE_CORRUPT"
	case errors.Is(err, ErrTotals), errors.Is(err, ErrAnswer):
		return "SYNC_MISMATCH"
	case errors.Is(err, ErrVerdict):
		return "VERDICT_UNEXPECTED"
	}
	return preauth.Code(err)
}
