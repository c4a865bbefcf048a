package device

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"

	"github.com/vipaso/vipasod/preauth"
)

// BenchmarkPay measures a payment from the AcceptPayment call to the till's
// result, over a link without latency, against its floor on the same
// machine: two fdatasync one after the other, two signatures, three
// verifications. Both are run in turn; the ratio of their medians is what
// counts, the times are not.
func BenchmarkPay(b *testing.B) {
	r := newRig(b)
	till := r.till("till")
	ann, card := r.payer("ann", "")
	instrument, err := preauth.ParseID(card)
	r.must(err)
	events := ann.listen(r.ctx)
	f := newFloor(b)
	var pay, least []time.Duration
	for i := 0; b.Loop(); i++ {
		if i%40 == 0 {
			till.node.Device.SetOffline(false)
			ann.node.Device.SetOffline(false)
			r.settled(till)
			r.settled(ann)
			ann.preAuthorize(instrument, "1.00")
			till.node.Device.SetOffline(true)
			ann.node.Device.SetOffline(true)
		}
		least = append(least, f.run())
		result := till.request("0.01", businessv1.Policy_POLICY_FORCE_OFFLINE)
		asked := r.received(events)
		stored := make(chan struct{})
		start := time.Now()
		go func() {
			defer close(stored)
			ann.accept(asked, card)
		}()
		if got := <-result; got.GetPaymentSuccessful() == nil {
			b.Fatal(got)
		}
		pay = append(pay, time.Since(start))
		<-stored
	}
	median := func(d []time.Duration) time.Duration {
		slices.Sort(d)
		return d[len(d)/2]
	}
	p, l := median(pay), median(least)
	b.ReportMetric(float64(p)/float64(l), "x-floor")
	b.ReportMetric(float64(p.Microseconds()), "µs-pay-p50")
	b.ReportMetric(float64(l.Microseconds()), "µs-floor-p50")
}

// settled waits until nothing is left to hand in, so that limits do not end
// the benchmark.
func (r *rig) settled(p *party) {
	r.t.Helper()
	for {
		_, err := p.device.SyncNow(r.ctx, &devicev1.SyncNowRequest{})
		r.must(err)
		n, err := p.node.Store.OutboxSize(r.ctx)
		r.must(err)
		if n == 0 {
			return
		}
	}
}

// floor is the least that a payment can cost.
type floor struct {
	b   *testing.B
	f   *os.File
	key *ecdsa.PrivateKey
	pub preauth.PublicKey
}

func newFloor(b *testing.B) *floor {
	f, err := os.Create(filepath.Join(b.TempDir(), "floor"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.Close() })
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	return &floor{b: b, f: f, key: key, pub: preauth.PublicKeyOf(&key.PublicKey)}
}

func (f *floor) run() time.Duration {
	block := make([]byte, 4096)
	start := time.Now()
	var sig []byte
	var err error
	for range 2 {
		if _, err = f.f.WriteAt(block, 0); err == nil {
			err = syscall.Fdatasync(int(f.f.Fd()))
		}
		if err != nil {
			f.b.Fatal(err)
		}
		if sig, err = preauth.SignMessage(f.key, "floor", block[:200]); err != nil {
			f.b.Fatal(err)
		}
	}
	for range 3 {
		if err := preauth.VerifyMessage(f.pub, "floor", block[:200], sig); err != nil {
			f.b.Fatal(err)
		}
	}
	return time.Since(start)
}
