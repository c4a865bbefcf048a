// Package vectors is the format of the test vectors in preauth/testdata/vectors,
// which other implementations of the protocol can be tested with. It holds no
// opinion on what is right: package conformance runs the vectors against this
// implementation, and the tests that make them say what they should be.
//
// All bytes are lower-case hexadecimal, amounts minor units, times milliseconds
// since 1970 UTC.
package vectors

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Format names the format, with its version.
const Format = "vipaso-vectors/1"

// ErrFormat: not a file of vectors, or not of a kind that is known.
var ErrFormat = errors.New("not a file of test vectors")

// Kind says what the cases of a file are.
type Kind string

// The kinds of file.
const (
	KindKeys           Kind = "keys"           // of Key
	KindObjects        Kind = "objects"        // of Object
	KindRefused        Kind = "refused"        // of Bad
	KindMessages       Kind = "messages"       // of Message
	KindTrust          Kind = "trust"          // of Certificate
	KindAnswers        Kind = "answers"        // of Answer
	KindTill           Kind = "till"           // of Decision
	KindLimits         Kind = "limits"         // of Bounds
	KindDraws          Kind = "draws"          // of Draw
	KindJournals       Kind = "journals"       // of Journal
	KindAmounts        Kind = "amounts"        // of Amount
	KindFrames         Kind = "frames"         // of Link
	KindAdvertisements Kind = "advertisements" // of Advertisement
	KindHandshakes     Kind = "handshakes"     // of Handshake
	KindCodes          Kind = "codes"          // of Code
	KindProofs         Kind = "proofs"         // of Proof
	KindSettlements    Kind = "settlements"    // of Settlement
	KindBatches        Kind = "batches"        // of Batch
)

// File is one file of vectors.
type File struct {
	Format string            `json:"format"` // Format
	Kind   Kind              `json:"kind"`
	About  string            `json:"about"` // for people
	Cases  []json.RawMessage `json:"cases"`
}

// Encode returns the file of these cases.
func Encode[C any](kind Kind, about string, cases []C) ([]byte, error) {
	f := File{Format: Format, Kind: kind, About: about, Cases: make([]json.RawMessage, len(cases))}
	for i, c := range cases {
		b, err := json.Marshal(c)
		if err != nil {
			return nil, fmt.Errorf("case %d of %s: %w", i, kind, err)
		}
		f.Cases[i] = b
	}
	b, err := json.MarshalIndent(f, "", "  ")
	return append(b, '\n'), err
}

// Decode reads a file. The error wraps ErrFormat.
func Decode(b []byte) (File, error) {
	var f File
	if err := strict(b, &f); err != nil {
		return File{}, err
	}
	if f.Format != Format {
		return File{}, fmt.Errorf("format %q, not %q: %w", f.Format, Format, ErrFormat)
	}
	if len(f.Cases) == 0 {
		return File{}, fmt.Errorf("no cases: %w", ErrFormat)
	}
	return f, nil
}

// Case reads one case of a file. Fields that C does not have are refused: to
// leave one out could turn a failure into success. The error wraps ErrFormat.
func Case[C any](b json.RawMessage) (C, error) {
	var c C
	if err := strict(b, &c); err != nil {
		return c, err
	}
	return c, nil
}
