package daemon

import (
	"errors"
	"maps"
	"sync"

	"github.com/vipaso/vipasod/ble/secure"
)

// faults are what ends a session because of the other side.
var faults = []error{secure.ErrHandshake, secure.ErrProtocol, secure.ErrPeerIdentity, secure.ErrVersion, secure.ErrDowngrade}

// refusedThere is what the other side's refusal of this device is counted as.
const refusedThere = "identity refused by the other side"

// faultCounts counts the sessions that were refused, by what was wrong. The zero
// value is ready.
type faultCounts struct {
	mu     sync.Mutex
	counts map[string]uint64
}

// note counts the end of a session in, if it is the other side's fault and was
// found here, or if the other side does not take this device for what it says.
func (f *faultCounts) note(err error) {
	if deniedThere(err) {
		f.add(refusedThere)
		return
	}
	if errors.As(err, new(*secure.PeerError)) {
		return
	}
	for _, fault := range faults {
		if errors.Is(err, fault) {
			f.add(fault.Error())
			return
		}
	}
}

// deniedThere reports whether the other side has refused this device's identity:
// one of the two has not heard what the backend has told the other.
func deniedThere(err error) bool {
	var said *secure.PeerError
	return errors.As(err, &said) && said.Alert == secure.AlertIdentity
}

func (f *faultCounts) add(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.counts == nil {
		f.counts = make(map[string]uint64)
	}
	f.counts[what]++
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
