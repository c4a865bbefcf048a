package device

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/sim"
	"github.com/vipaso/vipasod/cmd/internal/backend"
	"github.com/vipaso/vipasod/daemon"
	"github.com/vipaso/vipasod/preauth"
	server "github.com/vipaso/vipasod/syncer/backend"
)

// rig is a backend, an air and devices, all in this process, over real files,
// real TLS and the real local API. Only the wires are in memory.
type rig struct {
	t     testing.TB
	ctx   context.Context
	dir   string
	port  *bufconn.Listener // of the backend
	admin server.Admin
	air   *sim.Air
	cut   bool             // devices start without a network
	wall  func() time.Time // of the devices; nil means that of the machine
	ears  *ears            // what hears one device; nil for nothing
	log   *slog.Logger     // of every device; nil for none
	dial  []grpc.DialOption
}

// party is one device of a rig.
type party struct {
	rig      *rig
	name     string
	role     peerv1.Role
	radio    *voice
	node     *Node
	conn     *grpc.ClientConn
	stop     func() // as a clean stop of the process; may be repeated
	device   devicev1.DeviceServiceClient
	business businessv1.BusinessServiceClient
	customer customerv1.CustomerServiceClient
}

// wire is how much a connection in memory holds: enough that nobody waits for
// a reader while holding a lock.
const wire = 1 << 20

// play runs a test in a bubble: its time is virtual, so a machine that is slow
// or busy is no different from another, and what has to come within some time
// does or does not. Nothing of a device may be left running at the end.
func play(t *testing.T, test func(*testing.T, *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newRig(t)) })
}

func newRig(t testing.TB) *rig { return newRigOf(t, backend.Options{}) }

// newRigOf is newRig with a backend that is set up by o.
func newRigOf(t testing.TB, o backend.Options) *rig {
	ctx, cancel := context.WithCancel(context.Background())
	r := &rig{t: t, ctx: ctx, dir: t.TempDir(), port: bufconn.Listen(wire), air: sim.NewAir(1, sim.Conditions{})}
	t.Cleanup(func() { _ = r.air.Close() })
	ready, done := make(chan struct{}), make(chan error, 1)
	o.Dir, o.Listener, o.Ready = filepath.Join(r.dir, "backend"), r.port, func(net.Addr) { close(ready) }
	go func() { done <- backend.Serve(ctx, o) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	select {
	case <-ready:
	case err := <-done:
		done <- err
		t.Fatal(err)
	}
	var err error
	if r.admin, err = backend.OpenAdmin(ctx, filepath.Join(r.dir, "backend"), ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.admin.Store.Close() })
	return r
}

// start runs a device called name.
func (r *rig) start(name string, role peerv1.Role) *party {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.ctx)
	listener := bufconn.Listen(wire)
	ready, done := make(chan *Node, 1), make(chan error, 1)
	log := slog.New(slog.DiscardHandler)
	if r.log != nil {
		log = r.log.With("device", name)
	}
	if os.Getenv("VIPASO_TEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("device", name)
	}
	radio := &voice{Radio: r.overheard(name, r.air.Join(name))}
	go func() {
		done <- Run(ctx, Config{
			Role: role, DisplayName: name, Dir: filepath.Join(r.dir, name), Radio: radio, Driver: "sim", Offline: r.cut, Wall: r.wall,
			DialBackend: func(ctx context.Context, _ string) (net.Conn, error) { return r.port.DialContext(ctx) },
			Listener:    listener, Splay: time.Millisecond, RetryMax: time.Second, Logger: log,
			Ready: func(n *Node) { ready <- n },
		})
	}()
	p := &party{rig: r, name: name, role: role, radio: radio}
	p.stop = sync.OnceFunc(func() {
		_ = p.conn.Close() // ends the streams, which would delay the stop
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("%s: %v", name, err)
		}
		_ = radio.Close()
	})
	select {
	case p.node = <-ready:
	case err := <-done:
		r.t.Fatalf("%s: %v", name, err)
	}
	var err error
	p.conn, err = grpc.NewClient("passthrough:///"+name, append(r.dial, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))...)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(p.stop)
	p.device = devicev1.NewDeviceServiceClient(p.conn)
	p.business = businessv1.NewBusinessServiceClient(p.conn)
	p.customer = customerv1.NewCustomerServiceClient(p.conn)
	return p
}

// voice is a radio that can be kept from advertising, and from telling at once
// that a dial was answered.
type voice struct {
	link.Radio
	mu       sync.Mutex
	muted    bool
	last     link.Advertisement
	answered func() // called with each new link; nil for nothing
}

// Dial implements link.Radio.
func (v *voice) Dial(ctx context.Context, address string, discover bool) (link.Link, error) {
	l, err := v.Radio.Dial(ctx, address, discover)
	v.mu.Lock()
	answered := v.answered
	v.mu.Unlock()
	if err == nil && answered != nil {
		answered()
	}
	return l, err
}

func (v *voice) onAnswer(f func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.answered = f
}

func (v *voice) Advertise(ctx context.Context, a link.Advertisement) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.last = a
	if v.muted {
		a = link.Advertisement{}
	}
	return v.Radio.Advertise(ctx, a)
}

func (v *voice) mute() { v.set(true) }

func (v *voice) unmute() { v.set(false) }

func (v *voice) set(muted bool) {
	v.mu.Lock()
	v.muted = muted
	last := v.last
	v.mu.Unlock()
	_ = v.Advertise(context.Background(), last)
}

// restart stops a device and starts it again on the same files.
func (p *party) restart() *party {
	p.rig.t.Helper()
	p.stop()
	return p.rig.start(p.name, p.role)
}

// till starts and enrolls a till.
func (r *rig) till(name string) *party {
	p := r.start(name, peerv1.Role_ROLE_BUSINESS)
	id, err := r.admin.CreateBusiness(r.ctx, name, 5812)
	r.must(err)
	p.enroll(server.Party{Business: id})
	return p
}

// payer starts and enrolls a customer with an instrument and, if limit is not
// empty, a pre-authorization. It returns the instrument's id.
func (r *rig) payer(name, limit string) (*party, string) {
	p := r.start(name, peerv1.Role_ROLE_CUSTOMER)
	id, err := r.admin.CreateCustomer(r.ctx, name)
	r.must(err)
	instrument, err := r.admin.CreateInstrument(r.ctx, server.Instrument{
		Customer: id, Type: "CARD", Label: "Card", Currency: "USD", Free: 100_000_000, PreAuthCapable: true,
	})
	r.must(err)
	p.enroll(server.Party{Customer: id})
	if limit != "" {
		p.preAuthorize(instrument, limit)
	}
	return p, instrument.String()
}

func (p *party) preAuthorize(instrument preauth.ID, limit string) {
	p.rig.t.Helper()
	_, err := p.customer.PreAuthorizeInstrument(p.rig.ctx, &customerv1.PreAuthorizeInstrumentRequest{
		RequestId: uuid.NewString(), InstrumentId: instrument.String(), Amount: limit, Currency: "USD",
	})
	p.rig.must(err)
}

func (p *party) enroll(who server.Party) {
	p.rig.t.Helper()
	code, err := p.rig.admin.EnrollCode(p.rig.ctx, who, time.Hour)
	p.rig.must(err)
	ca, err := os.ReadFile(filepath.Join(p.rig.dir, "backend", backend.CAFile))
	p.rig.must(err)
	err = p.node.Device.Enroll(p.rig.ctx, daemon.Enrollment{URL: "https://localhost:443", CA: ca, Code: code})
	p.rig.must(err)
}

// listen opens the customer's event stream and returns its events.
func (p *party) listen(ctx context.Context) <-chan *paymentv1.Event {
	p.rig.t.Helper()
	stream, err := p.customer.ReceivePaymentRequestsViaBle(ctx, &customerv1.ReceivePaymentRequestsViaBleRequest{})
	p.rig.must(err)
	_, err = stream.Header()
	p.rig.must(err)
	events := make(chan *paymentv1.Event, 64)
	go func() {
		defer close(events)
		for {
			m, err := stream.Recv()
			if err != nil {
				return
			}
			events <- m.Event
		}
	}()
	return events
}

// request asks for an amount and delivers the result.
func (p *party) request(amount string, policy businessv1.Policy) <-chan *businessv1.PaymentResult {
	return p.ask(&businessv1.SendPaymentRequestViaBleRequest{
		RequestId: uuid.NewString(), Amount: amount, Currency: "USD", Policy: policy,
	})
}

// ask makes a call and delivers its result. The channel is closed without one
// if the till is stopped before.
func (p *party) ask(req *businessv1.SendPaymentRequestViaBleRequest) <-chan *businessv1.PaymentResult {
	result := make(chan *businessv1.PaymentResult, 1)
	go func() {
		defer close(result)
		resp, err := p.business.SendPaymentRequestViaBle(p.rig.ctx, req)
		if err != nil {
			if status.Code(err) != codes.Canceled && status.Code(err) != codes.Unavailable { // the till was stopped
				p.rig.t.Error(err)
			}
			return
		}
		result <- resp.Result
	}()
	return result
}

// accept accepts what was received.
func (p *party) accept(e *paymentv1.PaymentRequestReceived, instrument string) *paymentv1.Payment {
	p.rig.t.Helper()
	resp, err := p.customer.AcceptPayment(p.rig.ctx, &customerv1.AcceptPaymentRequest{
		RequestId: uuid.NewString(), PaymentId: e.PaymentId, Amount: e.Amount, Currency: e.Currency, InstrumentId: instrument,
	})
	p.rig.must(err)
	return resp.Payment
}

// received waits for the next request.
func (r *rig) received(events <-chan *paymentv1.Event) *paymentv1.PaymentRequestReceived {
	r.t.Helper()
	return r.await(events, "request", func(e *paymentv1.Event) bool { return e.GetPaymentRequestReceived() != nil }).GetPaymentRequestReceived()
}

// await waits for the next event that fits.
func (r *rig) await(events <-chan *paymentv1.Event, what string, fits func(*paymentv1.Event) bool) *paymentv1.Event {
	r.t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	for {
		select {
		case e, ok := <-events:
			if !ok {
				r.t.Fatalf("the stream ended before a %s", what)
			}
			if fits(e) {
				return e
			}
		case <-deadline.C:
			r.t.Fatalf("no %s came", what)
		}
	}
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}
