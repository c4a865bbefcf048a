package daemon

import (
	"fmt"
	"time"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"

	"github.com/vipaso/vipasod/daemon/catalogue"
)

const (
	// moneyOld is how long money that waits for a network is nobody's concern.
	moneyOld = 24 * time.Hour
	// settlesWithin is how long a backend that answers may take to judge a
	// payment before somebody should look.
	settlesWithin = 10 * time.Minute
)

// situation is what the next step for people depends on.
type situation struct {
	now      time.Time
	business bool

	store  string // why it takes no writes, a reason; empty if it does
	state  devicev1.AuthenticationState
	locked string // why, a reason
	radio  string // why it cannot be used, a reason; empty if it can

	regressed bool // the wall clock
	stale     bool // the till's trust bundle
	horizon   horizon

	online   bool
	unsynced int64     // payments
	oldest   time.Time // of them
	deadline time.Time // the first of them
	full     string    // the limit that is reached, a reason

	open      bool // the till asks for a payment
	spendable bool // the customer has something to pay with offline
}

// nextStep says what to do, for people; often nothing. The first that applies
// is said: what stops payments, then what will, then what is under way.
func (s situation) nextStep() string {
	for _, step := range []func(situation) string{situation.stopped, situation.stopsSoon, situation.goesOn} {
		if text := step(s); text != "" {
			return text
		}
	}
	return "nothing to do."
}

// stopped says what to do about what stops payments now.
func (s situation) stopped() string {
	const enroll = "enroll this device: `vipasoctl enroll --backend URL --ca FILE --code CODE`."
	switch {
	case s.store != "":
		return nextOf(s.store)
	case s.state == devicev1.AuthenticationState_AUTHENTICATION_STATE_NOT_ENROLLED:
		return enroll
	case s.state == devicev1.AuthenticationState_AUTHENTICATION_STATE_LOCKED:
		return nextOf(s.locked)
	case s.radio != "":
		return nextOf(s.radio)
	case s.stale:
		return nextOf(catalogue.BundleStale)
	case s.full != "":
		return nextOf(s.full)
	}
	return ""
}

// stopsSoon says what to do before payments stop or money is lost.
func (s situation) stopsSoon() string {
	switch {
	case s.unsynced > 0 && !s.online && lateAt(s.oldest, s.deadline, s.now):
		return fmt.Sprintf("connect a network before %s: after that %s can no longer be settled.", clockText(s.deadline), payments(s.unsynced))
	case s.unsynced > 0 && s.online && s.now.Sub(s.oldest) > settlesWithin:
		return fmt.Sprintf("the backend answers, but has not settled %s: see `vipasoctl doctor`.", payments(s.unsynced))
	case s.regressed:
		return nextOf(catalogue.ClockRegressed)
	case s.horizon.Soon && s.business:
		return fmt.Sprintf("connect a network within %s: after that this till takes no offline payments until it has been online.", span(s.horizon.Until.Sub(s.now)))
	case s.horizon.Soon:
		return fmt.Sprintf("connect a network within %s: after that this device pays nothing offline until it has been online.", span(s.horizon.Until.Sub(s.now)))
	case !s.business && !s.spendable && s.online:
		return "set funds aside, to pay without a network: `vipasoctl preauth create AMOUNT CUR --instrument ID`."
	case !s.business && !s.spendable:
		return "connect a network and set funds aside: `vipasoctl preauth create AMOUNT CUR --instrument ID`."
	}
	return ""
}

// goesOn says what happens by itself.
func (s situation) goesOn() string {
	switch {
	case s.open:
		return "nothing to do here. A payment is open: the customer accepts it on their device."
	case s.unsynced > 0 && !s.online:
		return "nothing to do. Payments are safe on disk; they are sent when the network returns."
	case s.unsynced > 0:
		return "nothing to do. Payments are safe on disk and are being settled."
	case !s.online:
		return "nothing to do. There is no network at the moment; payments work without."
	}
	return ""
}

// nextOf is the next step of a reason of the error catalogue.
func nextOf(reason string) string {
	e, _ := catalogue.Lookup(reason)
	return e.Next
}

func payments(n int64) string {
	if n == 1 {
		return "1 payment"
	}
	return fmt.Sprintf("%d payments", n)
}
