package backend

import (
	"errors"
	"fmt"
	"time"

	"github.com/vipaso/vipasod/preauth"
)

// errColumn says that a stored value has the wrong size, which the CHECKs of
// the schema exclude.
var errColumn = errors.New("stored value has the wrong size")

// fixed scans a column into an array; NULL leaves it zero.
type fixed []byte

// Scan implements sql.Scanner.
func (f fixed) Scan(v any) error {
	if v == nil {
		clear(f)
		return nil
	}
	b, ok := v.([]byte)
	if !ok || len(b) != len(f) {
		return fmt.Errorf("%d bytes, not %d: %w", len(b), len(f), errColumn)
	}
	copy(f, b)
	return nil
}

// moment scans milliseconds; NULL leaves it zero.
type moment struct{ t *time.Time }

// Scan implements sql.Scanner.
func (m moment) Scan(v any) error {
	*m.t = time.Time{}
	if v == nil {
		return nil
	}
	ms, ok := v.(int64)
	if !ok {
		return fmt.Errorf("time is %T: %w", v, errColumn)
	}
	*m.t = time.UnixMilli(ms).UTC()
	return nil
}

// orNull stores a zero id as NULL.
func orNull(id preauth.ID) any {
	if id.Zero() {
		return nil
	}
	return id[:]
}

// hashOrNull stores a zero hash as NULL.
func hashOrNull(h preauth.Hash) any {
	if h.Zero() {
		return nil
	}
	return h[:]
}
