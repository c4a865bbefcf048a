package backend

import (
	"context"
	"time"
)

const (
	sweepBatch = 100
	sweepIdle  = time.Hour
)

// Sweep releases what pre-authorizations past their settle_by still hold, and
// takes ended revocations and issuer keys out of the bundle.
func (s *Server) Sweep(ctx context.Context) error {
	now := s.now()
	for {
		due := false
		err := s.store.Read(ctx, func(t Tx) error {
			holds, err := t.holdsEnding(now, 1)
			if err != nil {
				return err
			}
			ended, err := t.revocationsEnded(now)
			if err != nil {
				return err
			}
			over, err := t.issuersOver(now)
			due = ended || over || len(holds) > 0
			return err
		})
		if err != nil || !due {
			return err
		}
		if err := s.store.Write(ctx, func(t Tx) error { return s.sweep(t, now) }); err != nil {
			return err
		}
	}
}

func (s *Server) sweep(t Tx, now time.Time) error {
	holds, err := t.holdsEnding(now, sweepBatch)
	if err != nil {
		return err
	}
	for _, h := range holds {
		if err := s.closeDue(t, &h, now); err != nil {
			return err
		}
	}
	dropped, err := t.dropRevocations(now)
	if err != nil {
		return err
	}
	retired, err := retireIssuers(t, now)
	if err != nil || !dropped && !retired {
		return err
	}
	return t.nextEpoch()
}

// closeDue closes a pre-authorization whose settle_by has passed.
func (s *Server) closeDue(t Tx, h *hold, at time.Time) error {
	if !h.closed.IsZero() || !at.After(h.settleBy) {
		return nil
	}
	before, err := t.books(*h)
	if err != nil {
		return err
	}
	if err := s.apply(t, *h, before, before.Close(at), at); err != nil {
		return err
	}
	h.closed = at
	s.log.InfoContext(t.ctx, "pre-authorization closed", "preauth", h.id)
	return nil
}

// Run sweeps whenever the next pre-authorization ends, until ctx does or a
// commit has failed, whoever's it was: then the process must exit.
//
// The error wraps ErrCommit.
func (s *Server) Run(ctx context.Context) error {
	for {
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "sweep failed", "error", err)
		}
		var next time.Time
		err := s.store.Read(ctx, func(t Tx) (err error) {
			next, err = t.nextEnd()
			return err
		})
		wait := sweepIdle
		if err == nil && !next.IsZero() {
			wait = min(sweepIdle, max(next.Sub(s.now())+time.Millisecond, time.Second))
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-s.store.Lost():
			timer.Stop()
			return ErrCommit
		case <-s.ending:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// wakeSweep makes Run look again: what was just added may end first.
func (s *Server) wakeSweep() {
	select {
	case s.ending <- struct{}{}:
	default:
	}
}
