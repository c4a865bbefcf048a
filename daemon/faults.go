package daemon

import (
	"errors"
	"maps"
	"sync"

	"github.com/vipaso/vipasod/ble/secure"
)

// faults are what ends a session because of the other side.
var faults = []error{secure.ErrHandshake, secure.ErrProtocol, secure.ErrPeerIdentity, secure.ErrVersion, secure.ErrDowngrade}

// faultCounts counts the sessions that were refused, by what was wrong. The zero
// value is ready.
type faultCounts struct {
	mu     sync.Mutex
	counts map[string]uint64
}

// note counts the end of a session in, if it is the other side's fault and was
// found here.
func (f *faultCounts) note(err error) {
	if errors.As(err, new(*secure.PeerError)) {
		return
	}
	for _, fault := range faults {
		if errors.Is(err, fault) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.counts == nil {
				f.counts = make(map[string]uint64)
			}
			f.counts[fault.Error()]++
			return
		}
	}
}

// with returns the counts together with those of the radio.
func (f *faultCounts) with(radio map[string]uint64) map[string]uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.counts) == 0 {
		return radio
	}
	all := maps.Clone(f.counts)
	for what, n := range radio {
		all[what] += n
	}
	return all
}
