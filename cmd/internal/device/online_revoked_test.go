package device

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"

	"github.com/vipaso/vipasod/preauth"
)

// TestAnOnlineTillHearsOfARevocation: a till that has a network knows within a
// minute that a customer's device is revoked, also where the caller wants the
// payment offline: asking the backend at random would tell it nothing more. A
// till without one takes the device for good.
func TestAnOnlineTillHearsOfARevocation(t *testing.T) {
	for _, online := range []bool{true, false} {
		t.Run(fmt.Sprint("online ", online), func(t *testing.T) {
			play(t, func(t *testing.T, r *rig) {
				till := r.till("till")
				ann, card := r.payer("ann", "40.00")
				setOffline(true, till, ann)
				r.pays(till, ann, "1.00", card)
				setOffline(!online, till)
				id, err := preauth.ParseID(ann.status().GetIdentity().GetDeviceId())
				r.must(err)
				r.must(r.admin.RevokeDevice(r.ctx, id))
				<-time.After(time.Minute)
				if !online {
					r.pays(till, ann, "2.00", card)
					return
				}
				ann.listen(r.ctx)
				got := r.result(till.ask(&businessv1.SendPaymentRequestViaBleRequest{
					RequestId: uuid.NewString(), Amount: "2.00", Currency: "USD", Policy: offline, Timeout: durationpb.New(10 * time.Second),
				}))
				if got.GetPaymentFailed() == nil {
					t.Errorf("a revoked device has paid: %v", got)
				}
				if refused := till.status().GetRadio().GetRefused(); refused["peer identity refused"] == 0 {
					t.Errorf("refused for another reason: %v", refused)
				}
			})
		})
	}
}
