package store

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/preauth"
)

// appendEvent gives an event the next sequence number and the time, and
// stores it with the chain of hashes. Numbers grow by one: they are taken
// inside the transaction, and given back with it.
func (t *tx) appendEvent(e *paymentv1.Event) error {
	subject, err := paymentOf(e)
	if err != nil {
		return err
	}
	t.head.sequence++
	now := time.UnixMilli(ms(t.s.opts.Now()))
	e.Sequence, e.Time = uint64(t.head.sequence), timestamppb.New(now)
	body, err := proto.Marshal(e)
	if err != nil {
		return err
	}
	entry := preauth.JournalEntry{Sequence: e.Sequence, TimeMs: ms(now), Payment: subject, Body: body}
	t.head.journal = entry.Chain(t.head.journal)
	return t.exec(`INSERT INTO events (seq, payment, time, body, hash) VALUES (?, ?, ?, ?, ?)`,
		t.head.sequence, optional(subject), ms(now), body, fixed(t.head.journal))
}

// paymentOf returns the payment that an event speaks of, zero if none.
func paymentOf(e *paymentv1.Event) (preauth.ID, error) {
	m := e.ProtoReflect()
	which := m.WhichOneof(m.Descriptor().Oneofs().ByName("event"))
	if which == nil {
		return preauth.ID{}, fmt.Errorf("event says nothing")
	}
	f := which.Message().Fields().ByName("payment_id")
	if f == nil {
		return preauth.ID{}, nil
	}
	id := m.Get(which).Message().Get(f).String()
	if id == "" {
		return preauth.ID{}, nil
	}
	return preauth.ParseID(id)
}

func scanEvent(r row) (*paymentv1.Event, error) {
	var body []byte
	if err := r.Scan(&body); err != nil {
		return nil, err
	}
	e := new(paymentv1.Event)
	if err := proto.Unmarshal(body, e); err != nil {
		return nil, fmt.Errorf("event: %w: %w", ErrCorrupt, err)
	}
	return e, nil
}

const (
	queryEvents   = `SELECT body FROM events WHERE seq > ? ORDER BY seq LIMIT ?`
	queryEventsOf = `SELECT body FROM events WHERE payment = ? ORDER BY seq`
)

// Events returns at most limit events after that sequence number, oldest
// first.
func (s *Store) Events(ctx context.Context, after uint64, limit int) ([]*paymentv1.Event, error) {
	if after > uint64(1<<63-1) {
		return nil, nil
	}
	return s.events(ctx, queryEvents, int64(after), limit)
}

// EventsOf returns the events of a payment, oldest first.
func (s *Store) EventsOf(ctx context.Context, payment preauth.ID) ([]*paymentv1.Event, error) {
	return s.events(ctx, queryEventsOf, fixed(payment))
}

func (s *Store) events(ctx context.Context, query string, args ...any) ([]*paymentv1.Event, error) {
	ctx, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	return list(ctx, s, scanEvent, query, args...)
}

// LastSequence returns the sequence number of the newest event, 0 if there is
// none.
func (s *Store) LastSequence(ctx context.Context) (uint64, error) {
	if _, err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	return uint64(s.head.sequence), nil
}
