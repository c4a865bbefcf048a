package preauth

import "errors"

// refusalError is a reason why something is not accepted, with its code in
// the error catalogue: the code travels in Cancel(REFUSED) and to callers.
type refusalError struct{ code, text string }

// Error returns the text for people.
func (e *refusalError) Error() string { return e.text }

func refusal(code, text string) error { return &refusalError{code, text} }

// Code returns the reason of the error catalogue that err carries, or
// PEER_PROTOCOL if it carries none.
func Code(err error) string {
	var e *refusalError
	if errors.As(err, &e) {
		return e.code
	}
	return "PEER_PROTOCOL"
}
