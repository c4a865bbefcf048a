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
