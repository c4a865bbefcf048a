package syncer

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/syncer/outbox"
)

// refreshEvery bounds how often the trust bundle is asked for when much is
// handed over.
const refreshEvery = 30 * time.Second

// ever is after every NextTry.
var ever = time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)

type turnKey struct{}

// turning reports whether a call is part of a turn, which needs no waking
// when it finds that the backend answers.
func turning(ctx context.Context) bool { return ctx.Value(turnKey{}) != nil }

// SyncNow hands over everything now, also what is not due yet, and tells of
// each item as it is answered; each may be nil. With nothing to hand over it
// succeeds without a backend.
//
// The error is one of ask's, wraps ErrTotals, or is the Book's. What was
// agreed on before it stays so.
func (s *Syncer) SyncNow(ctx context.Context, each func(Result)) (Summary, error) {
	if each == nil {
		each = func(Result) {}
	}
	sum, err := s.turn(ctx, each)
	if !gone(err) || errors.Is(err, ErrNotEnrolled) {
		return sum, err
	}
	waiting, errDue := s.book.Due(ctx, ever, 1)
	if errDue == nil && len(waiting) == 0 {
		return sum, nil
	}
	return sum, errors.Join(err, errDue)
}

// turn brings the device and its backend to agreement once. Only one turn
// is under way at a time. With each, everything is handed over, without it
// what is due.
func (s *Syncer) turn(ctx context.Context, each func(Result)) (Summary, error) {
	select {
	case s.turns <- struct{}{}:
		defer func() { <-s.turns }()
	case <-ctx.Done():
		return Summary{}, ctx.Err()
	}
	ctx = context.WithValue(ctx, turnKey{}, true)
	if err := s.prepare(ctx, each != nil); err != nil {
		s.whole = true
		s.complain(ctx, err)
		return Summary{}, err
	}
	until := s.now()
	if s.clockMoved(until) || s.whole || each != nil {
		until = ever
	}
	sum, mismatch, err := s.drain(ctx, until, each)
	s.whole = err != nil // not all was tried
	err = errors.Join(err, mismatch)
	s.complain(ctx, err)
	if sum.Synced > 0 {
		s.log.InfoContext(ctx, "synchronized", "items", sum.Synced, "remaining", sum.Remaining)
	}
	return sum, err
}

// clockMoved reports whether the clock has jumped since the last turn. What
// was postponed by the clock as it was could otherwise wait for years.
func (s *Syncer) clockMoved(now time.Time) bool {
	ahead := now.Round(0).Sub(s.began.Round(0)) - time.Since(s.began)
	moved := (ahead - s.ahead).Abs() > time.Minute
	s.ahead = ahead
	return moved
}

// complain logs what is neither a silent backend nor a caller that left.
func (s *Syncer) complain(ctx context.Context, err error) {
	switch {
	case err == nil, ctx.Err() != nil:
	case errors.Is(err, ErrNotEnrolled):
		s.forget(err)
	case !gone(err):
		s.log.WarnContext(ctx, "not synchronized", "reason", Reason(err), "error", err)
	}
}

// prepare renews what runs out and refreshes what may have changed. A device
// that is refused either, such as a revoked one, hands over all the same.
func (s *Syncer) prepare(ctx context.Context, now bool) error {
	creds, err := s.book.Credentials(ctx)
	if err != nil {
		return err
	}
	if s.runsOut(creds) {
		if err := s.passable(ctx, "certificates not renewed", s.Renew(ctx)); err != nil {
			return err
		}
	}
	// While the backend is silent every turn calls: with nothing to hand over,
	// this is the call that finds out that it is back. And what it said before
	// it fell silent may be wrong by now.
	lost, unbroken := s.unbroken(s.heard)
	if since := s.now().Sub(s.refreshed); !now && unbroken && since >= 0 && since < refreshEvery {
		return nil
	}
	err = s.refresh(ctx, creds.BundleEpoch)
	s.refusal(err)
	if err := s.passable(ctx, "trust bundle not refreshed", err); err != nil {
		return err
	}
	s.refreshed, s.heard = s.now(), lost
	return s.passable(ctx, "certificates not renewed", s.follow(ctx))
}

// follow renews the certificates once in every epoch that it meets, wherever
// its bundle came from: with an epoch the signed limits may have changed, and
// else the backend answers with the present ones.
func (s *Syncer) follow(ctx context.Context) error {
	creds, err := s.book.Credentials(ctx)
	if err != nil || creds.BundleEpoch == s.followed {
		return err
	}
	if err := s.Renew(ctx); err != nil {
		return err
	}
	s.followed = creds.BundleEpoch
	return nil
}

// passable lets a turn go on after a refusal or an answer that does not
// verify, unless the backend said when to come back.
func (s *Syncer) passable(ctx context.Context, what string, err error) error {
	var refused *Refused
	if errors.As(err, &refused) && refused.RetryAfter == 0 || errors.Is(err, ErrAnswer) {
		s.log.WarnContext(ctx, what, "reason", Reason(err), "error", err)
		return nil
	}
	return err
}

// runsOut reports whether a third of the certificate's life or less is left.
func (s *Syncer) runsOut(creds Credentials) bool {
	if len(creds.TLS.Certificate) == 0 {
		return false
	}
	leaf, err := x509.ParseCertificate(creds.TLS.Certificate[0])
	if err != nil {
		return false
	}
	end := leaf.NotAfter
	if !creds.CertNotAfter.IsZero() && creds.CertNotAfter.Before(end) {
		end = creds.CertNotAfter
	}
	return s.now().After(end.Add(-end.Sub(leaf.NotBefore) / 3))
}

// drain hands over what is due until nothing new is. Items that stay are
// tried once per drain. A mismatch of batches, which wraps ErrTotals or
// outbox.ErrAnswer, does not keep the others from being handed over.
func (s *Syncer) drain(ctx context.Context, until time.Time, each func(Result)) (sum Summary, mismatch, err error) {
	d := &draining{s: s, each: each, tried: map[outbox.Key]bool{}, counted: map[preauth.Hash]bool{}}
	maps.DeleteFunc(s.waiting, func(_ outbox.Key, due time.Time) bool { return !due.After(until) })
	for {
		due, err := s.book.Due(ctx, until, outbox.BatchItems+d.sum.Remaining)
		if err != nil {
			return d.sum, d.mismatch, fmt.Errorf("read the outbox: %w", err)
		}
		batch := outbox.Compose(d.fresh(due))
		if len(batch.Submit)+len(batch.Query)+len(batch.Broken) == 0 {
			return d.sum, d.mismatch, nil
		}
		if err := d.hand(ctx, batch); err != nil {
			return d.sum, d.mismatch, err
		}
	}
}
