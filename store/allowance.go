package store

import (
	"context"
	"time"
)

const allowanceColumns = `n, kind, reason, person, since_ms, until_ms, floor_ms, told`

func scanAllowance(r row) (Allowance, error) {
	var a Allowance
	err := r.Scan(&a.N, &a.Kind, &a.Reason, &a.Person, clock{&a.Since}, clock{&a.Until}, clock{&a.Floor}, &a.Told)
	return a, err
}

const (
	queryAllowances = `SELECT ` + allowanceColumns + ` FROM allowances WHERE ended = 0`
	// Few are ever declared, and only who declares another waits for it.
	queryEmergencies = `SELECT ` + allowanceColumns + ` FROM allowances WHERE kind = 'EMERGENCY' AND (told = 0 OR until_ms > ?) ORDER BY n`
	queryUntold      = `SELECT ` + allowanceColumns + ` FROM allowances WHERE told = 0 ORDER BY n LIMIT ?`
	execEndAllowed   = `UPDATE allowances SET ended = 1, told = told AND until_ms <= ?, until_ms = max(since_ms, min(until_ms, ?))
		WHERE ended = 0 AND kind = ?`
	execTold = `UPDATE allowances SET told = 1 WHERE n = ? AND until_ms = ?`
)

// saveAllowances stores what a change says of allowances.
func (t *tx) saveAllowances(c *Change) error {
	for _, a := range c.Ended {
		if err := t.endAllowance(a, a.Until); err != nil {
			return err
		}
	}
	if a := c.Allow; a != nil {
		if err := t.endAllowance(*a, a.Since); err != nil {
			return err
		}
		err := t.exec(`INSERT INTO allowances (kind, reason, person, since_ms, until_ms, floor_ms, told, ended) VALUES (?, ?, ?, ?, ?, ?, 0, 0)`,
			string(a.Kind), a.Reason, a.Person, ms(a.Since), ms(a.Until), ms(a.Floor))
		if err != nil {
			return err
		}
	}
	for _, a := range c.Told { // what has changed meanwhile is told again
		if err := t.exec(execTold, a.N, ms(a.Until)); err != nil {
			return err
		}
	}
	return nil
}

// endAllowance ends the open allowance of that kind, if there is one, at the
// latest at a time. The backend is told again if that is earlier than it was.
func (t *tx) endAllowance(a Allowance, at time.Time) error {
	return t.exec(execEndAllowed, ms(at), ms(at), string(a.Kind))
}

// Allowances returns what people have allowed and the event log has no end of,
// at most one of each kind.
func (s *Store) Allowances(ctx context.Context) ([]Allowance, error) {
	return s.allowances(ctx, queryAllowances)
}

// UntoldAllowances returns at most limit allowances that the backend does not
// know as they are, oldest first.
func (s *Store) UntoldAllowances(ctx context.Context, limit int) ([]Allowance, error) {
	return s.allowances(ctx, queryUntold, limit)
}

// Emergencies returns every emergency that the backend does not know as it is,
// or that was to end after a time, oldest first. None is ever deleted.
func (s *Store) Emergencies(ctx context.Context, after time.Time) ([]Allowance, error) {
	return s.allowances(ctx, queryEmergencies, ms(after))
}

func (s *Store) allowances(ctx context.Context, query string, args ...any) ([]Allowance, error) {
	ctx, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	if s.version < 2 { // could not be brought there, and is only read
		return nil, nil
	}
	return list(ctx, s, scanAllowance, query, args...)
}
