package vectors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// strict reads one JSON value, which has no fields that v does not have. The
// error wraps ErrFormat.
func strict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return plain(b, err)
	}
	if d.More() {
		return malformed("something follows its end")
	}
	return nil
}

// malformed is ErrFormat that says what is wrong.
type malformed string

func (m malformed) Error() string { return string(m) }

// Unwrap returns ErrFormat.
func (m malformed) Unwrap() error { return ErrFormat }

// plain says what is wrong with b where a parser has given err, whose words
// are about our types. The error wraps ErrFormat.
func plain(b []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, ErrFormat):
		return err
	case errors.Is(err, io.EOF):
		return malformed("nothing is in it")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return malformed("it ends too early")
	case errors.As(err, &syntax):
		return malformed(fmt.Sprintf("line %d is no JSON", 1+bytes.Count(b[:min(int(syntax.Offset), len(b))], []byte("\n"))))
	case errors.As(err, &kind) && kind.Field == "":
		return malformed("it cannot be this: " + kind.Value)
	case errors.As(err, &kind):
		return malformed(kind.Field + " cannot be this: " + kind.Value)
	}
	return malformed(strings.TrimPrefix(err.Error(), "json: ")) // a field that is unknown
}
