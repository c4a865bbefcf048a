package device

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"

	"github.com/vipaso/vipasod/preauth"
)

// TestATillThatMayNotSellAnyMoreSaysSo: a till whose certificate has ended, or
// that was revoked, since it asked takes nothing, but says so in the same
// session: the customer's money is free at once, and not only when the till is
// certified again.
func TestATillThatMayNotSellAnyMoreSaysSo(t *testing.T) {
	for code, end := range map[string]func(r *rig, till *party, set func(time.Duration)){
		"CERT_EXPIRED": func(_ *rig, _ *party, set func(time.Duration)) { set(year) },
		"DEVICE_REVOKED": func(r *rig, till *party, _ func(time.Duration)) {
			id, err := preauth.ParseID(till.status().GetIdentity().GetDeviceId())
			r.must(err)
			r.must(r.admin.RevokeDevice(r.ctx, id))
			setOffline(false, till)
			_, _ = till.device.SyncNow(r.ctx, &devicev1.SyncNowRequest{}) // is refused
		},
	} {
		t.Run(code, func(t *testing.T) {
			play(t, func(t *testing.T, r *rig) {
				set := r.clocks()
				till := r.till("till")
				r.wall = nil
				ann, card := r.payer("ann", "40.00")
				setOffline(true, till, ann)
				events := ann.listen(r.ctx)
				result := till.ask(&businessv1.SendPaymentRequestViaBleRequest{
					RequestId: uuid.NewString(), Amount: "3.00", Currency: "USD", Policy: offline, Timeout: durationpb.New(10 * time.Second),
				})
				asked := r.received(events)
				end(r, till, set)
				if p := ann.accept(asked, card); p.State != cancelled || p.Reason != code {
					t.Errorf("%s %s", p.State, p.Reason)
				}
				if held, spent := ann.held(); held+spent != 0 {
					t.Errorf("held %d, spent %d", held, spent)
				}
				if got := r.result(result); got.GetPaymentSuccessful() != nil {
					t.Errorf("paid: %v", got)
				}
			})
		})
	}
}
