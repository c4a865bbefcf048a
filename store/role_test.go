package store

import (
	"errors"
	"strings"
	"testing"
)

// TestChangeOfSides: a store is never another role's, and one with money in it
// says what would be left behind.
func TestChangeOfSides(t *testing.T) {
	s, auth := wallet(t)
	refused := func(want string) {
		t.Helper()
		closed(t, s)
		_, err := Open(t.Context(), s.dir, Options{Role: Business})
		if !errors.Is(err, ErrRole) || !strings.Contains(err.Error(), want) {
			t.Errorf("opened as a till's: %v, want %q", err, want)
		}
		s = openAt(t, s.dir, Customer)
	}
	refused("store.db of a customer opened as business; use another directory")
	a := attempt(1)
	commit(t, s, &Change{Attempts: []Attempt{a}})
	a = accepted(a, auth, 1)
	commit(t, s, &Change{Attempts: []Attempt{a}, Outbox: []Item{claim(a)}})
	refused("it holds 1 items that the backend does not have: set the role back to customer until they are handed in")
	commit(t, s, &Change{Done: []ItemKey{claim(a).ItemKey}})
	refused("use another directory")
}
