package device

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
)

// TestProgressOfADeclinedRequest: somebody who says no is not shown as
// somebody whose voucher is being checked; the one who pays then is.
func TestProgressOfADeclinedRequest(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, _ := r.payer("ann", "100.00")
		ben, card := r.payer("ben", "100.00")
		events, others := ann.listen(r.ctx), ben.listen(r.ctx)
		stream, err := till.business.StreamPaymentRequest(r.ctx, &businessv1.StreamPaymentRequestRequest{Request: &businessv1.SendPaymentRequestViaBleRequest{
			RequestId: uuid.NewString(), Amount: "1.00", Currency: "USD", Timeout: durationpb.New(time.Minute),
		}})
		r.must(err)
		asked := r.received(others)
		ann.decline(r.received(events))
		var steps []businessv1.ProgressStep
		for {
			m, err := stream.Recv()
			r.must(err)
			if m.GetResult() != nil {
				break
			}
			step := m.GetProgress().GetStep()
			if steps = append(steps, step); step == businessv1.ProgressStep_PROGRESS_STEP_DECLINED {
				ben.accept(asked, card)
			}
		}
		want := []businessv1.ProgressStep{
			businessv1.ProgressStep_PROGRESS_STEP_DECLINED, businessv1.ProgressStep_PROGRESS_STEP_AUTHORIZING, businessv1.ProgressStep_PROGRESS_STEP_STORED,
		}
		if got := slices.DeleteFunc(slices.Clone(steps), func(s businessv1.ProgressStep) bool { return !slices.Contains(want, s) }); !slices.Equal(got, want) {
			t.Errorf("told %v, want %v among them and no more of these", steps, want)
		}
	})
}
