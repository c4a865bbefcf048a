package device

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/test/bufconn"

	"github.com/vipaso/vipasod/cmd/internal/backend"
	"github.com/vipaso/vipasod/daemon"
	server "github.com/vipaso/vipasod/syncer/backend"
)

// TestAnEarlierRootEnrollsNobody: somebody has come by a root key that was
// handed over, and runs a backend with it. To a device that has followed it is
// another backend, though its own bundle leads from that key: it does not
// enroll there while money waits.
func TestAnEarlierRootEnrollsNobody(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		root := r.rotateRoot()
		r.settled(ann)
		ann.knows(root)
		setOffline(true, till, ann)
		r.pays(till, ann, "1.00", card)

		dir := filepath.Join(r.dir, "thief")
		r.must(os.Mkdir(dir, 0o700))
		stolen, err := os.ReadFile(filepath.Join(r.dir, "backend", "root-key.pem"))
		r.must(err)
		r.must(os.WriteFile(filepath.Join(dir, "root-key.pem"), stolen, 0o600))
		genuine := r.port
		r.port = bufconn.Listen(wire)
		ctx, stop := context.WithCancel(r.ctx)
		ready, done := make(chan struct{}), make(chan error, 1)
		go func() {
			done <- backend.Serve(ctx, backend.Options{Dir: dir, Listener: r.port, Ready: func(net.Addr) { close(ready) }})
		}()
		<-ready
		admin, err := backend.OpenAdmin(ctx, dir, "")
		r.must(err)
		customer, err := admin.CreateCustomer(ctx, "Ann")
		r.must(err)
		code, err := admin.EnrollCode(ctx, server.Party{Customer: customer}, time.Hour)
		r.must(err)
		ca, err := os.ReadFile(filepath.Join(dir, backend.CAFile))
		r.must(err)
		setOffline(false, ann)
		err = ann.node.Device.Enroll(ctx, daemon.Enrollment{URL: "https://localhost:443", CA: ca, Code: code})
		if err == nil || !strings.Contains(err.Error(), "another backend than before") {
			t.Errorf("enrolled: %v", err)
		}
		ann.knows(root)
		r.must(admin.Store.Close())
		stop()
		r.must(<-done)
		r.port = genuine
		r.balanced(nil, till, ann)
	})
}
