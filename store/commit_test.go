package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
)

// dump returns every row of every table, for comparison.
func dump(t testing.TB, s *Store) string {
	t.Helper()
	var b strings.Builder
	ctx, err := s.enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.mu.Unlock()
	tables, err := list(ctx, s, func(r row) (name string, err error) { return name, r.Scan(&name) },
		`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		rows, err := s.conn.QueryContext(ctx, `SELECT * FROM `+table)
		if err != nil {
			t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			values, into := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s %v\n", table, values)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// TestCommitRefuses: what may not be, is refused, says why, and leaves no
// trace.
func TestCommitRefuses(t *testing.T) {
	auth, other := authorization(t, 1), authorization(t, 2)
	a, b := attempt(1), attempt(2)
	a2 := accepted(a, auth, 1)
	again := attempt(3) // a second request of the payment that a2 has paid
	again.Payment = a2.Payment
	call := Call{RequestID: idOf("call"), Method: "Accept", Content: hashOf("content"), Subject: a.Payment}

	reissued := auth
	reissued.Cert = other.Cert
	body := proto.CloneOf(other.Cert.Body)
	body.PreauthId = auth.Cert.Body.PreauthId
	cert, err := preauth.Sign(signingKey(t), body)
	if err != nil {
		t.Fatal(err)
	}
	reissued.Cert = cert

	huge := b
	huge.Amount, huge.Tip = math.MaxInt64, 1
	nameless := b
	nameless.State = "PAID"
	unbacked := b
	unbacked.State = payment.Authorized

	tests := []struct {
		name   string
		change Change
		err    error // nil: any
	}{
		{"a revision that is stored already", Change{Attempts: []Attempt{a2}}, ErrConflict},
		{"a revision too far", Change{Attempts: []Attempt{stepped(stepped(a2, payment.Provisional), payment.Settled)}}, ErrConflict},
		{"an attempt that exists", Change{Attempts: []Attempt{a}}, ErrConflict},
		{"a revision of nothing", Change{Attempts: []Attempt{stepped(attempt(9), payment.Expired)}}, ErrConflict},
		{"a second live voucher for one payment of a till", Change{Attempts: []Attempt{again, accepted(again, auth, 2)}}, ErrConflict},
		{"a counter that is used", Change{Attempts: []Attempt{accepted(b, auth, 1)}}, ErrConflict},
		{"a counter that leaves one out", Change{Attempts: []Attempt{accepted(b, auth, 3)}}, ErrConflict},
		{"counter zero", Change{Attempts: []Attempt{accepted(b, auth, 0)}}, ErrConflict},
		{"another certificate of the same id", Change{Put: []Authorization{reissued}}, ErrConflict},
		{"a request id that was used", Change{Call: &call, Events: []*paymentv1.Event{opened(a.Payment)}}, ErrExists},
		{"a pre-authorization that nobody knows", Change{Attempts: []Attempt{accepted(b, other, 1)}}, nil},
		{"a total past all bounds", Change{Attempts: []Attempt{stepped(huge, payment.Requested)}}, nil},
		{"a state that is none", Change{Attempts: []Attempt{stepped(nameless, "PAID")}}, nil},
		{"a voucher that is none", Change{Attempts: []Attempt{stepped(unbacked, payment.Authorized)}}, nil},
		{"an event that says nothing", Change{Events: []*paymentv1.Event{opened(a.Payment), {}}}, nil},
		{"an event of a payment without an id", Change{Events: []*paymentv1.Event{{Event: &paymentv1.Event_PaymentAwaiting{PaymentAwaiting: &paymentv1.PaymentAwaiting{PaymentId: "7"}}}}}, preauth.ErrID},
		{"an item that the backend does not know", Change{Outbox: []Item{{ItemKey: ItemKey{"REFUND", a.Request}, Currency: "USD"}}}, nil},
		{"an instrument twice", Change{Instruments: []Instrument{{ID: idOf(1), Currency: "USD"}, {ID: idOf(1), Currency: "USD"}}}, ErrConflict},
	}
	s := openAt(t, t.TempDir(), Customer)
	commit(t, s, &Change{Put: []Authorization{auth}, Attempts: []Attempt{a, b}, Call: &call})
	commit(t, s, &Change{Attempts: []Attempt{a2}})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before, commits := dump(t, s), s.Commits()
			// The rest of the change falls with what is refused.
			tt.change.Floor = at(100)
			tt.change.Outbox = append([]Item{claim(a2)}, tt.change.Outbox...)
			err := s.Commit(t.Context(), &tt.change)
			if err == nil || tt.err != nil && !errors.Is(err, tt.err) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
			for _, other := range []error{ErrConflict, ErrExists, ErrFull, ErrReadOnly, ErrPoisoned} {
				if other != tt.err && errors.Is(err, other) {
					t.Errorf("error %v is also %v", err, other)
				}
			}
			if after := dump(t, s); after != before || s.Commits() != commits {
				t.Errorf("the store has changed:\n%s\n%s", before, after)
			}
			for _, e := range tt.change.Events {
				if e.Sequence != 0 || e.Time != nil {
					t.Errorf("event keeps number %d", e.Sequence)
				}
			}
			sound(t, s)
		})
	}
	commit(t, s, &Change{Attempts: []Attempt{accepted(b, auth, 2)}})
	sound(t, s)
}

// TestSaleRefuses: the same for a till.
func TestSaleRefuses(t *testing.T) {
	v, next := sale(1), sale(2)
	a, b := ask(v, 1), ask(v, 2)
	won := answered(a, idOf("preauth"), 7, 12_00)
	far := v
	far.Rev, far.State = 3, payment.Expired
	tests := []struct {
		name   string
		change Change
		err    error
	}{
		{"a sale that exists", Change{Sale: &v}, ErrConflict},
		{"a revision of a sale too far", Change{Sale: &far}, ErrConflict},
		{"a second open sale", Change{Sale: &next}, ErrConflict},
		{"two vouchers with one counter", Change{Asks: []Ask{won, answered(b, idOf("preauth"), 7, 12_00)}}, ErrConflict},
		{"a request of no sale", Change{Asks: []Ask{ask(next, 1)}}, nil},
		{"more guaranteed than promised", Change{Asks: []Ask{{Ask: a.Ask, Payment: v.ID, Currency: "USD", Total: 1, Guaranteed: 2}}}, nil},
	}
	s := openAt(t, t.TempDir(), Business)
	commit(t, s, &Change{Sale: &v, Asks: []Ask{a, b}})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := dump(t, s)
			if err := s.Commit(t.Context(), &tt.change); err == nil || tt.err != nil && !errors.Is(err, tt.err) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
			if after := dump(t, s); after != before {
				t.Errorf("the store has changed:\n%s\n%s", before, after)
			}
		})
	}
}

// TestOneWriterWins: of 8 who step one payment at once, one does.
func TestOneWriterWins(t *testing.T) {
	s, auth := wallet(t)
	a := attempt(1)
	commit(t, s, &Change{Attempts: []Attempt{a}})
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			errs[i] = s.Commit(context.Background(), &Change{
				Attempts: []Attempt{accepted(a, auth, 1)}, Events: []*paymentv1.Event{opened(a.Payment)}, Outbox: []Item{claim(a)},
			})
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, ErrConflict):
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d writers won", won)
	}
	if got, err := s.Authorization(t.Context(), auth.ID()); err != nil || got.Counter != 1 || got.Held != 12_00 || got.Prev != hashOf("voucher", a.Request) {
		t.Errorf("pre-authorization: %v %+v", err, got)
	}
	if seq, err := s.LastSequence(t.Context()); err != nil || seq != 1 {
		t.Errorf("sequence %d: %v", seq, err)
	}
	sound(t, s)
}

// TestHolds follows vouchers through every end they can have.
func TestHolds(t *testing.T) {
	tests := []struct {
		name        string
		steps       []payment.State
		held, spent int64
	}{
		{"accepted is held", nil, 12_50, 0},
		{"provisional is held", []payment.State{payment.Provisional}, 12_50, 0},
		{"settled is spent", []payment.State{payment.Provisional, payment.Settled}, 0, 12_50},
		{"rejected stays held", []payment.State{payment.Rejected}, 12_50, 0},
		{"rejected and then paid is spent", []payment.State{payment.Rejected, payment.Settled}, 0, 12_50},
		{"released is free", []payment.State{payment.Released}, 0, 0},
		{"released and then paid is spent", []payment.State{payment.Released, payment.Settled}, 0, 12_50},
		{"another paid: free", []payment.State{payment.OtherPaid}, 0, 0},
		{"reversed is free", []payment.State{payment.Settled, payment.Cancelled}, 0, 0},
	}
	s, auth := wallet(t)
	counter := uint32(0)
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before, err := s.Authorization(t.Context(), auth.ID())
			if err != nil {
				t.Fatal(err)
			}
			a := attempt(i)
			a.Tip = 50
			commit(t, s, &Change{Attempts: []Attempt{a}})
			counter++
			a = accepted(a, auth, counter)
			commit(t, s, &Change{Attempts: []Attempt{a}})
			for _, to := range tt.steps {
				a = stepped(a, to)
				commit(t, s, &Change{Attempts: []Attempt{a}})
			}
			after, err := s.Authorization(t.Context(), auth.ID())
			if err != nil || after.Held-before.Held != tt.held || after.Spent-before.Spent != tt.spent || after.Counter != counter {
				t.Errorf("holds %d and has spent %d at counter %d, want %d and %d at %d: %v",
					after.Held-before.Held, after.Spent-before.Spent, after.Counter, tt.held, tt.spent, counter, err)
			}
			sound(t, s)
		})
	}
}

// TestUnacked: Cancels of vouchers are listed in the order they came, until
// the backend has acknowledged them; Cancels of mere requests are not.
func TestUnacked(t *testing.T) {
	s, auth := wallet(t)
	all := make([]Attempt, 4)
	for i := range all {
		a := attempt(i)
		commit(t, s, &Change{Attempts: []Attempt{a}})
		if i < 3 {
			a = accepted(a, auth, uint32(i+1))
			commit(t, s, &Change{Attempts: []Attempt{a}})
		}
		all[i] = a
	}
	for _, i := range []int{2, 3, 0, 1} {
		all[i] = cancelled(all[i])
		commit(t, s, &Change{Attempts: []Attempt{all[i]}, Outbox: []Item{{ItemKey: ItemKey{payment.ItemCancel, all[i].Request}, Currency: "USD"}}})
	}
	expect := func(want ...int) {
		t.Helper()
		a, err := s.Authorization(t.Context(), auth.ID())
		if err != nil || len(a.Unacked) != len(want) {
			t.Fatalf("%d unacknowledged, want %d: %v", len(a.Unacked), len(want), err)
		}
		for i, n := range want {
			if string(a.Unacked[i].Cancel) != string(all[n].CancelBytes) || a.Unacked[i].Total != 12_00 {
				t.Errorf("unacknowledged %d is %s, want %s", i, a.Unacked[i].Cancel, all[n].CancelBytes)
			}
		}
	}
	expect(2, 0, 1)
	commit(t, s, &Change{Done: []ItemKey{{payment.ItemCancel, all[0].Request}}})
	expect(2, 1)
	// A stale copy of the attempt does not take the acknowledgement back.
	all[0] = stepped(all[0], payment.Cancelled)
	commit(t, s, &Change{Attempts: []Attempt{all[0]}})
	expect(2, 1)
	// A Cancel that comes again keeps its place.
	all[2] = stepped(all[2], payment.Cancelled)
	commit(t, s, &Change{Attempts: []Attempt{all[2]}})
	expect(2, 1)
	all[2].CancelAcked = true
	commit(t, s, &Change{Attempts: []Attempt{stepped(all[2], payment.Cancelled)}})
	expect(1)
	sound(t, s)
}

// TestPut: a known pre-authorization keeps its chain and holds, and once void
// stays void.
func TestPut(t *testing.T) {
	s, auth := wallet(t)
	a := attempt(1)
	commit(t, s, &Change{Attempts: []Attempt{a}})
	commit(t, s, &Change{Attempts: []Attempt{accepted(a, auth, 1)}})
	void := auth
	void.Voided, void.Delegated = true, true
	commit(t, s, &Change{Put: []Authorization{void}})
	commit(t, s, &Change{Put: []Authorization{auth, authorization(t, 2)}})
	all, err := s.Authorizations(t.Context())
	if err != nil || len(all) != 2 {
		t.Fatalf("%d pre-authorizations: %v", len(all), err)
	}
	got := all[0]
	if !got.Voided || got.Delegated || got.Held != 12_00 || got.Counter != 1 || got.Prev != hashOf("voucher", a.Request) || !proto.Equal(got.Cert.Body, auth.Cert.Body) {
		t.Errorf("pre-authorization: %+v", got)
	}
	if other := all[1]; other.Voided || other.Counter != 0 || other.Prev != other.Cert.Hash || other.Held != 0 {
		t.Errorf("new pre-authorization: %+v", other)
	}
	if _, err := s.Authorization(t.Context(), idOf("none")); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown pre-authorization: %v", err)
	}
	var m *peerv1.PreauthCert = got.Cert.Body
	if got.Status(at(0)) != preauth.Voided || m.Limit != 1_000_00 {
		t.Errorf("status %s of limit %d", got.Status(at(0)), m.Limit)
	}
}
