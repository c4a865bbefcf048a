package device

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"

	"github.com/vipaso/vipasod/cmd/internal/backend"
)

// TestACustomerWhomTheTillCannotJudge: her issuer key is one that the till has
// not heard of. She is dialled four times in a minute, under one identifier, and
// keeps nobody waiting: neither who was there before her, nor who comes later.
func TestACustomerWhomTheTillCannotJudge(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		bob, card := r.payer("bob", "40.00")
		setOffline(true, till, bob)
		_, err := backend.RotateIssuer(r.ctx, filepath.Join(r.dir, "backend"), r.admin, 0)
		r.must(err)
		r.ears = &ears{name: "eve"}
		eve, _ := r.payer("eve", "40.00")
		setOffline(true, eve)
		eve.listen(r.ctx)
		var dials atomic.Int32
		till.radio.onAnswer(func() { dials.Add(1) })

		result := till.ask(&businessv1.SendPaymentRequestViaBleRequest{
			RequestId: uuid.NewString(), Amount: "2.00", Currency: "USD", Policy: offline, Timeout: durationpb.New(2 * time.Minute),
		})
		<-time.After(time.Minute)
		if n := dials.Load(); n != 4 {
			t.Errorf("she was dialled %d times in a minute", n)
		}
		begun := time.Now()
		asked := r.received(bob.listen(r.ctx))
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("Bob was asked after %s", took)
		}
		bob.accept(asked, card)
		if got := r.result(result); got.GetPaymentSuccessful() == nil {
			t.Fatal(got)
		}
		r.ears.mu.Lock()
		if n := len(r.ears.ads); n != 1 {
			t.Errorf("she had %d identifiers", n)
		}
		r.ears.mu.Unlock()

		dials.Store(0)
		events := bob.listen(r.ctx)
		result = till.request("3.00", offline) // both are there
		begun = time.Now()
		asked = r.received(events)
		if took := time.Since(begun); took > 2*time.Second || dials.Load() > 2 {
			t.Errorf("Bob was asked after %s and %d dials", took, dials.Load())
		}
		_, err = till.business.CancelPayment(r.ctx, &businessv1.CancelPaymentRequest{RequestId: uuid.NewString(), PaymentId: asked.PaymentId})
		r.must(err)
		r.result(result)
		r.balanced(nil, till, bob)
	})
}
