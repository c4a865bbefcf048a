package syncer

import (
	"context"
	"errors"
	"time"
)

// State is how the Syncer stands with the backend.
type State struct {
	Online     bool      // the last call was answered
	Since      time.Time // when Online last changed; zero before the first call
	LastAnswer time.Time
	NextTry    time.Time // zero while Run does not run
	LastError  string    // of the last call that failed, empty once one succeeded
	Reason     string    // of LastError, of the error catalogue
	Refused    string    // why the last refresh that was answered was refused, of the catalogue; empty if it was not
	URL        string
}

// Online reports whether the backend answered the last call.
func (s *Syncer) Online() bool { return s.State().Online }

// State returns the present state.
func (s *Syncer) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Changed returns a channel that is closed when the state next changes in
// anything but LastAnswer. Take it before State, so that nothing is missed.
func (s *Syncer) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// SetOffline cuts the Syncer off from the backend, or lets it back. Calls
// under way fail as if the network was gone.
func (s *Syncer) SetOffline(offline bool) {
	s.mu.Lock()
	was := s.cut
	s.cut = offline
	if c := s.conn; offline && c != nil {
		s.retire(c)
		c.grpc.Close()
	}
	s.mu.Unlock()
	switch {
	case offline:
		s.note("", errCut)
	case was:
		s.wake()
	}
}

// answered notes what a call to url has shown about the backend. It reports
// whether the backend had been silent before.
func (s *Syncer) answered(ctx context.Context, url string, err error) (back bool) {
	if gone(err) {
		if left := s.note(url, err); left && !turning(ctx) {
			s.wake() // Run rests for a backend that was there; now its tries begin
		}
		return false
	}
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cut {
		return false // an answer that was on its way when the network went
	}
	next := s.state
	next.URL, next.LastAnswer, next.Online = url, now, true
	next.LastError, next.Reason = "", ""
	if err != nil && turning(ctx) { // others are told themselves
		next.LastError, next.Reason = err.Error(), Reason(err)
	}
	back = !s.state.Online
	if back {
		next.Since = now
		s.log.Info("backend answers", "url", url)
	}
	s.become(next)
	return back
}

// unbroken returns how often the backend has fallen silent, and whether it has
// answered ever since it had done so n times.
func (s *Syncer) unbroken(n uint64) (lost uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost, s.state.Online && s.lost == n
}

// note stores that the backend cannot be talked to, and why. It reports
// whether that is news.
func (s *Syncer) note(url string, err error) (left bool) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	left = s.state.Online
	next := s.state
	if url != "" {
		next.URL = url
	}
	next.Online, next.LastError, next.Reason = false, err.Error(), Reason(err)
	if left {
		s.lost++
	}
	if left || next.Since.IsZero() {
		next.Since = now
	}
	if (left || next.Reason != s.state.Reason) && !errors.Is(err, ErrNotEnrolled) {
		s.log.Info("backend does not answer", "url", next.URL, "reason", next.Reason, "error", err)
	}
	s.become(next)
	return left
}

// refusal keeps how a refresh, or an enrollment, has come out. A backend that
// is silent, or wants to be asked later, has said nothing.
func (s *Syncer) refusal(err error) {
	var refused *Refused
	if err != nil && (!errors.As(err, &refused) || refused.RetryAfter > 0) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.state
	next.Refused = ""
	if refused != nil {
		next.Refused = refused.Reason
	}
	s.become(next)
}

// forget ends the connection of a device that has logged out.
func (s *Syncer) forget(err error) {
	s.note("", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retire(s.conn)
	next := s.state
	next.URL, next.Refused = "", ""
	s.become(next)
}

func (s *Syncer) setNextTry(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.state
	next.NextTry = at
	s.become(next)
}

// become tells those who wait that something changed. The caller holds mu.
func (s *Syncer) become(next State) {
	was := s.state
	s.state = next
	was.LastAnswer = next.LastAnswer
	if was != next {
		close(s.changed)
		s.changed = make(chan struct{})
	}
}

// gone reports whether err leaves it open who, if anybody, is there.
func gone(err error) bool {
	return errors.Is(err, ErrOffline) || errors.Is(err, ErrUntrusted) || errors.Is(err, ErrAddress) || errors.Is(err, ErrNotEnrolled)
}
