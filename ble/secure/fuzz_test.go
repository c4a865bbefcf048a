package secure

import (
	"bytes"
	"errors"
	"testing"

	"google.golang.org/protobuf/proto"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// FuzzDecode checks that what Decode accepts has exactly one encoding, for
// every message that arrives in a session.
func FuzzDecode(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, m := range []proto.Message{
			&peerv1.BusinessHello{}, &peerv1.CustomerHello{}, &peerv1.Payment{}, &peerv1.BundlePart{},
			&peerv1.Pending{}, &peerv1.Unknown{}, &peerv1.Signed{}, &peerv1.DeviceCert{}, &peerv1.Request{},
		} {
			if err := Decode(data, m); err != nil {
				if !errors.Is(err, ErrProtocol) {
					t.Fatal(err)
				}
				continue
			}
			again, err := Encode(m)
			if err != nil || !bytes.Equal(again, data) {
				t.Fatalf("%T: %x became %x, %v", m, data, again, err)
			}
		}
	})
}

// FuzzAnswer gives a customer any first message: it says nothing of itself to
// whoever is not the till of the certificate. The hello is in clear, so a
// stranger can bend each part of it; what it cannot is make an answer readable.
func FuzzAnswer(f *testing.F) {
	s := tell(f)
	f.Add(s.first)
	f.Add(s.first[:64])
	f.Add(s.first[64:])
	f.Add(append(bytes.Clone(s.first), 0))
	f.Add([]byte("GET / HTTP/1.0"))
	hello := encoded(f, &peerv1.BusinessHello{Versions: &peerv1.Versions{Min: 1, Max: 1, Chosen: 1}})
	f.Add(append(bytes.Clone(s.first[:64]), hello...))
	r := s.responder
	r.RecentAdvertisement = func(b []byte) bool { return bytes.Equal(b, s.initiator.Advertisement) }
	f.Fuzz(func(t *testing.T, first []byte) {
		second, agreed, err := r.Answer(s.customer, first, bytes.NewReader(exampleBytes("customer's ephemeral key", 32)))
		if err != nil {
			if second != nil || agreed.out != nil || AlertOf(err) == 0 {
				t.Fatalf("%x is refused with alert %d, and answered with %x: %v", first, AlertOf(err), second, err)
			}
			return
		}
		_, tillNoise := exampleNoise(t, "till's Noise key")
		if !bytes.Equal(agreed.PeerCert, s.tillCert.Bytes) || !bytes.Equal(first[32:64], tillNoise) {
			t.Fatalf("answered %x", first)
		}
	})
}

// FuzzFinish gives a till any second message: it takes the one that the
// customer made for its first, and no other.
func FuzzFinish(f *testing.F) {
	s := tell(f)
	f.Add(s.second)
	f.Add(s.first)
	altered := bytes.Clone(s.second)
	altered[len(altered)-1] ^= 1
	f.Add(altered)
	f.Add(s.second[:len(s.second)-1])
	f.Fuzz(func(t *testing.T, second []byte) {
		opening, _, err := s.initiator.Open(s.till, shownLimits.Encode(), bytes.NewReader(exampleBytes("till's ephemeral key", 32)))
		if err != nil {
			t.Fatal(err)
		}
		agreed, err := opening.Finish(second)
		if err == nil != bytes.Equal(second, s.second) {
			t.Fatalf("%x: %v", second, err)
		}
		if err == nil && (agreed.Binding != s.binding || !bytes.Equal(agreed.PeerCert, s.customerCert.Bytes)) {
			t.Fatalf("binding %x", agreed.Binding)
		}
	})
}

// FuzzOpenMessage gives a session any next message: it takes the one that the
// other side sealed, and no other.
func FuzzOpenMessage(f *testing.F) {
	s := tell(f)
	sealed := s.pending
	f.Add(sealed)
	f.Add(sealed[1:])
	f.Add([]byte{})
	altered := bytes.Clone(sealed)
	altered[0] ^= 1
	f.Add(altered)
	f.Fuzz(func(t *testing.T, message []byte) {
		opening, _, err := s.initiator.Open(s.till, shownLimits.Encode(), bytes.NewReader(exampleBytes("till's ephemeral key", 32)))
		if err != nil {
			t.Fatal(err)
		}
		agreed, err := opening.Finish(s.second)
		if err != nil {
			t.Fatal(err)
		}
		kind, body, err := agreed.Open(message)
		if err == nil != bytes.Equal(message, sealed) || err != nil && !errors.Is(err, ErrProtocol) {
			t.Fatalf("%x is %s %x, %v", message, kind, body, err)
		}
	})
}
