package syncer

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/test/bufconn"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/syncer/outbox"
)

// A device is a Book in memory, with a Syncer and a backend on a wire.
type device struct {
	t     testing.TB
	key   *ecdsa.PrivateKey
	noise [32]byte
	id    []byte
	role  peerv1.Role
	b     *fakeBackend
	s     *Syncer
	wire  *bufconn.Listener

	mu       sync.Mutex
	creds    Credentials
	items    map[outbox.Key]outbox.Item
	judged   map[outbox.Key]preauth.Verdict
	heard    []time.Time
	refresh  []Refresh
	report   Report
	done     map[preauth.Hash]outbox.Item // claims that were handed in long ago
	renewals int
	down     bool // the wire is cut
	dials    int
	judge    error // of Judge
	fail     error // of Due
}

// newDevice is an enrolled customer device and its backend. Change may bend
// the options.
func newDevice(t testing.TB, change ...func(*Options)) *device {
	t.Helper()
	d := &device{
		t: t, key: newKey(t), noise: [32]byte{1}, id: testBytes("device", 16), role: peerv1.Role_ROLE_CUSTOMER,
		b: newBackend(t), wire: bufconn.Listen(1 << 20),
		items: map[outbox.Key]outbox.Item{}, judged: map[outbox.Key]preauth.Verdict{},
		done: map[preauth.Hash]outbox.Item{},
	}
	d.b.device = d
	d.enroll(365 * 24 * time.Hour)
	o := Options{Book: d, Splay: 5 * time.Second, Dial: d.dial}
	for _, c := range change {
		c(&o)
	}
	d.s = New(o)
	return d
}

// enroll gives the device certificates valid for life.
func (d *device) enroll(life time.Duration) {
	trust, err := preauth.OpenTrust(d.b.rootKey(), d.b.bundle())
	if err != nil {
		d.t.Fatal(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.creds = Credentials{
		URL: "https://backend.test", CA: d.b.ca.pem, Root: d.b.rootKey(), Trust: trust, BundleEpoch: trust.Epoch(),
		TLS:        tls.Certificate{Certificate: [][]byte{d.b.ca.device(d.t, d.id, &d.key.PublicKey, life)}, PrivateKey: d.key},
		DeviceCert: d.b.certify(d, life), CertNotAfter: time.Now().Add(life),
	}
}

// dial reaches the backend, unless the wire is cut.
func (d *device) dial(ctx context.Context, address string) (net.Conn, error) {
	d.mu.Lock()
	down := d.down
	d.dials++
	d.mu.Unlock()
	if address != "backend.test:443" {
		d.t.Errorf("dialled %s", address)
	}
	if down {
		return nil, errors.New("network is unreachable")
	}
	return d.wire.DialContext(ctx)
}

// plug connects the wire, or cuts it.
func (d *device) plug(in bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = !in
}

func (d *device) Credentials(context.Context) (Credentials, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.creds.URL == "" {
		return Credentials{}, ErrNotEnrolled
	}
	return d.creds, nil
}

func (d *device) Due(_ context.Context, now time.Time, limit int) ([]outbox.Item, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var due []outbox.Item
	for _, it := range d.items {
		if !it.NextTry.After(now) {
			due = append(due, it)
		}
	}
	slices.SortFunc(due, func(a, b outbox.Item) int {
		return cmp.Or(a.Deadline.Compare(b.Deadline), slices.Compare(a.Key.Request[:], b.Key.Request[:]))
	})
	return due[:min(len(due), limit)], d.fail
}

func (d *device) Judge(_ context.Context, it outbox.Item, v preauth.Verdict) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.judge != nil {
		return d.judge
	}
	if preauth.Hash(v.Body.RequestHash) != it.Key.Request {
		d.t.Errorf("verdict on %x for %s", v.Body.RequestHash, it.Key.Request)
	}
	delete(d.items, it.Key)
	d.judged[it.Key] = v
	return nil
}

func (d *device) Postpone(_ context.Context, items []outbox.Item) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, it := range items {
		if _, ok := d.items[it.Key]; !ok {
			d.t.Errorf("%s %s postponed, but not there", it.Key.Kind, it.Key.Request)
		}
		d.items[it.Key] = it
	}
	return nil
}

func (d *device) Claims(_ context.Context, requests []preauth.Hash) ([]outbox.Item, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var known []outbox.Item
	for _, h := range requests {
		if it, ok := d.done[h]; ok {
			known = append(known, it)
		}
	}
	return known, nil
}

func (d *device) Report(context.Context) (Report, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.report, nil
}

func (d *device) Refreshed(_ context.Context, r Refresh) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refresh = append(d.refresh, r)
	d.report.VerdictsAfter = r.VerdictsTo
	d.creds.Trust, d.creds.BundleEpoch = r.Trust, r.Trust.Epoch()
	return nil
}

func (d *device) Renewed(_ context.Context, deviceCert, tlsCert []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.renewals++
	d.creds.DeviceCert, d.creds.TLS.Certificate = deviceCert, [][]byte{tlsCert}
	d.creds.CertNotAfter = time.UnixMilli(open[*peerv1.DeviceCert](d.t, deviceCert).Body.NotAfterMs)
	return nil
}

func (d *device) Heard(_ context.Context, at time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.heard = append(d.heard, at)
	return nil
}

// owe puts a payment of 10.00 and a tip of 2.00 into the outbox.
func (d *device) owe(n int, change ...func(*outbox.Item)) outbox.Item {
	d.t.Helper()
	id := fmt.Sprintf("payment %d", n)
	r := sign(d.t, d.key, &peerv1.Request{
		PaymentId: testBytes(id, 16), BusinessDeviceId: testBytes("till", 16), Nonce: testBytes(id, 16), Amount: 1000,
		Currency: "USD", TtlMs: 60_000, ChannelBinding: testBytes(id, 32), DeviceCert: []byte("certificate"),
	})
	v := sign(d.t, d.key, &peerv1.Voucher{
		PreauthId: testBytes("hold", 16), RequestHash: r.Hash[:], Amount: 1000, Tip: 200, Currency: "USD",
		Counter: 1, PrevHash: testBytes("cert", 32),
	})
	it := outbox.Item{
		Key: outbox.Key{Kind: payment.ItemClaim, Request: r.Hash}, Payment: preauth.ID(testBytes(id, 16)),
		Request: r.Bytes, PreauthCert: []byte("certificate"), Voucher: v.Bytes, Receipt: []byte("receipt"),
		Deadline: time.Now().Add(24 * time.Hour), Total: 1200, Currency: "USD",
	}
	for _, c := range change {
		c(&it)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.items[it.Key] = it
	return it
}

// asCancel turns a claim into a bare Cancel.
func asCancel(it *outbox.Item) {
	it.Key.Kind, it.Cancel = payment.ItemCancel, []byte("cancel")
	it.PreauthCert, it.Voucher, it.Receipt = nil, nil, nil
}

func asQuestion(it *outbox.Item) { it.Receipt = nil }

func (d *device) left() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.items)
}

func (d *device) item(k outbox.Key) outbox.Item {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.items[k]
}

func (d *device) verdict(k outbox.Key) preauth.Verdict {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.judged[k]
}

func (d *device) dialled() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dials
}

func (d *device) heardTimes() []time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.heard)
}

// bubble runs a test in virtual time, with the backend on the wire.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// connect serves the backend on the wire until the test's end, which also
// closes the Syncer's connection.
func (d *device) connect() {
	stop := d.b.serve(d.wire)
	d.t.Cleanup(func() {
		d.s.SetOffline(true)
		stop()
	})
}

// run runs the Syncer until the test's end.
func (d *device) run() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.s.Run(ctx) }()
	d.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			d.t.Errorf("Run ended with %v", err)
		}
	})
}

// pass lets virtual time pass, and everything that happens in it happen.
func pass(span time.Duration) {
	timer := time.NewTimer(span)
	<-timer.C
	synctest.Wait()
}
