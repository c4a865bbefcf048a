package store

import (
	"fmt"
	"strings"
	"time"

	"github.com/vipaso/vipasod/preauth"
)

// How the columns that Go has no type for go in and come out. A zero id or
// hash is NULL where it may be missing, a zero time is 0.

// ms returns a time as it is stored.
func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// fromMS returns a stored time, in UTC.
func fromMS(v int64) time.Time {
	if v == 0 {
		return time.Time{}
	}
	return time.UnixMilli(v).UTC()
}

// optional returns the bytes of an id or hash, nil if it is zero.
func optional[A preauth.ID | preauth.Hash](a A) []byte {
	var zero A
	if a == zero {
		return nil
	}
	return fixed(a)
}

// fixed returns the bytes of an id or hash.
func fixed[A preauth.ID | preauth.Hash](a A) []byte {
	switch v := any(a).(type) {
	case preauth.ID:
		return v[:]
	case preauth.Hash:
		return v[:]
	}
	return nil
}

// into scans a BLOB of exactly len(b) bytes into b, and NULL into zeros.
type into struct{ b []byte }

// Scan implements sql.Scanner.
func (d into) Scan(src any) error {
	v, ok := src.([]byte)
	switch {
	case src == nil:
		clear(d.b)
	case !ok || len(v) != len(d.b):
		return fmt.Errorf("%T where %d bytes belong: %w", src, len(d.b), ErrCorrupt)
	default:
		copy(d.b, v)
	}
	return nil
}

// clock scans milliseconds into a time.
type clock struct{ t *time.Time }

// Scan implements sql.Scanner.
func (d clock) Scan(src any) error {
	v, ok := src.(int64)
	if !ok {
		return fmt.Errorf("%T where a time belongs: %w", src, ErrCorrupt)
	}
	*d.t = fromMS(v)
	return nil
}

// marks returns n comma-separated placeholders.
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?,", n), ",") }

// count returns how many columns a list names.
func count(columns string) int { return strings.Count(columns, ",") + 1 }
