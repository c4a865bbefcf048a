package link

import (
	"errors"
	"fmt"
)

var (
	// ErrLost says that the link is gone, or never came up.
	ErrLost = errors.New("link lost")

	// ErrAdapter says that the radio cannot be used. The error is an
	// *AdapterError if the reason is known.
	ErrAdapter = errors.New("adapter unusable")

	// ErrTooLong says that a value or message is longer than may be sent.
	ErrTooLong = errors.New("value too long")

	// ErrClosed says that this side closed the link or radio.
	ErrClosed = errors.New("closed")
)

// AdapterError is an ErrAdapter with its cause.
type AdapterError struct {
	// Reason is the reason of the error catalogue, such as ADAPTER_DOWN.
	Reason string

	// Detail is for people.
	Detail string
}

// Error returns the reason with its detail.
func (e *AdapterError) Error() string {
	if e.Detail == "" {
		return fmt.Sprintf("%v: %s", ErrAdapter, e.Reason)
	}
	return fmt.Sprintf("%v: %s: %s", ErrAdapter, e.Reason, e.Detail)
}

// Unwrap returns ErrAdapter.
func (e *AdapterError) Unwrap() error { return ErrAdapter }
