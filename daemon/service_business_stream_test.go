package daemon

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// Progress comes in order, with the payment in every message, and the result
// last, however it hurries.
func TestStreamPaymentRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asTill, nil).run()
		client := b.business(cashier)
		stream, id := streaming(t, t.Context(), client, asking("call"))
		sale, err := preauth.ParseID(id)
		if err != nil {
			t.Fatal(err)
		}
		steps := []businessv1.ProgressStep{
			businessv1.ProgressStep_PROGRESS_STEP_CUSTOMER_CONNECTED, businessv1.ProgressStep_PROGRESS_STEP_REQUEST_SHOWN,
			businessv1.ProgressStep_PROGRESS_STEP_DECLINED,
		}
		b.till.progress.tell(namedID("another payment"), steps[0], 1, "")
		for _, s := range steps {
			b.till.progress.tell(sale, s, 2, "not my order")
		}
		if _, err := client.CancelPayment(t.Context(), &businessv1.CancelPaymentRequest{RequestId: namedID("cancel").String(), PaymentId: id}); err != nil {
			t.Fatal(err)
		}
		for _, want := range steps {
			m, err := stream.Recv()
			if err != nil || m.GetPaymentId() != id || m.GetProgress().GetStep() != want || m.GetProgress().GetCustomers() != 2 || m.GetProgress().GetDetail() != "not my order" {
				t.Errorf("%v %v, want %s", m, err, want)
			}
		}
		m, err := stream.Recv()
		if err != nil || m.GetPaymentId() != id || m.GetResult().GetPaymentCancelled().GetReason() != "USER" {
			t.Errorf("the end: %v %v", m, err)
		}
		if _, err := stream.Recv(); err != io.EOF {
			t.Errorf("after the end: %v", err)
		}
		b.till.progress.mu.Lock()
		defer b.till.progress.mu.Unlock()
		if len(b.till.progress.subs) != 0 {
			t.Error("somebody still listens for progress")
		}
	})
}

// heavy is a stream whose client takes its time over the second message.
type heavy struct {
	grpc.ServerStreamingServer[businessv1.StreamPaymentRequestResponse]
	ctx     context.Context
	release chan struct{}
	sent    []*businessv1.StreamPaymentRequestResponse
}

func (h *heavy) Context() context.Context { return h.ctx }

func (h *heavy) Send(m *businessv1.StreamPaymentRequestResponse) error {
	if h.sent = append(h.sent, m); len(h.sent) == 2 {
		<-h.release
	}
	return nil
}

// Steps that were told before the end come before the result, also to a
// client that has yet to read them.
func TestStreamPaymentRequestSaysEverythingFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asTill, nil).run()
		service, h := newBusinessService(b.Device), &heavy{ctx: t.Context(), release: make(chan struct{})}
		done := make(chan error)
		go func() {
			done <- service.StreamPaymentRequest(&businessv1.StreamPaymentRequestRequest{Request: asking("call")}, h)
		}()
		synctest.Wait()
		sale, _, err := b.store.OpenSale(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		const steps = 20
		for range steps {
			b.till.progress.tell(sale.ID, businessv1.ProgressStep_PROGRESS_STEP_REQUEST_SHOWN, 1, "")
		}
		if _, err := b.withdraw(t.Context(), sale.ID, nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		close(h.release)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if len(h.sent) != steps+2 || h.sent[steps+1].GetResult() == nil {
			t.Errorf("%d messages, last %v, want %d and the result last", len(h.sent), h.sent[len(h.sent)-1], steps+2)
		}
	})
}

// A step is told before the lock under which it was stored is free, so that no
// result overtakes it.
func TestAStepIsToldWithItsCommit(t *testing.T) {
	b := newBench(t, asTill, nil)
	ask := store.Ask{
		Ask: payment.Ask{Request: namedHash("ann")}, Payment: b.opened().ID, Customer: namedID("ann"),
		RequestBytes: []byte{1}, CustomerCert: []byte{1}, Currency: "USD", CreatedAt: time.Now(),
	}
	b.change(&store.Change{Asks: []store.Ask{ask}})
	sale, err := b.store.Sale(t.Context(), ask.Payment)
	if err != nil {
		t.Fatal(err)
	}
	steps, stop := b.till.progress.subscribe(sale.ID)
	defer stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	in := payment.BusinessInput{Event: payment.CustomerSaidNo, Request: ask.Request, Reason: "no"}
	if _, _, err := b.storeSale(t.Context(), sale, saleStep{in: in}); err != nil {
		t.Fatal(err)
	}
	select {
	case p := <-steps:
		if p.GetStep() != businessv1.ProgressStep_PROGRESS_STEP_DECLINED || p.GetDetail() != "no" {
			t.Errorf("told %v", p)
		}
	default:
		t.Error("nothing was told")
	}
}
