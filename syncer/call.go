package syncer

import (
	"context"
	"fmt"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
)

// How long a call may take. A caller's own deadline counts too.
const (
	callLimit  = 10 * time.Second
	batchLimit = 30 * time.Second
)

// An answer carries the backend's clock.
type answer interface{ GetTime() *backendv1.SignedTime }

// ask makes a call as the enrolled device, and passes the backend's time on.
// It returns the credentials that were shown.
//
// The error wraps ErrNotEnrolled, ErrAddress, ErrOffline, ErrUntrusted or
// ErrAnswer, or is a *Refused; or the caller's context has ended.
func ask[A answer](ctx context.Context, s *Syncer, limit time.Duration, call func(context.Context, backendv1.SettlementServiceClient) (A, error)) (A, Credentials, error) {
	var none A
	creds, err := s.book.Credentials(ctx)
	if err != nil {
		return none, creds, err
	}
	a, err := exchange(ctx, s, creds, limit, func(ctx context.Context, c *conn) (A, error) {
		return call(ctx, backendv1.NewSettlementServiceClient(c.grpc))
	})
	if err != nil {
		return none, creds, err
	}
	at, err := timeOf(a)
	if err != nil {
		return none, creds, err
	}
	return a, creds, s.book.Heard(ctx, at)
}

// exchange makes one call over the connection for the credentials, and notes
// what it has shown about the backend.
func exchange[A any](ctx context.Context, s *Syncer, creds Credentials, limit time.Duration, call func(context.Context, *conn) (A, error)) (A, error) {
	var none A
	c, err := s.acquire(creds)
	if err != nil {
		s.note(creds.URL, err)
		return none, err
	}
	defer s.release(c)
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	a, err := call(bounded, c)
	if err != nil && ctx.Err() != nil {
		return none, ctx.Err() // says nothing about the backend
	}
	if err != nil {
		err = c.explain(err)
	}
	if gone(err) {
		s.mu.Lock()
		replaced := c.retired && !s.cut
		s.retire(c)
		s.mu.Unlock()
		if replaced {
			return none, err // a newer connection knows better
		}
	}
	if s.answered(ctx, creds.URL, err) && !turning(ctx) {
		s.wake()
	}
	if err != nil {
		return none, err
	}
	return a, nil
}

func timeOf(a answer) (time.Time, error) {
	ms := a.GetTime().GetServerTimeMs()
	if ms <= 0 {
		return time.Time{}, fmt.Errorf("no time: %w", ErrAnswer)
	}
	return time.UnixMilli(ms), nil
}
