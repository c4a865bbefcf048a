package syncer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/vipaso/vipasod/syncer/outbox"
)

// heartbeat is how long the Syncer lets pass at most without a call.
const heartbeat = time.Minute

var errCut = fmt.Errorf("%w: taken offline", ErrOffline)

// Options configures a Syncer. Only Book is needed.
type Options struct {
	Book Book

	// Logger nil discards.
	Logger *slog.Logger

	// Splay bounds the wait before the first call after a start or
	// reconnect. Zero means none.
	Splay time.Duration

	// RetryMax bounds the wait between calls. Zero means a minute.
	RetryMax time.Duration

	// Now is the clock by which certificates and due times are judged. Nil
	// means the wall clock.
	Now func() time.Time

	// Dial reaches host:port. Nil means TCP.
	Dial func(ctx context.Context, address string) (net.Conn, error)

	// Entropy returns 64 random bits. Nil means the runtime's.
	Entropy func() uint64
}

// Syncer talks to one device's backend. Its methods are safe for concurrent
// use.
type Syncer struct {
	book    Book
	log     *slog.Logger
	pace    outbox.Pace
	now     func() time.Time
	dialer  func(context.Context, string) (net.Conn, error)
	entropy func() uint64

	kicked chan struct{} // something new is due
	woken  chan struct{} // the backend may be there again
	turns  chan struct{} // held by whoever hands over

	// Held with turns.
	refreshed time.Time                // last Refresh
	heard     uint64                   // lost when it was asked
	followed  uint64                   // epoch in which the certificates were renewed
	waiting   map[outbox.Key]time.Time // NextTry of what was postponed
	whole     bool                     // the next turn takes what is not due yet, too
	began     time.Time                // of this process, with a monotonic reading
	ahead     time.Duration            // of the clock, since then

	mu      sync.Mutex
	conn    *conn
	cut     bool
	lost    uint64 // how often the backend has fallen silent
	state   State
	changed chan struct{}
}

// New returns a Syncer. It does nothing before Run or a call.
func New(o Options) *Syncer {
	s := &Syncer{
		book: o.Book, log: o.Logger, pace: outbox.Pace{Splay: o.Splay, Max: o.RetryMax},
		now: o.Now, dialer: o.Dial, entropy: o.Entropy, waiting: map[outbox.Key]time.Time{}, whole: true,
		kicked: make(chan struct{}, 1), woken: make(chan struct{}, 1), turns: make(chan struct{}, 1),
		changed: make(chan struct{}), began: time.Now(),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.pace.Max <= 0 {
		s.pace.Max = heartbeat
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.dialer == nil {
		s.dialer = dialTCP
	}
	if s.entropy == nil {
		s.entropy = rand.Uint64
	}
	return s
}

// Kick says that something new is due. It never waits, and many kicks are
// one. While the backend does not answer, a kick changes nothing: the tries
// go on as planned.
func (s *Syncer) Kick() { signal(s.kicked) }

// wake says that the backend may be there again.
func (s *Syncer) wake() { signal(s.woken) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run keeps the device and its backend agreed until ctx ends, and then
// returns nil. The first call comes after at most Splay; then Run hands over
// what is due as soon as it is, and calls at least every minute. A backend
// that is away, or an error of the Book, is tried again.
func (s *Syncer) Run(ctx context.Context) error {
	defer s.stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	in := func(wait time.Duration) {
		timer.Reset(wait)
		s.setNextTry(s.now().Add(wait))
	}
	in(s.pace.First(s.entropy()))
	failed := 0
	var hold time.Time // the backend asked for no call before
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.woken:
			in(s.pace.First(s.entropy()))
			continue
		case <-s.kicked:
			if s.now().Before(hold) || !s.eager() {
				continue
			}
		case <-timer.C:
		}
		_, err := s.turn(ctx, nil)
		if ctx.Err() != nil {
			return nil
		}
		var refused *Refused
		switch {
		case err == nil, errors.Is(err, ErrNotEnrolled):
			failed, hold = 0, time.Time{}
			in(s.idle())
		case errors.As(err, &refused) && refused.RetryAfter > 0:
			failed++
			wait := s.pace.Next(failed, refused.RetryAfter, s.entropy())
			hold = s.now().Add(wait)
			in(wait)
		default:
			failed++
			in(s.pace.Next(failed, 0, s.entropy()))
		}
	}
}

// eager reports whether a kick is worth a call: the backend answers, or was
// never asked for want of credentials.
func (s *Syncer) eager() bool {
	st := s.State()
	return st.Online || st.Reason == Reason(ErrNotEnrolled)
}

// idle is how long to rest after a turn: until the next postponed item, and
// less than a heartbeat, so that the devices of a street drift apart.
func (s *Syncer) idle() time.Duration {
	rest := min(heartbeat, s.pace.Max)
	rest -= time.Duration(s.entropy() % uint64(rest/8+1))
	s.turns <- struct{}{}
	defer func() { <-s.turns }()
	for _, due := range s.waiting {
		rest = min(rest, max(0, due.Sub(s.now())))
	}
	return rest
}

// stop closes the connection. Calls after it dial again.
func (s *Syncer) stop() {
	s.setNextTry(time.Time{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retire(s.conn)
}
