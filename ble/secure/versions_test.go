package secure

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/sim"
)

// TestVersions checks the choice of versions between any two ranges.
func TestVersions(t *testing.T) {
	for _, tt := range []struct {
		ours, theirs Versions
		chosen       uint32
		ok           bool
	}{
		{Versions{1, 1}, Versions{1, 1}, 1, true},
		{Versions{1, 3}, Versions{2, 5}, 3, true},
		{Versions{1, 3}, Versions{2, 5}, 2, false}, // a downgrade
		{Versions{1, 3}, Versions{1, 2}, 2, true},
		{Versions{2, 3}, Versions{1, 1}, 1, false},
		{Versions{1, 1}, Versions{2, 3}, 1, false},
		{Versions{1, 3}, Versions{3, 2}, 2, false},
	} {
		err := tt.ours.agree(tt.theirs.message(tt.chosen))
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrVersion) {
			t.Errorf("%v and %v with %d: %v", tt.ours, tt.theirs, tt.chosen, err)
		}
	}
}

// advertise has the customer send an advertisement of its versions.
func (s *scene) advertise(b link.Beacon) {
	b.EID, b.BaseHandle = link.EID{1, 2, 3, 4, 5, 6}, link.DefaultBaseHandle
	ad := b.Encode()
	s.initiator.Advertisement = bytes.Clone(ad)
	s.responder.RecentAdvertisement = func(seen []byte) bool { return bytes.Equal(seen, ad) }
}

// TestOldAndNewPeers: a device of each range with one of each: they speak if
// they can, and else both know which versions the other speaks.
func TestOldAndNewPeers(t *testing.T) {
	ranges := []Versions{{1, 1}, {1, 2}, {2, 2}}
	for _, till := range ranges {
		for _, customer := range ranges {
			t.Run(fmt.Sprint(till, customer), func(t *testing.T) {
				play(t, sim.Conditions{}, func(s *scene) {
					s.till.Versions, s.customer.Versions = till, customer
					s.advertise(link.Beacon{Version: customer.Max})
					a, b, tillErr, customerErr := s.handshake()
					if min(till.Max, customer.Max) >= max(till.Min, customer.Min) {
						s.ok(errors.Join(tillErr, customerErr))
						s.same(a, b)
						return
					}
					s.is(tillErr, ErrVersion, "till")
					s.is(customerErr, ErrVersion, "customer")
					s.told(till, customer, tillErr, customerErr)
				})
			})
		}
	}
}

// same checks that both ends are of one session, and closes them.
func (s *scene) same(till, customer *Session) {
	s.Helper()
	if till.Binding() != customer.Binding() {
		s.Error("two sessions")
	}
	till.Close(CloseDone)
	customer.Close(CloseDone)
}

// told checks that one side refused, and told the other what it speaks.
func (s *scene) told(till, customer Versions, tillErr, customerErr error) {
	s.Helper()
	var alert *PeerError
	says := till
	if errors.As(tillErr, &alert) {
		says = customer
	} else if !errors.As(customerErr, &alert) {
		s.Fatalf("nobody was told: %v; %v", tillErr, customerErr)
	}
	if alert.Alert != AlertVersion || alert.VersionMin != says.Min || alert.VersionMax != says.Max {
		s.Errorf("told %v; it speaks %v", alert, says)
	}
}

// TestCriticalFlag: a till that cannot know what a flag asks of it says which
// versions it speaks, and nothing of itself.
func TestCriticalFlag(t *testing.T) {
	play(t, sim.Conditions{}, func(s *scene) {
		s.advertise(link.Beacon{Version: 1, Critical: true})
		s.customer.VerifyPeer = func([]byte) ([32]byte, error) {
			s.Error("the till has shown its certificate")
			return [32]byte{}, errUntrusted
		}
		_, _, tillErr, customerErr := s.handshake()
		s.is(tillErr, ErrVersion, "till")
		s.is(customerErr, ErrVersion, "customer")
		s.told(Ours, Versions{}, tillErr, customerErr)
	})
}

// TestLaterHello: a till of later versions may say more than this device can
// read. It is told of the versions if there is none in common, and of its
// fault if there is.
func TestLaterHello(t *testing.T) {
	for _, tt := range []struct {
		speaks Versions
		chosen uint32
		want   error
	}{
		{Versions{2, 3}, 2, ErrVersion},
		{Versions{1, 2}, 2, ErrVersion},
		{Versions{1, 2}, 1, ErrProtocol},
	} {
		play(t, sim.Conditions{}, func(s *scene) {
			x := newStranger(s, true)
			hello := x.hello()
			hello.Versions = tt.speaks.message(tt.chosen)
			more := protowire.AppendVarint(protowire.AppendTag(x.encode(hello), 99, protowire.VarintType), 1)
			go x.open(more)
			_, err := Respond(s.ctx, s.customerLink, s.customer.Local, s.responder)
			s.is(err, tt.want, fmt.Sprint(tt.speaks, tt.chosen))
			s.is(x.ends(), tt.want, "the till learns")
		})
	}
}

// TestDowngrade: whoever stands between two devices that speak two versions
// cannot make them speak the older one.
func TestDowngrade(t *testing.T) {
	both := Versions{1, 2}
	customer := link.Beacon{Version: 2, EID: link.EID{1, 2, 3, 4, 5, 6}, BaseHandle: link.DefaultBaseHandle}
	stripped := customer
	stripped.Version = 1
	tests := []struct {
		name string
		do   func(*scene, *Initiator) // to what the till sees
		hear func(*peerv1.BusinessHello)
		want error // of the customer
	}{
		{"nobody", func(*scene, *Initiator) {}, nil, nil},
		{"an advertisement of version 1", func(_ *scene, in *Initiator) { in.Advertisement = stripped.Encode() }, nil, ErrVersion},
		{"an advertisement of version 1, to a till that speaks no other", func(s *scene, in *Initiator) {
			in.Advertisement, s.till.Versions = stripped.Encode(), Versions{1, 1}
		}, nil, ErrDowngrade},
		{"an advertisement with another handle", func(_ *scene, in *Initiator) { in.Advertisement[7]++ }, nil, ErrDowngrade},
		{"versions in the hello, and the advertisement as it was", nil, func(h *peerv1.BusinessHello) { h.Versions = Versions{1, 1}.message(1) }, nil},
		{"a lower choice in the hello", nil, func(h *peerv1.BusinessHello) { h.Versions.Chosen = 1 }, ErrVersion},
	}
	for _, tt := range tests {
		play(t, sim.Conditions{}, func(s *scene) {
			s.till.Versions, s.customer.Versions = both, both
			s.advertise(customer)
			if tt.hear == nil {
				tt.do(s, &s.initiator)
				a, b, tillErr, customerErr := s.handshake()
				s.is(customerErr, tt.want, tt.name)
				s.is(tillErr, tt.want, tt.name+", the till")
				if tt.want == nil {
					s.same(a, b)
				}
				return
			}
			s.between(tt.name, tt.hear, tt.want)
		})
	}
}

// between changes the till's first message, which is in clear, on its way.
// What the customer does not refuse no till can read the answer to.
func (s *scene) between(name string, change func(*peerv1.BusinessHello), want error) {
	s.Helper()
	opening, first, err := s.initiator.Open(s.till.Local, readValue, bytes.NewReader(make([]byte, 32)))
	s.ok(err)
	const head = 64 // two keys
	var hello peerv1.BusinessHello
	s.ok(Decode(first[head:], &hello))
	change(&hello)
	payload, err := Encode(&hello)
	s.ok(err)
	second, _, err := s.responder.Answer(s.customer.Local, append(bytes.Clone(first[:head]), payload...), bytes.NewReader(bytes.Repeat([]byte{1}, 32)))
	s.is(err, want, name)
	if want != nil {
		return
	}
	if _, err := opening.Finish(second); !errors.Is(err, ErrHandshake) {
		s.Errorf("%s: the till goes on: %v", name, err)
	}
}
