package device

import (
	"context"
	"net"
	"path/filepath"
	"testing"

	"google.golang.org/grpc/test/bufconn"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/sim"
	"github.com/vipaso/vipasod/cmd/internal/backend"
)

// TestStoppedAsSoonAsReady: a backend and a device that are told to stop before
// they have served anybody end in good order.
func TestStoppedAsSoonAsReady(t *testing.T) {
	dir := t.TempDir()
	air := sim.NewAir(1, sim.Conditions{})
	defer air.Close()
	for range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		err := backend.Serve(ctx, backend.Options{
			Dir: filepath.Join(dir, "backend"), Listener: bufconn.Listen(wire), Ready: func(net.Addr) { cancel() },
		})
		if err != nil {
			t.Errorf("backend: %v", err)
		}
		ctx, cancel = context.WithCancel(t.Context())
		radio := air.Join("till")
		err = Run(ctx, Config{
			Dir: filepath.Join(dir, "till"), Role: peerv1.Role_ROLE_BUSINESS, DisplayName: "till", Driver: "sim",
			Radio: radio, Listener: bufconn.Listen(wire), Ready: func(*Node) { cancel() },
		})
		if err != nil {
			t.Errorf("till: %v", err)
		}
		if err := radio.Close(); err != nil {
			t.Error(err)
		}
		cancel()
	}
}
