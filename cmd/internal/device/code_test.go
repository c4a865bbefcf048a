package device

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
)

// TestBothScreensShowTheCode: while a customer decides, the till is told the
// same four digits as the customer.
func TestBothScreensShowTheCode(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, _ := r.payer("ann", "100.00")
		events := ann.listen(r.ctx)
		stream, err := till.business.StreamPaymentRequest(r.ctx, &businessv1.StreamPaymentRequestRequest{Request: &businessv1.SendPaymentRequestViaBleRequest{
			RequestId: uuid.NewString(), Amount: "1.00", Currency: "USD", Timeout: durationpb.New(time.Minute),
		}})
		r.must(err)
		var shown *businessv1.Progress
		for shown.GetStep() != businessv1.ProgressStep_PROGRESS_STEP_REQUEST_SHOWN {
			m, err := stream.Recv()
			r.must(err)
			shown = m.GetProgress()
		}
		if code := r.received(events).GetCode(); len(code) != 4 || shown.GetDetail() != "code "+code {
			t.Errorf("the till shows %q, the customer %q", shown.GetDetail(), code)
		}
	})
}
