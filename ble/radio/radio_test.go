package radio

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/link/linktest"
	"github.com/vipaso/vipasod/ble/sim"
	radiov1 "github.com/vipaso/vipasod/proto/vipaso/radio/v1"
)

// patience is how long a test waits for what has to come.
const patience = time.Minute

// station serves radios of one air on a socket, as a radio process does.
type station struct {
	t      *testing.T
	air    *sim.Air
	path   string
	listen net.Listener
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
}

func newStation(t *testing.T, cond sim.Conditions) *station {
	t.Helper()
	s := &station{t: t, air: sim.NewAir(3, cond), path: filepath.Join(t.TempDir(), "air")}
	s.start()
	t.Cleanup(func() {
		s.stop()
		s.air.Close()
	})
	return s
}

func (s *station) start() {
	l, err := net.Listen("unix", s.path)
	if err != nil {
		s.t.Fatal(err)
	}
	s.listen = l
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
			s.wg.Go(func() {
				err := ServeNamed(ctx, conn, func(name string) (link.Radio, Controller, error) {
					return s.air.Join(name), control{s.air}, nil
				})
				if err != nil {
					s.t.Errorf("serve: %v", err)
				}
			})
		}
	})
}

func (s *station) stop() {
	s.listen.Close()
	s.cancel()
	s.wg.Wait()
}

// dropConns cuts all connections, as a crash of the radio process does.
func (s *station) dropConns() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = nil
}

// control is a Controller that knows names and loss.
type control struct{ air *sim.Air }

func (c control) Control(in *radiov1.SimControl) *radiov1.SimReport {
	cond := c.air.Conditions()
	if in.LossPerMille != nil {
		cond.LossPerMille = int(in.GetLossPerMille())
	}
	if in.LatencyMs != nil {
		cond.Latency = time.Duration(in.GetLatencyMs()) * time.Millisecond
	}
	c.air.SetConditions(cond)
	if in.GetDropLinks() {
		c.air.DropLinks()
	}
	report := &radiov1.SimReport{LossPerMille: uint32(cond.LossPerMille), LatencyMs: uint32(cond.Latency.Milliseconds())}
	for _, p := range c.air.Peers() {
		report.Peers = append(report.Peers, &radiov1.SimPeer{Name: p.Name})
	}
	return report
}

// client returns a client that runs until the test ends and is up.
func (s *station) client(t *testing.T, name string) *Client {
	t.Helper()
	c := NewClient(Options{Name: name, Dial: func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", s.path)
	}})
	run(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.AwaitUp(ctx); err != nil {
		t.Fatal(err)
	}
	return c
}

// run runs a client until the test ends.
func run(t *testing.T, c *Client) {
	done := make(chan error, 1)
	go func() { done <- c.Run(context.Background()) }()
	t.Cleanup(func() {
		c.Close()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

// TestContract runs the contract of ble/link over real unix sockets.
func TestContract(t *testing.T) {
	for _, cond := range []sim.Conditions{{}, {Interval: 5 * time.Millisecond, LossPerMille: 50}} {
		t.Run(fmt.Sprintf("%+v", cond), func(t *testing.T) {
			linktest.TestRadio(t, func(t *testing.T, n int) []link.Radio {
				s := newStation(t, cond)
				radios := make([]link.Radio, n)
				for i := range radios {
					radios[i] = s.client(t, fmt.Sprintf("radio %d", i))
				}
				return radios
			}, nil)
		})
	}
}
