package daemon

import (
	"fmt"
	"maps"
	"testing"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/secure"
)

// TestFaultCounts: a session that the other side has spoilt is counted, one that
// it has ended or lost is not.
func TestFaultCounts(t *testing.T) {
	var r faultCounts
	radio := map[string]uint64{"empty PDU": 3, "handshake failed": 1}
	for _, err := range []error{
		nil, link.ErrLost, &secure.PeerError{Alert: secure.AlertProtocol}, &secure.PeerError{Close: secure.CloseDone},
	} {
		r.note(err)
	}
	if got := r.with(radio); !maps.Equal(got, radio) {
		t.Errorf("refused %v", got)
	}
	for _, fault := range faults {
		r.note(fmt.Errorf("first message: %w", fault))
	}
	r.note(secure.ErrHandshake)
	r.note(fmt.Errorf("session: %w", &secure.PeerError{Alert: secure.AlertIdentity}))
	want := map[string]uint64{
		"identity refused by the other side": 1, "empty PDU": 3, "handshake failed": 3, "peer broke the protocol": 1, "peer identity refused": 1,
		"protocol version refused": 1, "advertisement refused": 1,
	}
	if got := r.with(radio); !maps.Equal(got, want) {
		t.Errorf("refused %v, want %v", got, want)
	}
}
