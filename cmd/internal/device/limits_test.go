package device

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"

	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// synchronize brings devices and the backend to agreement.
func synchronize(all ...*party) {
	for _, p := range all {
		p.rig.t.Helper()
		_, err := p.device.SyncNow(p.rig.ctx, &devicev1.SyncNowRequest{})
		p.rig.must(err)
	}
}

// TestLimitsOfTheOperator: what the operator sets reaches both devices when
// they synchronize, and bounds what one customer pays at one till until that
// is settled. What a manager allows meanwhile, the operator can read later.
func TestLimitsOfTheOperator(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "100.00")
		r.must(r.admin.SetLimits(r.ctx, "USD", func(all *peerv1.DeviceCert, in *peerv1.Cap) {
			in.CounterpartyMax, in.EmergencyPaymentMax, all.EmergencyMaxMs = 30_00, 60_00, time.Hour.Milliseconds()
		}))
		synchronize(till, ann)
		setOffline(true, till, ann)
		events := ann.listen(r.ctx)
		r.buys(till, ann, card, "20.00", events)

		result := till.request("12.00", offline)
		asked := r.received(events)
		_, err := ann.customer.AcceptPayment(r.ctx, &customerv1.AcceptPaymentRequest{
			RequestId: uuid.NewString(), PaymentId: asked.PaymentId, Amount: asked.Amount, Currency: asked.Currency, InstrumentId: card,
		})
		if err == nil || !strings.Contains(err.Error(), "12.00 USD on top of 20.00 with this device, at most 30.00") {
			t.Fatalf("32.00 at one till: %v", err)
		}
		resp, err := till.device.Allow(r.ctx, &devicev1.AllowRequest{
			RequestId: uuid.NewString(), Kind: devicev1.AllowanceKind_ALLOWANCE_KIND_EMERGENCY, Reason: "flood", For: durationpb.New(4 * time.Hour),
		})
		r.must(err)
		if a := resp.GetAllowance(); a.GetUntil().AsTime().Sub(a.GetSince().AsTime()) != time.Hour {
			t.Errorf("an emergency %v", a)
		}
		setOffline(false, till, ann)
		synchronize(till, ann)
		if p := ann.accept(asked, card); p.State != provisional && p.State != settledNow {
			t.Errorf("when the first is settled: %s", p.State)
		}
		if got := r.result(result); got.GetPaymentSuccessful() == nil {
			t.Error(got)
		}
		audit, err := r.admin.Audit(r.ctx)
		r.must(err)
		if len(audit) != 1 || audit[0].Kind != "EMERGENCY" || audit[0].Reason != "flood" {
			t.Errorf("audit %+v", audit)
		}
	})
}
