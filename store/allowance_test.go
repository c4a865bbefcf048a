package store

import (
	"reflect"
	"testing"
	"time"

	"github.com/vipaso/vipasod/preauth"
)

func allowance(kind preauth.AllowanceKind, since time.Time, during time.Duration) Allowance {
	return Allowance{
		Allowance: preauth.Allowance{Kind: kind, Since: since, Until: since.Add(during), Floor: since.Add(-time.Hour)},
		Reason:    "the line is down", Person: "ann",
	}
}

// wantAllowances compares what is open, and what is to be told.
func wantAllowances(t *testing.T, s *Store, open, untold []Allowance) {
	t.Helper()
	if got, err := s.Allowances(t.Context()); err != nil || !reflect.DeepEqual(got, open) {
		t.Errorf("open: %v\n got %+v\nwant %+v", err, got, open)
	}
	if got, err := s.UntoldAllowances(t.Context(), 50); err != nil || !reflect.DeepEqual(got, untold) {
		t.Errorf("untold: %v\n got %+v\nwant %+v", err, got, untold)
	}
}

func TestAllowances(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, Business)
	stale, own := allowance(preauth.AllowStaleBundle, start, time.Hour), allowance(preauth.AllowOwnLimits, start, time.Hour)
	commit(t, s, &Change{Allow: &own})
	commit(t, s, &Change{Allow: &stale})
	own.N, stale.N = 1, 2
	wantAllowances(t, s, []Allowance{own, stale}, []Allowance{own, stale})
	if got, err := s.UntoldAllowances(t.Context(), 1); err != nil || len(got) != 1 || got[0].N != 1 {
		t.Errorf("the oldest: %+v %v", got, err)
	}
	commit(t, s, &Change{Told: []Allowance{own, stale}})
	own.Told, stale.Told = true, true
	wantAllowances(t, s, []Allowance{own, stale}, nil)

	// One that has run out is told as it was; one ended early is told again,
	// and was told in vain if it ended meanwhile.
	before := own
	own.Until, own.Told = at(60), false
	commit(t, s, &Change{Ended: []Allowance{stale, own}})
	commit(t, s, &Change{Told: []Allowance{before}})
	wantAllowances(t, s, nil, []Allowance{own})

	// Another of the same kind takes the place of the first.
	again, more := allowance(preauth.AllowStaleBundle, at(90), time.Hour), allowance(preauth.AllowStaleBundle, at(120), 2*time.Hour)
	commit(t, s, &Change{Told: []Allowance{own}, Allow: &again})
	commit(t, s, &Change{Allow: &more})
	again.N, more.N, again.Until = 3, 4, more.Since
	wantAllowances(t, s, []Allowance{more}, []Allowance{again, more})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir, Business)
	wantAllowances(t, s, []Allowance{more}, []Allowance{again, more})
	sound(t, s)
}

// An emergency is found as long as the backend may not know that it is over:
// until it was told of, and its end lies behind; also one that has ended.
func TestEmergencies(t *testing.T) {
	s := openAt(t, t.TempDir(), Business)
	want := func(what string, after time.Time, want ...Allowance) {
		t.Helper()
		if got, err := s.Emergencies(t.Context(), after); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\n got %+v\nwant %+v", what, err, got, want)
		}
	}
	own, first := allowance(preauth.AllowOwnLimits, start, time.Hour), allowance(preauth.AllowEmergency, start, time.Hour)
	commit(t, s, &Change{Allow: &own})
	commit(t, s, &Change{Allow: &first})
	first.N = 2
	want("one that nobody was told of", first.Until.Add(time.Hour), first)
	commit(t, s, &Change{Told: []Allowance{first}})
	first.Told = true
	commit(t, s, &Change{Ended: []Allowance{first}})
	want("told while it was open", first.Until.Add(-time.Millisecond), first)
	want("over since", first.Until)
	second := allowance(preauth.AllowEmergency, first.Until, time.Hour)
	commit(t, s, &Change{Allow: &second})
	second.N = 3
	want("two, the oldest first", start, first, second)
}

// A clock that was set back since does not end an allowance before it began.
func TestAnAllowanceEndsNotBeforeItBegan(t *testing.T) {
	s := openAt(t, t.TempDir(), Business)
	a := allowance(preauth.AllowEmergency, at(100), time.Hour)
	commit(t, s, &Change{Allow: &a})
	a.N, a.Until = 1, at(50)
	commit(t, s, &Change{Ended: []Allowance{a}})
	a.Until = a.Since
	wantAllowances(t, s, nil, []Allowance{a})
}

// When the backend answered is kept, also if it says that it is earlier than
// was thought.
func TestHeard(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, Business)
	for _, heard := range []time.Time{{}, at(100), at(50)} {
		commit(t, s, &Change{Heard: heard})
		if got, err := s.Heard(t.Context()); err != nil || !got.Equal(heard) {
			t.Errorf("heard %v, want %v: %v", got, heard, err)
		}
	}
	commit(t, s, &Change{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := openAt(t, dir, Business).Heard(t.Context()); err != nil || !got.Equal(at(50)) {
		t.Errorf("after a restart: %v %v", got, err)
	}
}
