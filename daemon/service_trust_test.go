package daemon

import (
	"testing"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"

	"github.com/vipaso/vipasod/preauth"
)

func TestGetTrust(t *testing.T) {
	b := newBench(t, asTill, nil)
	got, err := b.device(observer).GetTrust(t.Context(), &devicev1.GetTrustRequest{})
	must(t, err)
	root := preauth.PublicKeyOf(&fixedKey("root").PublicKey)
	trust, err := preauth.OpenTrust(preauth.PublicKey(got.GetRootKey()), got.GetTrustBundle())
	if err != nil || trust.Root != root || trust.Epoch() == 0 {
		t.Errorf("root key %x, epoch %d: %v", got.GetRootKey(), trust.Epoch(), err)
	}
}
