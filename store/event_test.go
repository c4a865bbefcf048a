package store

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// TestEvents: numbers grow by one across commits, refused commits and
// reopening, and what was stored is what comes back.
func TestEvents(t *testing.T) {
	dir := t.TempDir()
	one, other := idOf("payment", 1), idOf("payment", 2)
	device := &paymentv1.Event{Event: &paymentv1.Event_DeviceChanged{DeviceChanged: &paymentv1.DeviceChanged{What: "ENROLLED"}}}
	failed := &paymentv1.Event{Event: &paymentv1.Event_PaymentFailed{PaymentFailed: &paymentv1.PaymentFailed{Reason: "PEER_PROTOCOL"}}}
	changes := [][]*paymentv1.Event{{opened(one), opened(other)}, {device}, {failed, opened(one)}}
	var all []*paymentv1.Event
	for _, events := range changes {
		s := openAt(t, dir, Business)
		if err := s.Commit(t.Context(), &Change{Events: []*paymentv1.Event{opened(one), {}}}); err == nil {
			t.Fatal("an empty event was stored")
		}
		commit(t, s, &Change{Events: events})
		all = append(all, events...)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for i, e := range all {
		if e.Sequence != uint64(i+1) || !e.Time.AsTime().Equal(start) {
			t.Errorf("event %d has number %d and time %v", i+1, e.Sequence, e.Time.AsTime())
		}
	}

	s := openAt(t, dir, Business)
	tests := []struct {
		name string
		read func() ([]*paymentv1.Event, error)
		want []*paymentv1.Event
	}{
		{"all", func() ([]*paymentv1.Event, error) { return s.Events(t.Context(), 0, 100) }, all},
		{"after two", func() ([]*paymentv1.Event, error) { return s.Events(t.Context(), 2, 100) }, all[2:]},
		{"at most two", func() ([]*paymentv1.Event, error) { return s.Events(t.Context(), 1, 2) }, all[1:3]},
		{"after the last", func() ([]*paymentv1.Event, error) { return s.Events(t.Context(), 5, 100) }, nil},
		{"after what can never be", func() ([]*paymentv1.Event, error) { return s.Events(t.Context(), math.MaxUint64, 100) }, nil},
		{"of one payment", func() ([]*paymentv1.Event, error) { return s.EventsOf(t.Context(), one) }, []*paymentv1.Event{all[0], all[4]}},
		{"of no payment", func() ([]*paymentv1.Event, error) { return s.EventsOf(t.Context(), idOf("none")) }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.read()
			if err != nil || len(got) != len(tt.want) {
				t.Fatalf("%d events, want %d: %v", len(got), len(tt.want), err)
			}
			for i := range got {
				if !proto.Equal(got[i], tt.want[i]) {
					t.Errorf("event %d: got %v, want %v", i, got[i], tt.want[i])
				}
			}
		})
	}
	sound(t, s)
}

// TestDevice: identity, instruments, calls and the floor come back as they
// were stored.
func TestDevice(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, Customer)
	if i, err := s.Identity(t.Context()); err != nil || i.Enrolled() {
		t.Errorf("identity of a new store: %+v %v", i, err)
	}
	identity := Identity{
		DeviceCert: []byte("cert"), TLSCert: []byte("tls"), RootKey: [33]byte{2, 1}, TrustBundle: []byte("bundle"), CA: []byte("ca"),
		BackendURL: "https://backend.example", Locked: true,
	}
	instruments := []Instrument{
		{ID: idOf("z"), Type: "CARD", Label: "blue card", Currency: "USD", Balance: 5, PreAuthCapable: true},
		{ID: idOf("a"), Type: "MNO", Label: "phone", Currency: "KES", Delegated: true},
	}
	call := Call{RequestID: idOf("call"), Method: "Accept", Content: hashOf("content"), Subject: idOf("payment")}
	commit(t, s, &Change{Identity: &identity, Instruments: []Instrument{{ID: idOf("old"), Currency: "USD"}}, Call: &call, Floor: at(100)})
	commit(t, s, &Change{Instruments: instruments, Floor: at(90)})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = openAt(t, dir, Customer)
	if got, err := s.Identity(t.Context()); err != nil || fmt.Sprint(got) != fmt.Sprint(identity) {
		t.Errorf("identity: %v %+v", err, got)
	}
	if got, err := s.Instruments(t.Context()); err != nil || fmt.Sprint(got) != fmt.Sprint(instruments) {
		t.Errorf("instruments: %v %+v", err, got)
	}
	if got, ok, err := s.Call(t.Context(), call.RequestID); err != nil || !ok || got != call {
		t.Errorf("call: %v %v %+v", err, ok, got)
	}
	if got, ok, err := s.Call(t.Context(), idOf("other")); err != nil || ok {
		t.Errorf("unknown call: %v %v %+v", err, ok, got)
	}
	commit(t, s, &Change{Identity: &Identity{}, Instruments: []Instrument{}})
	if got, err := s.Identity(t.Context()); err != nil || got.Enrolled() || got.Locked {
		t.Errorf("identity after logout: %v %+v", err, got)
	}
	if got, err := s.Instruments(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("instruments after logout: %v %+v", err, got)
	}
}

// TestFloor: the floor only rises, unless the backend says otherwise.
func TestFloor(t *testing.T) {
	tests := []struct {
		name   string
		change Change
		want   time.Time
	}{
		{"it rises", Change{Floor: at(100)}, at(100)},
		{"it does not fall", Change{Floor: at(90)}, at(100)},
		{"none leaves it", Change{}, at(100)},
		{"none leaves it, whatever is allowed", Change{FloorLowered: true}, at(100)},
		{"the backend lowers it", Change{Floor: at(50), FloorLowered: true}, at(50)},
		{"and it rises again", Change{Floor: at(60), FloorLowered: true}, at(60)},
	}
	s := openAt(t, t.TempDir(), Customer)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			commit(t, s, &tt.change)
			if got, err := s.Floor(t.Context()); err != nil || !got.Equal(tt.want) {
				t.Errorf("floor %v, want %v: %v", got, tt.want, err)
			}
		})
	}
}

// TestNotFound: what is not there is told apart from what cannot be read.
func TestNotFound(t *testing.T) {
	s := openAt(t, t.TempDir(), Customer)
	for name, read := range map[string]func() error{
		"attempt": func() error { _, err := s.Attempt(t.Context(), hashOf("none")); return err },
		"sale":    func() error { _, err := s.Sale(t.Context(), idOf("none")); return err },
		"ask":     func() error { _, err := s.Ask(t.Context(), hashOf("none")); return err },
	} {
		if err := read(); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
