package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/vipaso/vipasod/preauth"
)

// Commit stores c in one transaction, and fills in the sequence numbers and
// times of its events. When it returns nil, all of c is on disk.
//
// Attempts and the sale are stored over revision Rev-1. Order within c:
// pre-authorizations, attempts, sale, asks, items that are done, items to
// hand in, events, the rest. Along with an attempt go the holds of its
// pre-authorization, and with its first voucher the counter and chain; an
// attempt's Latest and CancelAcked are the store's to keep.
//
// The error wraps ErrConflict if a stored revision, or the counter of a
// pre-authorization, is not the one before, or if there is a second live
// voucher, OPEN sale or voucher of one counter: the caller must read again.
// It wraps ErrExists if Call's id was used, ErrReadOnly or ErrFull if nothing
// can be written, or the error of ctx if that had ended before. In these cases
// nothing has changed. After any other error the process must exit and learn
// from the reopened store what happened.
func (s *Store) Commit(ctx context.Context, c *Change) error {
	err := s.write(ctx, func(t *tx) error { return t.commit(c) })
	if err != nil {
		for _, e := range c.Events {
			e.Sequence, e.Time = 0, nil
		}
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func (t *tx) commit(c *Change) error {
	t.head.changes++
	if c.Floor.After(t.head.floor) || c.FloorLowered && !c.Floor.IsZero() {
		t.head.floor = fromMS(ms(c.Floor))
	}
	if !c.Heard.IsZero() {
		t.head.heard = fromMS(ms(c.Heard))
	}
	if c.VerdictsTo != nil {
		t.head.verdicts = *c.VerdictsTo
	}
	if c.Call != nil {
		if err := t.insertCall(c.Call); err != nil {
			return err
		}
	}
	for i := range c.Put {
		if err := t.putAuthorization(&c.Put[i]); err != nil {
			return fmt.Errorf("pre-authorization %s: %w", c.Put[i].ID(), err)
		}
	}
	for i := range c.Attempts {
		if err := t.saveAttempt(&c.Attempts[i]); err != nil {
			return fmt.Errorf("attempt %s at revision %d: %w", c.Attempts[i].Request, c.Attempts[i].Rev, err)
		}
	}
	if c.Sale != nil {
		if err := t.saveSale(c.Sale); err != nil {
			return fmt.Errorf("sale %s at revision %d: %w", c.Sale.ID, c.Sale.Rev, err)
		}
	}
	for i := range c.Asks {
		if err := t.saveAsk(&c.Asks[i]); err != nil {
			return fmt.Errorf("ask %s: %w", c.Asks[i].Request, err)
		}
	}
	return t.commitRest(c)
}

func (t *tx) commitRest(c *Change) error {
	for _, k := range c.Done {
		if err := t.finish(k); err != nil {
			return fmt.Errorf("item %s %s done: %w", k.Kind, k.Request, err)
		}
	}
	for i := range c.Outbox {
		if err := t.handIn(&c.Outbox[i]); err != nil {
			return fmt.Errorf("item %s %s: %w", c.Outbox[i].Kind, c.Outbox[i].Request, err)
		}
	}
	for _, e := range c.Events {
		if err := t.appendEvent(e); err != nil {
			return fmt.Errorf("event: %w", err)
		}
	}
	if err := t.saveAllowances(c); err != nil {
		return fmt.Errorf("allowance: %w", err)
	}
	if c.Instruments != nil {
		if err := t.replaceInstruments(c.Instruments); err != nil {
			return fmt.Errorf("instruments: %w", err)
		}
	}
	if c.Identity != nil {
		if err := t.saveIdentity(c.Identity); err != nil {
			return fmt.Errorf("identity: %w", err)
		}
	}
	return nil
}

// insertCall remembers a request id.
func (t *tx) insertCall(c *Call) error {
	err := t.exec(`INSERT INTO calls (request_id, method, content, subject, time) VALUES (?, ?, ?, ?, ?)`,
		fixed(c.RequestID), c.Method, fixed(c.Content), optional(c.Subject), ms(t.s.opts.Now()))
	if errors.Is(err, ErrConflict) {
		err = ErrExists
	}
	if err != nil {
		return fmt.Errorf("call %s: %w", c.RequestID, err)
	}
	return nil
}

// Call returns the mutating call with that request id. ok is false if there
// was none.
func (s *Store) Call(ctx context.Context, requestID preauth.ID) (c Call, ok bool, err error) {
	ctx, err = s.enter(ctx)
	if err != nil {
		return Call{}, false, err
	}
	defer s.mu.Unlock()
	c, err = one(ctx, s, func(r row) (c Call, err error) {
		return c, r.Scan(into{c.RequestID[:]}, &c.Method, into{c.Content[:]}, into{c.Subject[:]})
	}, `SELECT request_id, method, content, subject FROM calls WHERE request_id = ?`, fixed(requestID))
	if errors.Is(err, ErrNotFound) {
		return Call{}, false, nil
	}
	return c, err == nil, err
}
