package daemon

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

func statusOf(t testing.TB, b *bench) *devicev1.Status {
	t.Helper()
	st, err := b.status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func wantMessage(t testing.TB, what string, got, want proto.Message) {
	t.Helper()
	if !proto.Equal(got, want) {
		t.Errorf("%s:\n%s\nwant:\n%s", what, prototext.Format(got), prototext.Format(want))
	}
}

// One screen, every field of it.
func TestStatusOfATill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asTill, func(o *Options, _ *papers) {
			o.Version, o.DisplayName = "1.2.3", "Till 2"
			o.Limits.Currencies = map[string]preauth.Limit{"USD": {PaymentMax: 20_00, TotalMax: 900_00}}
			o.BackendURL = "https://other.test"
		})
		b.radio.set(link.Status{Adapter: "hci1", Up: true, Scanning: true, Links: 2, Restarts: 3, LastPeer: b.started, Refused: map[string]uint64{"empty PDU": 4}})
		old := b.sold(3, payment.Provisional)
		b.sold(5, payment.Awaiting)
		b.sold(7, payment.Settled)
		open := b.sold(9, payment.Open)
		got := statusOf(t, b)
		cert := b.self.Load().cert.Body
		want := &devicev1.Status{
			Version: "1.2.3", Role: paymentv1.Role_ROLE_BUSINESS, DisplayName: "Till 2",
			StartedAt: stamp(b.started), TrustedTime: stamp(time.Now()),
			Identity: &devicev1.Identity{
				State:    devicev1.AuthenticationState_AUTHENTICATION_STATE_ENROLLED,
				DeviceId: namedID("device").String(), BusinessName: "Kiosk", BusinessId: namedID("shop").String(),
				ValidUntil: stamp(time.UnixMilli(cert.NotAfterMs)), BackendUrl: "https://other.test",
			},
			Radio: &devicev1.RadioStatus{
				Driver: "sim", Adapter: "hci1", Ready: true, Scanning: true, Links: 2, Restarts: 3, LastPeer: stamp(b.started),
				Refused: map[string]uint64{"empty PDU": 4},
			},
			Backend: &devicev1.BackendStatus{
				Url: "https://other.test", BundleEpoch: 1, BundleTime: stamp(b.self.Load().trust.SignedAt()),
			},
			Store: &devicev1.StoreStatus{Writable: true, Bytes: got.GetStore().GetBytes(), SchemaVersion: 3, LastSequence: 7},
			Unsynced: []*devicev1.Unsynced{
				{Currency: "USD", Count: 2, Amount: "26.00", Guaranteed: "5.00", AtRisk: "8.00"},
			},
			OldestUnsynced: stamp(old.CreatedAt), UnsyncedDeadline: stamp(old.CreatedAt.Add(15 * 24 * time.Hour)),
			Limits:   []*devicev1.Limit{{Currency: "USD", PaymentMax: "20.00", TotalMax: "500.00", CounterpartyMax: "500.00"}},
			CountMax: 100, OfflineUntil: stamp(b.self.Load().trust.SignedAt().Add(72 * time.Hour)),
			OpenPaymentId: open.ID.String(), Outbox: 2,
			NextStep: "nothing to do here. A payment is open: the customer accepts it on their device.",
		}
		wantMessage(t, "status", got, want)
		if got.GetStore().GetBytes() < 4096 {
			t.Errorf("store of %d bytes", got.GetStore().GetBytes())
		}
	})
}

func TestStatusOfACustomer(t *testing.T) {
	b := withHistory(t, asCustomer, payment.Authorized, payment.Settled)
	got := statusOf(t, b)
	if n := got.GetUnsynced(); len(n) != 1 || n[0].GetCount() != 1 || n[0].GetAmount() != "13.00" || n[0].GetAtRisk() != "0.00" {
		t.Errorf("unsynced %v", n)
	}
	if got.GetIdentity().GetBusinessId() != "" || got.GetOpenPaymentId() != "" || got.GetRole() != paymentv1.Role_ROLE_CUSTOMER {
		t.Errorf("status %v", got)
	}
	if want := "connect a network and set funds aside: `vipasoctl preauth create AMOUNT CUR --instrument ID`."; got.GetNextStep() != want {
		t.Errorf("next step %q", got.GetNextStep())
	}
}

func TestStatusOfANewDevice(t *testing.T) {
	b := newBench(t, asTill, func(o *Options, p *papers) {
		notEnrolled(o, p)
		o.Radio, o.RadioReason = nil, "ADAPTER_NOT_CONFIGURED"
	})
	got := statusOf(t, b)
	wantMessage(t, "identity", got.GetIdentity(), &devicev1.Identity{State: devicev1.AuthenticationState_AUTHENTICATION_STATE_NOT_ENROLLED})
	wantMessage(t, "backend", got.GetBackend(), &devicev1.BackendStatus{})
	wantMessage(t, "radio", got.GetRadio(), &devicev1.RadioStatus{
		Driver: "sim", Reason: "ADAPTER_NOT_CONFIGURED", Detail: "No Bluetooth adapter is named in the configuration.",
	})
	if got.GetNextStep() != "enroll this device: `vipasoctl enroll --backend URL --ca FILE --code CODE`." {
		t.Errorf("next step %q", got.GetNextStep())
	}
	if len(got.GetLimits())+len(got.GetUnsynced()) > 0 || got.GetStore().GetLastSequence() != 0 {
		t.Errorf("status %v", got)
	}
}

// Enrolled means that it may pay and be paid: a device that may sign nothing
// new is shown as locked, whatever the cause, and the next step names it.
func TestStatusOfALockedDevice(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Options, *papers)
		reason string
	}{
		{"its certificate has ended", func(_ *Options, p *papers) { p.cert.NotAfterMs = time.Now().Add(-time.Second).UnixMilli() }, "CERT_EXPIRED"},
		{"it was revoked", func(_ *Options, p *papers) {
			p.bundle.RevokedDevices = [][]byte{p.cert.DeviceId}
		}, "DEVICE_REVOKED"},
	} {
		b := newBench(t, asTill, tt.change)
		got := statusOf(t, b)
		if got.GetIdentity().GetState() != devicev1.AuthenticationState_AUTHENTICATION_STATE_LOCKED || got.GetNextStep() != nextOf(tt.reason) {
			t.Errorf("%s: %s, next step %q", tt.name, got.GetIdentity().GetState(), got.GetNextStep())
		}
		if f := b.checkEnrollment(t.Context()); f.result != isFailed || f.reason != tt.reason {
			t.Errorf("%s: the doctor finds %+v", tt.name, f)
		}
	}
}

// A reader who begins to watch where the status ends misses nothing and is not
// refused: an event that is stored but not told yet is not in the status.
func TestStatusIsNotAheadOfTheEvents(t *testing.T) {
	b := newBench(t, asTill, nil)
	b.sold(1, payment.Settled)
	if err := b.store.Commit(t.Context(), &store.Change{Events: []*paymentv1.Event{deviceEvent("ENROLLED", "")}}); err != nil {
		t.Fatal(err)
	}
	last := statusOf(t, b).GetStore().GetLastSequence()
	if last != 2 {
		t.Errorf("status speaks of event %d, 2 were told", last)
	}
	if _, err := b.hub.next(t.Context(), last, true); err != nil {
		t.Errorf("events after the status: %v", err)
	}
}

// A watched status is told at once, again when something has changed, and
// never more often than four times a second.
func TestWatchStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asTill, nil)
		begun := time.Now()
		var at []time.Duration
		var last *devicev1.Status
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- b.watchStatus(ctx, func(st *devicev1.Status) error {
				at, last = append(at, time.Since(begun)), st
				return nil
			})
		}()
		synctest.Wait()
		if len(at) != 1 || at[0] != 0 {
			t.Fatalf("snapshot at %v", at)
		}
		pause(ctx, time.Minute)
		if len(at) != 1 {
			t.Errorf("%d messages in a minute without a change", len(at))
		}
		at = nil
		begun = time.Now()
		for n := range 40 { // for two seconds, something every 50 ms
			b.sold(n, payment.Settled)
			pause(ctx, 50*time.Millisecond)
		}
		pause(ctx, time.Second)
		if last.GetStore().GetLastSequence() != 80 {
			t.Errorf("the last message is about event %d of 80", last.GetStore().GetLastSequence())
		}
		for i := range at[1:] {
			if gap := at[i+1] - at[i]; gap < statusPause {
				t.Errorf("messages %s apart", gap)
			}
		}
		if len(at) < 7 || len(at) > 10 {
			t.Errorf("%d messages of two busy seconds: %v", len(at), at)
		}
		// A radio tells nobody when it changes.
		b.radio.set(link.Status{Reason: "ADAPTER_DOWN"})
		pause(ctx, statusEvery)
		synctest.Wait()
		if last.GetRadio().GetReason() != "ADAPTER_DOWN" {
			t.Errorf("the radio's failure is not told: %v", last.GetRadio())
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestWatchStatusEndsWithItsReader(t *testing.T) {
	b := newBench(t, asTill, nil)
	left := errors.New("left")
	if err := b.watchStatus(t.Context(), func(*devicev1.Status) error { return left }); !errors.Is(err, left) {
		t.Errorf("got %v", err)
	}
	if err := b.watchIdentity(t.Context(), func(*devicev1.Identity) error { return left }); !errors.Is(err, left) {
		t.Errorf("got %v", err)
	}
}

// Who the device is, is told at once and at each change, also when a
// certificate ends and nobody says so.
func TestWatchIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asTill, func(_ *Options, p *papers) { p.cert.NotAfterMs = time.Now().Add(time.Hour).UnixMilli() })
		var got []devicev1.AuthenticationState
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- b.watchIdentity(ctx, func(id *devicev1.Identity) error {
				got = append(got, id.GetState())
				return nil
			})
		}()
		pause(ctx, 2*time.Hour)
		if err := b.logout(ctx, store.Call{RequestID: namedID("call"), Method: methodLogout}, false); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		cancel()
		<-ended
		want := []devicev1.AuthenticationState{
			devicev1.AuthenticationState_AUTHENTICATION_STATE_ENROLLED, devicev1.AuthenticationState_AUTHENTICATION_STATE_LOCKED,
			devicev1.AuthenticationState_AUTHENTICATION_STATE_NOT_ENROLLED,
		}
		if !slices.Equal(got, want) {
			t.Errorf("told %v, want %v", got, want)
		}
	})
}

// Whoever watches the device hears of a change of the backend's state also if
// nobody listened to that just then.
func TestNoChangeOfTheBackendIsMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asTill, nil)
		changed := b.changed.wait()
		b.SetOffline(true)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.relay(ctx) }()
		synctest.Wait()
		select {
		case <-changed:
		default:
			t.Error("nobody was told")
		}
		stop()
		<-done
	})
}
