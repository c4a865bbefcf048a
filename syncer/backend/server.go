package backend

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"

	"github.com/vipaso/vipasod/preauth"
)

// Bounds of what can be configured.
const (
	// PreauthLifeMax is the longest time between issue and spend_by.
	PreauthLifeMax = 7 * 24 * time.Hour
	// SettleAfterMin is the shortest time between spend_by and settle_by
	// that tills accept.
	SettleAfterMin = preauth.SettleMargin

	preauthLife = 24 * time.Hour
	settleAfter = 14 * 24 * time.Hour
	boundLife   = 15 * time.Minute
	chargeTime  = 10 * time.Minute
	certLife    = 90 * 24 * time.Hour
)

// Options configures New. Zero values mean the defaults.
type Options struct {
	// PreauthLife is the time between issue and spend_by, at most
	// PreauthLifeMax. Zero means 24 h.
	PreauthLife time.Duration

	// SettleAfter is the time between spend_by and settle_by, at least
	// SettleAfterMin. Zero means 14 d.
	SettleAfter time.Duration

	// Concurrent bounds the calls that are worked on at once; more are told
	// when to come back. Zero means 64.
	Concurrent int

	// Now is the backend's clock. Nil means time.Now.
	Now func() time.Time

	// NewID names devices and pre-authorizations. Nil means a UUIDv7.
	NewID func() (preauth.ID, error)

	// Logger takes the log. Nil discards it.
	Logger *slog.Logger
}

// A Server implements EnrollmentService and SettlementService.
type Server struct {
	backendv1.UnimplementedEnrollmentServiceServer
	backendv1.UnimplementedSettlementServiceServer

	store       *Store
	authority   Authority
	keys        *keyring
	genuine     atomic.Pointer[preauth.Issuers] // whom settlement believes
	knowing     sync.Mutex                      // held by whoever changes that
	known       int                             // how many they are
	preauthLife time.Duration
	settleAfter time.Duration
	now         func() time.Time
	newID       func() (preauth.ID, error)
	log         *slog.Logger
	pace        *pacer
	ending      chan struct{} // a pre-authorization was added: look at the ends again
}

// New returns a server on open books. It makes the keys of a known to them
// the first time.
//
// The error wraps ErrForeign if the books belong to other keys, and
// ErrInvalid if an option is out of bounds.
func New(ctx context.Context, store *Store, a Authority, o Options) (*Server, error) {
	s := &Server{
		store: store, authority: a, keys: newKeyring(a), now: o.Now, newID: o.NewID, log: o.Logger,
		preauthLife: o.PreauthLife, settleAfter: o.SettleAfter,
		ending: make(chan struct{}, 1),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.newID == nil {
		s.newID = newID
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.preauthLife == 0 {
		s.preauthLife = preauthLife
	}
	if s.settleAfter == 0 {
		s.settleAfter = settleAfter
	}
	if s.preauthLife < time.Second || s.preauthLife > PreauthLifeMax {
		return nil, fmt.Errorf("preauth-life %s, at most %s: %w", s.preauthLife, PreauthLifeMax, ErrInvalid)
	}
	if s.settleAfter < SettleAfterMin {
		return nil, fmt.Errorf("settle-after %s, at least %s: %w", s.settleAfter, SettleAfterMin, ErrInvalid)
	}
	s.pace = newPacer(o.Concurrent, s.now)
	if err := store.Write(ctx, s.adopt); err != nil {
		return nil, err
	}
	return s, store.Read(ctx, func(t Tx) error {
		_, _, err := s.issuer(t, s.now())
		return err
	})
}

func (s *Server) signedTime(now time.Time) *backendv1.SignedTime {
	return &backendv1.SignedTime{ServerTimeMs: now.UnixMilli()}
}
