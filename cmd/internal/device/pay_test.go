package device

import (
	"testing"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/daemon"
)

// TestPaymentCostsTwoMessagesAndThreeCommits: from AcceptPayment to the
// Receipt there are one message and one commit on either side; the customer's
// commit of the Receipt is the third.
func TestPaymentCostsTwoMessagesAndThreeCommits(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "100.00")
		till.node.Device.SetOffline(true)
		ann.node.Device.SetOffline(true)
		events := ann.listen(r.ctx)
		for range 3 {
			result := till.request("1.00", businessv1.Policy_POLICY_FORCE_OFFLINE)
			asked := r.received(events)
			before := [2]daemon.Counters{till.counters(), ann.counters()}
			paid := ann.accept(asked, card)
			got := <-result
			after := [2]daemon.Counters{till.counters(), ann.counters()}
			if got.GetPaymentSuccessful() == nil || paid.State != paymentv1.PaymentState_PAYMENT_STATE_PROVISIONAL {
				t.Fatalf("till: %v, customer: %v", got, paid.State)
			}
			want := [2]daemon.Counters{{Messages: 1, Commits: 1}, {Messages: 1, Commits: 2}}
			for i, who := range []string{"till", "customer"} {
				if c := (daemon.Counters{Messages: after[i].Messages - before[i].Messages, Commits: after[i].Commits - before[i].Commits}); c != want[i] {
					t.Errorf("%s: %+v, want %+v", who, c, want[i])
				}
			}
		}
	})
}
