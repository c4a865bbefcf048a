package store

import (
	"errors"
	"testing"
)

// FuzzToken: what is given as a page token is one that this store has made,
// character by character, or is refused.
func FuzzToken(f *testing.F) {
	id := idOf("payment")
	f.Add(token(start.UnixMilli(), id[:]))
	f.Add(token(0, make([]byte, 32)))
	f.Add(token(-1, id[:]))
	f.Add(token(1, []byte("short")))
	f.Add(token(1, id[:]) + "\n")
	f.Add("")
	f.Add("====")
	f.Add("' OR 1=1 --")
	f.Fuzz(func(t *testing.T, s string) {
		createdMS, key, err := parseToken(s)
		if err != nil {
			if !errors.Is(err, ErrToken) || key != nil {
				t.Fatalf("%q is refused with %v", s, err)
			}
			return
		}
		if again := token(createdMS, key); again != s {
			t.Fatalf("%q became %q", s, again)
		}
	})
}
