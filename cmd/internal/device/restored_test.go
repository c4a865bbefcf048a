package device

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// backup copies a device's store and returns the copy's path.
func (p *party) backup() string {
	p.rig.t.Helper()
	path := filepath.Join(p.rig.t.TempDir(), "copy.db")
	p.rig.must(p.node.Store.Backup(p.rig.ctx, path))
	return path
}

// putBack replaces a device's store by an older copy and starts the device
// again, without a network.
func (p *party) putBack(copied string) *party {
	p.rig.t.Helper()
	p.stop()
	p.rig.must(os.Rename(copied, filepath.Join(p.rig.dir, p.name, "store.db")))
	p.rig.cut = true
	p = p.rig.start(p.name, p.role)
	p.says("LOCKED", func() {})
	return p
}

// unlocks brings a locked device online and waits until it may sign again.
func (p *party) unlocks() {
	p.rig.t.Helper()
	p.says("UNLOCKED", func() { setOffline(false, p) })
}

// says does something and waits until the device has logged what.
func (p *party) says(what string, do func()) {
	p.rig.t.Helper()
	ctx, cancel := context.WithTimeout(p.rig.ctx, patience)
	defer cancel()
	stream, err := p.device.WatchEvents(ctx, &devicev1.WatchEventsRequest{})
	p.rig.must(err)
	_, err = stream.Header()
	p.rig.must(err)
	do()
	log, err := p.node.Store.Events(ctx, 0, 1000)
	p.rig.must(err)
	for _, e := range log {
		if e.GetDeviceChanged().GetWhat() == what {
			return
		}
	}
	for {
		m, err := stream.Recv()
		p.rig.must(err)
		if m.Event.GetDeviceChanged().GetWhat() == what {
			return
		}
	}
}

func (p *party) state() devicev1.AuthenticationState {
	p.rig.t.Helper()
	got, err := p.device.GetStatus(p.rig.ctx, &devicev1.GetStatusRequest{})
	p.rig.must(err)
	return got.Status.Identity.State
}

// TestTillPutBack: a till has been paid, and then its store of before is put
// back. It signs nothing against what it has forgotten, and is paid.
func TestTillPutBack(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		events := ann.listen(r.ctx)
		setOffline(true, till, ann)
		result := till.request("5.00", offline)
		asked := r.received(events)
		before := till.backup()
		ann.accept(asked, card)
		if got := r.result(result); got.GetPaymentSuccessful() == nil {
			t.Fatal(got)
		}
		ann.reaches(asked.PaymentId, provisional)
		ann.stop()

		till = till.putBack(before)
		if s := till.state(); s != devicev1.AuthenticationState_AUTHENTICATION_STATE_LOCKED {
			t.Errorf("the till is %s", s)
		}
		if p := till.payment(asked.PaymentId); p.State != expired || p.Reason != "DEVICE_LOCKED" {
			t.Errorf("the open payment is %s, %s", p.State, p.Reason)
		}
		_, err := till.business.SendPaymentRequestViaBle(r.ctx, &businessv1.SendPaymentRequestViaBleRequest{
			RequestId: uuid.NewString(), Amount: "1.00", Currency: "USD", Policy: offline,
		})
		if reason(err) != "DEVICE_LOCKED" {
			t.Errorf("a locked till asks: %v", err)
		}

		till.unlocks()
		ann = ann.restart()
		r.balanced(map[string]int64{asked.PaymentId: 500}, till, ann)
		setOffline(true, till, ann)
		events = ann.listen(r.ctx)
		result = till.request("2.00", offline)
		next := r.received(events)
		ann.accept(next, card)
		if got := r.result(result); got.GetPaymentSuccessful() == nil {
			t.Error(got)
		}
		r.balanced(map[string]int64{asked.PaymentId: 500, next.PaymentId: 200}, till, ann)
	})
}

// TestLogoutKeepsTheLock: what a device has forgotten does not come back with
// another name.
func TestLogoutKeepsTheLock(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		before := till.backup()
		setOffline(true, till)
		_, err := till.business.SendPaymentRequestViaBle(r.ctx, &businessv1.SendPaymentRequestViaBleRequest{
			RequestId: uuid.NewString(), Amount: "1.00", Currency: "USD", Policy: offline, Timeout: durationpb.New(1e9),
		})
		r.must(err)
		till = till.putBack(before)
		_, err = till.device.Logout(r.ctx, &devicev1.LogoutRequest{RequestId: uuid.NewString(), Force: true})
		r.must(err)
		if id, err := till.node.Store.Identity(r.ctx); err != nil || id.Enrolled() || !id.Locked {
			t.Errorf("after the logout: enrolled %v, locked %v: %v", id.Enrolled(), id.Locked, err)
		}
	})
}

// TestVoucherOfBeforePutBack: a customer's voucher was on its way when the till
// cancelled, and the till's store of before is put back. The till has
// forgotten the Cancel, and says that it does not know.
func TestVoucherOfBeforePutBack(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		events := ann.listen(r.ctx)
		setOffline(true, till, ann)
		till.request("5.00", offline)
		asked := r.received(events)
		before := till.backup()
		stop := r.silence()
		if p := ann.accept(asked, card); p.State != authorized {
			t.Fatal(p.State)
		}
		_, err := till.business.CancelPayment(r.ctx, &businessv1.CancelPaymentRequest{RequestId: uuid.NewString(), PaymentId: asked.PaymentId})
		r.must(err)
		till = till.putBack(before)
		till.unlocks()
		stop()
		setOffline(true, till)
		result := till.request("2.00", offline) // ann tells of the earlier one first
		next := r.received(events)
		ann.accept(next, card)
		if got := r.result(result); got.GetPaymentSuccessful() == nil {
			t.Fatal(got)
		}
		if p := ann.payment(asked.PaymentId); p.State != authorized {
			t.Errorf("what nobody knows is %s", p.State)
		}
		r.balanced(map[string]int64{asked.PaymentId: 0, next.PaymentId: 200}, till)
	})
}

// TestWalletPutBack: a customer has paid, and then its store of before is put
// back. It signs no second voucher under a counter that it has used.
func TestWalletPutBack(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		events := ann.listen(r.ctx)
		setOffline(true, till, ann)
		before := ann.backup()
		setOffline(false, ann)
		later := &customerv1.PreAuthorizeInstrumentRequest{RequestId: uuid.NewString(), InstrumentId: card, Amount: "30.00", Currency: "USD"}
		_, err := ann.customer.PreAuthorizeInstrument(r.ctx, later)
		r.must(err)
		setOffline(true, ann)
		result := till.request("5.00", offline)
		asked := r.received(events)
		ann.accept(asked, card)
		if got := r.result(result); got.GetPaymentSuccessful() == nil {
			t.Fatal(got)
		}

		ann = ann.putBack(before)
		if s := ann.state(); s != devicev1.AuthenticationState_AUTHENTICATION_STATE_LOCKED {
			t.Errorf("the customer is %s", s)
		}
		held := ann.preauths()
		for _, a := range held {
			if !a.Voided {
				t.Errorf("a locked customer's pre-authorization %s is not voided", a.ID())
			}
		}
		ann.unlocks()
		got, err := ann.customer.PreAuthorizeInstrument(r.ctx, later)
		if s := got.GetAuthorization().GetStatus(); err != nil || s != customerv1.VipasoPreAuthorizationStatus_VIPASO_PRE_AUTHORIZATION_STATUS_VOIDED {
			t.Errorf("what was forgotten comes back as %s: %v", s, err)
		}
		r.settled(ann) // brings the newest bundle
		who, err := ann.node.Store.Identity(r.ctx)
		r.must(err)
		trust, err := preauth.OpenTrust(who.RootKey, who.TrustBundle)
		r.must(err)
		for _, a := range held {
			if !slices.Contains(trust.Bundle.Body.RevokedSerials, a.Cert.Body.Serial) {
				t.Errorf("tills are not told that %s is void", a.ID())
			}
		}
		instrument, err := preauth.ParseID(card)
		r.must(err)
		ann.preAuthorize(instrument, "10.00")
		setOffline(true, ann)
		events = ann.listen(r.ctx)
		result = till.request("2.00", offline)
		next := r.received(events)
		ann.accept(next, card)
		if got := r.result(result); got.GetPaymentSuccessful() == nil {
			t.Fatal(got)
		}
		r.balanced(map[string]int64{asked.PaymentId: 500, next.PaymentId: 200}, till, ann)
	})
}

func (p *party) preauths() []store.Authorization {
	p.rig.t.Helper()
	all, err := p.node.Store.Authorizations(p.rig.ctx)
	p.rig.must(err)
	return all
}
