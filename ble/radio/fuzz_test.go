package radio

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"

	"google.golang.org/protobuf/proto"

	"github.com/vipaso/vipasod/ble/sim"
	radiov1 "github.com/vipaso/vipasod/proto/vipaso/radio/v1"
)

// framed is frames as they travel.
func framed(t testing.TB, frames ...*radiov1.Frame) []byte {
	t.Helper()
	var out []byte
	for _, f := range frames {
		b, err := proto.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(append(out, 0, 0, byte(len(b)>>8), byte(len(b))), b...)
	}
	return out
}

// FuzzServe has the radio process hear anything behind a good Hello: it does
// what it can, names what it cannot, and leaves the radio quiet.
func FuzzServe(f *testing.F) {
	scan := &radiov1.Frame{Body: &radiov1.Frame_Scan{Scan: &radiov1.Scan{On: true}}}
	advertise := &radiov1.Frame{Body: &radiov1.Frame_Advertise{Advertise: &radiov1.Advertise{On: true, ServiceData: beacon}}}
	dial := &radiov1.Frame{Body: &radiov1.Frame_Dial{Dial: &radiov1.Dial{DialId: 1, Address: "C0:00:00:00:00:01"}}}
	ping := &radiov1.Frame{Body: &radiov1.Frame_Ping{Ping: &radiov1.Ping{Nonce: 7}}}
	pong := &radiov1.Frame{Body: &radiov1.Frame_Pong{Pong: &radiov1.Pong{Nonce: 7}}}
	hello := helloFrame(&radiov1.Hello{Name: "guest"})
	f.Add([]byte{})
	f.Add(framed(f, scan, advertise, ping))
	f.Add(framed(f, dial, dial, valueFrame(3, []byte("x")), linkDownFrame(3, "done")))
	f.Add(framed(f, hello))
	f.Add(framed(f, advertise, pong))
	f.Add([]byte{0, 1, 0, 1, 8})
	f.Add([]byte{255, 255, 255, 255})
	f.Add([]byte{0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		synctest.Test(t, func(t *testing.T) {
			air := sim.NewAir(1, sim.Conditions{})
			defer air.Close()
			near, far := net.Pipe()
			served := air.Join("served")
			done := make(chan error, 1)
			go func() { done <- Serve(t.Context(), far, served, nil) }()
			go func() { // what it answers
				for w := newWire(near); ; {
					if _, err := w.read(); err != nil {
						return
					}
				}
			}()
			if _, err := near.Write(append(framed(t, hello), data...)); err != nil && !hungUp(err) {
				t.Fatal(err)
			}
			synctest.Wait()
			near.Close()
			if err := <-done; err != nil && !errors.Is(err, ErrFrame) && !hungUp(err) {
				t.Fatalf("served: %v", err)
			}
			if s := served.Status(); s.Scanning || s.Advertising || s.Links != 0 || !s.Up {
				t.Fatalf("status afterwards: %+v", s)
			}
		})
	})
}
