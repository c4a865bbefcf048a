package secure

import (
	"errors"
	"testing"
	"time"

	"github.com/vipaso/vipasod/ble/sim"
)

// TestRefusedThenClosed: who refuses a message and lets go of the session at
// once has told the peer why, also on an air where everything takes a while.
func TestRefusedThenClosed(t *testing.T) {
	play(t, sim.Conditions{Interval: 15 * time.Millisecond}, func(s *scene) {
		x := newStranger(s, true)
		customer := x.established()
		customer.Refuse(ErrProtocol)
		s.ok(customer.Close(CloseDone))
		var alert *PeerError
		if err := x.ends(); !errors.As(err, &alert) || alert.Alert != AlertProtocol {
			s.Errorf("the peer learns %v", err)
		}
	})
}
