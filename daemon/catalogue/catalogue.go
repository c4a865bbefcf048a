// Package catalogue holds every machine-readable reason that vipasod and its
// backend give: the reason in the ErrorInfo of a failed call, in an event, in
// a Cancel or in a verdict. For each there is a text for the shopper, an
// explanation for the operator and the command to run next.
//
// The source is errors.toml. From it come the constants in reasons.go,
// ERRORS.md and the journal catalogue deploy/vipasod.catalog.
package catalogue

import (
	"bytes"
	_ "embed"
	"fmt"
	"sync"

	"github.com/pelletier/go-toml/v2"
)

//go:generate go run ./gen ../..

// Retry says what becomes of a call that is made again.
const (
	// RetryNever means that the same call cannot succeed.
	RetryNever = "never"

	// RetryFix means that it can, once somebody has changed something.
	RetryFix = "fix"

	// RetryAutomatic means that vipasod retries by itself, or that the
	// caller may at once.
	RetryAutomatic = "automatic"
)

// An Entry explains one reason.
type Entry struct {
	// Code is the reason itself, such as AMOUNT_SYNTAX. It never changes.
	Code string `toml:"code"`

	// GRPC is the name of the gRPC status code that carries the reason, such
	// as INVALID_ARGUMENT. It is empty for a reason that is never the error
	// of a call.
	GRPC string `toml:"grpc"`

	// Retry is RetryNever, RetryFix or RetryAutomatic.
	Retry string `toml:"retry"`

	// Shopper is one sentence for the screen that a customer sees.
	Shopper string `toml:"shopper"`

	// What says what happened, Why what is behind it and Next what to do,
	// with commands in backquotes; all three for the operator.
	What string `toml:"what"`
	Why  string `toml:"why"`
	Next string `toml:"next"`

	// MessageID is the journal's MESSAGE_ID, 32 lower-case hex digits.
	MessageID string `toml:"message_id"`
}

//go:embed errors.toml
var source []byte

// entries is errors.toml as compiled in. That it parses is tested, so a
// failure here is a broken build.
var entries = sync.OnceValue(func() []Entry {
	list, err := Parse(source)
	if err != nil {
		panic(err)
	}
	return list
})

// All returns every entry, in the order of errors.toml, which keeps related
// reasons together. The caller owns the slice.
func All() []Entry {
	return append([]Entry(nil), entries()...)
}

// Lookup returns the entry of a reason.
func Lookup(code string) (Entry, bool) {
	for _, e := range entries() {
		if e.Code == code {
			return e, true
		}
	}
	return Entry{}, false
}

// Parse returns the entries of a catalogue file, in its order. The error
// names the entry and the field that breaks a rule of the file.
func Parse(file []byte) ([]Entry, error) {
	var doc struct {
		Error []Entry `toml:"error"`
	}
	if err := toml.NewDecoder(bytes.NewReader(file)).DisallowUnknownFields().Decode(&doc); err != nil {
		return nil, fmt.Errorf("error catalogue: %w", err)
	}
	codes, ids := map[string]bool{}, map[string]bool{}
	for i, e := range doc.Error {
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("error catalogue: entry %d (%q): %w", i+1, e.Code, err)
		}
		if codes[e.Code] || ids[e.MessageID] {
			return nil, fmt.Errorf("error catalogue: entry %d (%q): code or message_id is used twice", i+1, e.Code)
		}
		codes[e.Code], ids[e.MessageID] = true, true
	}
	return doc.Error, nil
}
