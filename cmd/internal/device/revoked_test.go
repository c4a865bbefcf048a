package device

import (
	"strings"
	"testing"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/preauth"
)

// TestRevokedDeviceSaysSo: a device that the backend has revoked learns it when
// it is refused, for no bundle reaches it any more. It says so wherever
// somebody looks, also without a network, and pays no more; what it has
// promised is handed in.
func TestRevokedDeviceSaysSo(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		events := ann.listen(r.ctx)
		setOffline(true, till, ann)
		result := till.request("2.00", offline)
		first := r.received(events)
		ann.accept(first, card)
		if got := r.result(result); got.GetPaymentSuccessful() == nil {
			t.Fatal(got)
		}
		result = till.request("3.00", offline)
		second := r.received(events)
		id, err := preauth.ParseID(ann.status().GetIdentity().GetDeviceId())
		r.must(err)
		r.must(r.admin.RevokeDevice(r.ctx, id))
		setOffline(false, ann)
		r.settled(ann)
		if got := r.paid(first.PaymentId); got != 200 {
			t.Errorf("%d paid of what was promised before", got)
		}
		setOffline(true, ann)

		st := ann.status()
		if st.GetIdentity().GetState() != devicev1.AuthenticationState_AUTHENTICATION_STATE_LOCKED || !strings.Contains(st.GetNextStep(), "device list") {
			t.Errorf("status: %s, next step %q", st.GetIdentity().GetState(), st.GetNextStep())
		}
		ready, err := ann.customer.CheckReadiness(r.ctx, &paymentv1.CheckReadinessRequest{})
		r.must(err)
		if p := ready.GetProblems(); ready.GetReady() || len(p) != 1 || p[0].GetReason() != "DEVICE_REVOKED" || p[0].GetNextStep() == "" {
			t.Errorf("readiness: %v", ready)
		}
		checks, err := ann.device.Diagnose(r.ctx, &devicev1.DiagnoseRequest{})
		r.must(err)
		for _, c := range checks.GetChecks() {
			if c.GetName() == "enrollment" && (c.GetReason() != "DEVICE_REVOKED" || c.GetNextStep() == "") {
				t.Errorf("doctor: %v", c)
			}
		}
		if _, err := ann.customer.AcceptPayment(r.ctx, acceptance(second, card)); reason(err) != "DEVICE_REVOKED" {
			t.Errorf("accepted all the same: %v", err)
		}
		ann.decline(second) // a no costs nobody anything
		r.result(result)
	})
}
