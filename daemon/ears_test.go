package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/store"
)

// tower is a radio in sight of others: it hears what the test says, while it
// scans, and notes when it was switched and whom it dialled.
type tower struct {
	*deaf
	air chan link.Sighting

	mu     sync.Mutex
	on     bool
	log    []string
	dialed []string
	broken error // of Scan
	down   error // of NextSighting, once
}

func newTower() *tower { return &tower{deaf: newDeaf(), air: make(chan link.Sighting)} }

func (r *tower) Scan(ctx context.Context, on bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := errors.Join(r.broken, ctx.Err()); err != nil {
		return err
	}
	r.on, r.log = on, append(r.log, map[bool]string{true: "on", false: "off"}[on])
	return nil
}

func (r *tower) NextSighting(ctx context.Context) (link.Sighting, error) {
	r.mu.Lock()
	down := r.down
	r.down = nil
	r.mu.Unlock()
	if down != nil {
		return link.Sighting{}, down
	}
	select {
	case s := <-r.air:
		return s, nil
	case <-ctx.Done():
		return link.Sighting{}, ctx.Err()
	}
}

func (r *tower) Dial(_ context.Context, address string, _ bool) (link.Link, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dialed = append(r.dialed, address)
	return nil, link.ErrLost
}

func (r *tower) switched() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.log)
}

func (r *tower) dials() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.dialed)
}

// phone is the nth customer's advertisement.
func phone(n int) link.Sighting {
	beacon := link.Beacon{Version: 1, EID: link.EID{byte(n)}, BaseHandle: link.DefaultBaseHandle}
	return link.Sighting{Address: fmt.Sprint("phone ", n), RSSI: -40 - n, ServiceData: beacon.Encode()}
}

func TestEarsShareWhatIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTower()
		e := newEars(r)
		first, second := openEar(t, e), openEar(t, e)
		r.air <- phone(1)
		synctest.Wait()
		third := openEar(t, e)
		r.air <- phone(2)
		wantHeard(t, "first", first, "phone 1", "phone 2")
		wantHeard(t, "second", second, "phone 1", "phone 2")
		wantHeard(t, "third, which came later", third, "phone 2")
		for _, o := range []*ear{first, second, third} {
			if got := r.switched(); !slices.Equal(got, []string{"on"}) {
				t.Errorf("switched %q while somebody listens", got)
			}
			if err := e.close(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
		if got := r.switched(); !slices.Equal(got, []string{"on", "off"}) {
			t.Errorf("switched %q", got)
		}
		again := openEar(t, e)
		r.air <- phone(3)
		wantHeard(t, "one that opened again", again, "phone 3")
		if err := e.close(t.Context(), again); err != nil {
			t.Fatal(err)
		}
	})
}

// Closing twice, or after the caller has gone, leaves the others alone and the
// radio silent.
func TestEarsClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTower()
		e := newEars(r)
		one, other := openEar(t, e), openEar(t, e)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for range 2 {
			if err := e.close(gone, one); err != nil {
				t.Fatal(err)
			}
		}
		r.air <- phone(1)
		wantHeard(t, "the other", other, "phone 1")
		for range 2 {
			if err := e.close(gone, other); err != nil {
				t.Fatal(err)
			}
		}
		if got := r.switched(); !slices.Equal(got, []string{"on", "off"}) {
			t.Errorf("switched %q", got)
		}
	})
}

func TestEarsOfABrokenRadio(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTower()
		r.broken = link.ErrAdapter
		e := newEars(r)
		if _, err := e.open(t.Context()); !errors.Is(err, link.ErrAdapter) {
			t.Fatalf("open: %v", err)
		}
		r.broken, r.down = nil, link.ErrAdapter
		o := openEar(t, e) // the first wait for a sighting fails
		begun := time.Now()
		r.air <- phone(1)
		wantHeard(t, "after the radio came back", o, "phone 1")
		if took := time.Since(begun); took != adapterPause {
			t.Errorf("asked again after %s, want %s", took, adapterPause)
		}
		if err := e.close(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	})
}

// While an operator scans, a till still finds its customer, and the operator
// hears of them all, once each.
func TestScanRadioBesideAPayment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTower()
		b := newBench(t, asTill, func(o *Options, _ *papers) { o.Radio = r })
		stop := b.runFor()
		defer stop()
		var heard []string
		scanned := make(chan error, 1)
		go func() {
			scanned <- b.lookAround(t.Context(), 5*time.Second, func(s *devicev1.ScanRadioResponse) error {
				heard = append(heard, fmt.Sprintf("%s %d v%d", s.Address, s.Rssi, s.Version))
				return nil
			})
		}()
		synctest.Wait()
		r.air <- phone(1)
		synctest.Wait()
		if got := r.dials(); len(got) > 0 {
			t.Errorf("dialled %q with no payment open", got)
		}
		now := time.Now()
		b.change(&store.Change{Sale: &store.Sale{
			Sale:   payment.Sale{ID: paymentName(1), State: payment.Open, Rev: 1, UpdatedAt: now},
			Amount: 12_00, Currency: "USD", Policy: store.PreferOnline, CreatedAt: now, Deadline: now.Add(time.Minute),
		}})
		b.till.forgetDials()
		synctest.Wait()
		for _, s := range []link.Sighting{phone(2), phone(1), {Address: "headphones", ServiceData: []byte{1}}, phone(2)} {
			r.air <- s
			synctest.Wait()
		}
		if err := <-scanned; err != nil {
			t.Fatal(err)
		}
		if want := []string{"phone 1 -41 v1", "phone 2 -42 v1"}; !slices.Equal(heard, want) {
			t.Errorf("the operator heard %q, want %q", heard, want)
		}
		if got, want := r.dials(), []string{"phone 1", "phone 2"}; !slices.Equal(got, want) {
			t.Errorf("the till dialled %q, want %q", got, want)
		}
		if got := r.switched(); !slices.Equal(got, []string{"on"}) {
			t.Errorf("switched %q while the till still looks", got)
		}
		stop()
		if got := r.switched(); !slices.Equal(got, []string{"on", "off"}) {
			t.Errorf("switched %q", got)
		}
	})
}

func TestScanRadioEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTower()
		b := newBench(t, asCustomer, func(o *Options, _ *papers) { o.Radio = r })
		deaf := errors.New("caller left")
		none := func(*devicev1.ScanRadioResponse) error { return deaf }
		begun := time.Now()
		if err := b.lookAround(t.Context(), 7*time.Second, none); err != nil || time.Since(begun) != 7*time.Second {
			t.Errorf("silence ended after %s: %v", time.Since(begun), err)
		}
		go func() { r.air <- phone(1) }()
		if err := b.lookAround(t.Context(), time.Minute, none); !errors.Is(err, deaf) {
			t.Errorf("caller left: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.lookAround(ctx, time.Minute, none); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("caller's deadline: %v", err)
		}
		if got := r.switched(); !slices.Equal(got, []string{"on", "off", "on", "off", "on", "off"}) {
			t.Errorf("switched %q", got)
		}
	})
}

func TestScanRadioSaysWhyItCannot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := func(*devicev1.ScanRadioResponse) error { return errors.New("nothing can be heard") }
		wantReason := func(what string, err error, want string) {
			t.Helper()
			if got, _ := reasonOf(err); got != want {
				t.Errorf("%s: %v, want %s", what, err, want)
			}
		}
		none := newBench(t, asTill, func(o *Options, _ *papers) { o.Radio, o.RadioReason = nil, "ADAPTER_NOT_CONFIGURED" })
		wantReason("no adapter", none.lookAround(t.Context(), time.Second, never), "ADAPTER_NOT_CONFIGURED")

		r := newTower()
		b := newBench(t, asTill, func(o *Options, _ *papers) { o.Radio = r })
		r.set(link.Status{Reason: "ADAPTER_RFKILL"})
		wantReason("switched off", b.lookAround(t.Context(), time.Second, never), "ADAPTER_RFKILL")

		r.set(link.Status{Up: true})
		go func() {
			pause(t.Context(), time.Second)
			r.set(link.Status{Reason: "ADAPTER_DOWN"})
		}()
		wantReason("lost meanwhile", b.lookAround(t.Context(), 2*time.Second, never), "ADAPTER_DOWN")
	})
}

func openEar(t testing.TB, e *ears) *ear {
	t.Helper()
	o, err := e.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func wantHeard(t testing.TB, who string, o *ear, want ...string) {
	t.Helper()
	for _, address := range want {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		s, err := o.next(ctx)
		cancel()
		if err != nil || s.Address != address {
			t.Errorf("%s heard %q (%v), want %q", who, s.Address, err, address)
		}
	}
}

// runFor does the device's work until stop is called, which waits.
func (b *bench) runFor() (stop func()) {
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := b.Run(ctx); err != nil {
			b.t.Errorf("run: %v", err)
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
