package daemon

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/test/bufconn"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// office is a backend that answers what is handed in as the test says, and
// has no opinion of its own.
type office struct {
	backendv1.UnimplementedSettlementServiceServer
	t      testing.TB
	mu     sync.Mutex
	bundle *peerv1.TrustBundle
	// verdicts by request; a request without one is kept waiting.
	verdicts map[preauth.Hash]*peerv1.Verdict
	lies     bool           // about the sum
	voids    sync.WaitGroup // calls that are answered at the same time
	refuses  func() error   // what is handed in; nil takes it
}

// at returns a device that is enrolled at the office.
func (o *office) at(role peerv1.Role, states ...payment.State) *bench {
	o.t.Helper()
	cert, pemCA := serverCertificate(o.t)
	lis := bufconn.Listen(1 << 20)
	s := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&cert)))
	backendv1.RegisterSettlementServiceServer(s, o)
	go s.Serve(lis)
	o.t.Cleanup(s.Stop)
	b := newBench(o.t, role, func(opt *Options, _ *papers) {
		opt.DialBackend = func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }
	})
	o.bundle = newPapers(role, b.opt.Keys, time.Now()).bundle
	id := b.self.Load().Identity
	id.CA = pemCA
	b.mu.Lock()
	err := b.become(o.t.Context(), id, &store.Change{})
	b.mu.Unlock()
	must(o.t, err)
	for n, s := range states {
		if role == asTill {
			b.sold(n, s)
		} else {
			b.bought(n, s)
		}
	}
	return b
}

// serverCertificate is the backend's, and the CA file that vouches for it.
func serverCertificate(t testing.TB) (tls.Certificate, []byte) {
	t.Helper()
	key := fixedKey("tls")
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"backend.test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// says notes the verdict on a request.
func (o *office) says(request, voucher preauth.Hash, outcome peerv1.Outcome, amount int64, reason string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.verdicts == nil {
		o.verdicts = map[preauth.Hash]*peerv1.Verdict{}
	}
	o.verdicts[request] = &peerv1.Verdict{
		RequestHash: request[:], VoucherHash: voucher[:], Outcome: outcome, Amount: amount, Reason: reason, TimeMs: time.Now().UnixMilli(),
	}
}

func (o *office) Refresh(context.Context, *backendv1.RefreshRequest) (*backendv1.RefreshResponse, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bundle.ServerTimeMs = time.Now().UnixMilli()
	return &backendv1.RefreshResponse{TrustBundle: signedBy(o.t, "root", o.bundle).Bytes, Time: serverTime()}, nil
}

func (o *office) VoidPreAuthorization(context.Context, *backendv1.VoidPreAuthorizationRequest) (*backendv1.VoidPreAuthorizationResponse, error) {
	o.voids.Done()
	o.voids.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bundle.ServerTimeMs = time.Now().UnixMilli()
	return &backendv1.VoidPreAuthorizationResponse{TrustBundle: signedBy(o.t, "root", o.bundle).Bytes, Time: serverTime()}, nil
}

func serverTime() *backendv1.SignedTime {
	return &backendv1.SignedTime{ServerTimeMs: time.Now().UnixMilli()}
}

func (o *office) Submit(_ context.Context, req *backendv1.SubmitRequest) (*backendv1.SubmitResponse, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refuses != nil {
		return nil, o.refuses()
	}
	resp := &backendv1.SubmitResponse{Time: serverTime()}
	totals := map[peerv1.Outcome]*backendv1.Total{}
	for _, it := range req.GetItems() {
		r, err := preauth.Open[*peerv1.Request](it.GetRequest())
		if err != nil {
			return nil, err
		}
		v, ok := o.verdicts[r.Hash]
		if !ok {
			resp.Results = append(resp.Results, &backendv1.ItemResult{Error: "CLAIM_CONFLICT"})
			continue
		}
		resp.Results = append(resp.Results, &backendv1.ItemResult{Verdict: signedBy(o.t, "issuer", v).Bytes})
		sum := totals[v.Outcome]
		if sum == nil {
			sum = &backendv1.Total{Currency: "USD", Outcome: uint32(v.Outcome)}
			totals[v.Outcome] = sum
			resp.Totals = append(resp.Totals, sum)
		}
		sum.Count, sum.Sum, sum.Settled = sum.Count+1, sum.Sum+13_00, sum.Settled+v.Amount
		if o.lies {
			sum.Sum++
		}
	}
	return resp, nil
}

func syncClient(b *bench) paymentSync {
	if b.Device.business() {
		return b.business(cashier)
	}
	return b.customer(cashier)
}

// paymentSync is the part of both roles' clients that synchronizes.
type paymentSync interface {
	SyncPayments(context.Context, *paymentv1.SyncPaymentsRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[paymentv1.SyncPaymentsResponse], error)
}

// Each verdict comes as it is given, then count and sum; what has no verdict
// is only counted.
func TestSyncPayments(t *testing.T) {
	o := &office{t: t}
	b := o.at(asTill, payment.Provisional, payment.Provisional, payment.Provisional, payment.Settled)
	var requests []preauth.Hash
	for n := range 3 {
		s, err := b.store.Sale(t.Context(), paymentName(n))
		must(t, err)
		requests = append(requests, s.Winner)
	}
	voucher := func(n int) preauth.Hash {
		ask, err := b.store.Ask(t.Context(), requests[n])
		must(t, err)
		return ask.Voucher
	}
	o.says(requests[0], voucher(0), peerv1.Outcome_OUTCOME_SETTLED, 13_00, "")
	o.says(requests[1], voucher(1), peerv1.Outcome_OUTCOME_REJECTED, 0, "EXHAUSTED")
	stream, err := syncClient(b).SyncPayments(t.Context(), &paymentv1.SyncPaymentsRequest{})
	steps := drain(t, stream, err)
	if len(steps) != 3 {
		t.Fatalf("%d steps: %v", len(steps), steps)
	}
	wantMessage(t, "first verdict", steps[0].GetVerdict(), &paymentv1.SyncVerdict{
		PaymentId: paymentName(0).String(), RequestHash: requests[0].String(), Total: "13.00", SettledAmount: "13.00", Currency: "USD",
		State: paymentv1.PaymentState_PAYMENT_STATE_SETTLED,
	})
	wantMessage(t, "second verdict", steps[1].GetVerdict(), &paymentv1.SyncVerdict{
		PaymentId: paymentName(1).String(), RequestHash: requests[1].String(), Total: "13.00", SettledAmount: "0.00", Currency: "USD",
		State: paymentv1.PaymentState_PAYMENT_STATE_REJECTED, Reason: "EXHAUSTED",
	})
	wantMessage(t, "summary", steps[2].GetSummary(), &paymentv1.SyncSummary{Synced: 2, Remaining: 1, Totals: []*paymentv1.SyncTotal{
		{Currency: "USD", Verdict: "SETTLED", Count: 1, Sum: "13.00", SettledSum: "13.00"},
		{Currency: "USD", Verdict: "REJECTED", Count: 1, Sum: "13.00", SettledSum: "0.00"},
	}})
	if c := diagnosis(t, b)["outbox"]; c.GetResult() != isWarning || c.GetReason() != "CLAIM_CONFLICT" {
		t.Errorf("the doctor says of what remains: %v", c)
	}
}

// SyncNow is the same in one answer, and what it says is already so.
func TestSyncNow(t *testing.T) {
	o := &office{t: t}
	b := o.at(asCustomer, payment.Provisional)
	a, err := b.store.AttemptsOf(t.Context(), paymentName(0))
	must(t, err)
	one := a[0]
	one.ReceiptBytes, one.Receipt, one.Rev = receiptFor(t, one), true, 2
	b.change(&store.Change{Attempts: []store.Attempt{one}})
	o.says(one.Request, one.Voucher, peerv1.Outcome_OUTCOME_SETTLED, 13_00, "")
	resp, err := b.device(cashier).SyncNow(t.Context(), &devicev1.SyncNowRequest{})
	if err != nil || len(resp.GetVerdicts()) != 1 || resp.GetVerdicts()[0].GetState() != paymentv1.PaymentState_PAYMENT_STATE_SETTLED || resp.GetSummary().GetSynced() != 1 {
		t.Fatalf("%v (%v)", resp, err)
	}
	if st := statusOf(t, b); len(st.GetUnsynced()) > 0 || st.GetOutbox() > 0 || !st.GetBackend().GetOnline() || st.GetBackend().GetLastAnswer() == nil {
		t.Errorf("status afterwards %v", st)
	}
	again, err := b.device(cashier).SyncNow(t.Context(), &devicev1.SyncNowRequest{})
	must(t, err)
	wantMessage(t, "nothing left", again, &devicev1.SyncNowResponse{Summary: &paymentv1.SyncSummary{}})
}

func receiptFor(t testing.TB, a store.Attempt) []byte {
	t.Helper()
	return signedBy(t, "till", &peerv1.Receipt{
		RequestHash: a.Request[:], VoucherHash: a.Voucher[:], Status: peerv1.ReceiptStatus_RECEIPT_STATUS_STORED, StoredMs: a.CreatedAt.UnixMilli(),
	}).Bytes
}

// With nothing to hand over there is a summary and nothing else, network or
// not.
func TestSyncPaymentsWithNothingToDo(t *testing.T) {
	unreachable := newBench(t, asTill, func(o *Options, _ *papers) {
		o.DialBackend = func(context.Context, string) (net.Conn, error) { return nil, errors.New("no network") }
	})
	for name, b := range map[string]*bench{"online": (&office{t: t}).at(asTill, payment.Settled), "offline": unreachable} {
		b.setCA()
		stream, err := syncClient(b).SyncPayments(t.Context(), &paymentv1.SyncPaymentsRequest{})
		steps := drain(t, stream, err)
		if len(steps) != 1 {
			t.Fatalf("%s: %v", name, steps)
		}
		wantMessage(t, name, steps[0], &paymentv1.SyncPaymentsResponse{Step: &paymentv1.SyncPaymentsResponse_Summary{Summary: &paymentv1.SyncSummary{}}})
	}
}

// setCA gives a device that has no CA file one that nobody uses.
func (b *bench) setCA() {
	b.t.Helper()
	id := b.self.Load().Identity
	if len(id.CA) > 0 {
		return
	}
	_, id.CA = serverCertificate(b.t)
	b.mu.Lock()
	defer b.mu.Unlock()
	must(b.t, b.become(b.t.Context(), id, &store.Change{}))
}

func TestSyncPaymentsErrors(t *testing.T) {
	offline := newBench(t, asTill, func(o *Options, _ *papers) {
		o.DialBackend = func(context.Context, string) (net.Conn, error) { return nil, errors.New("no network") }
	})
	offline.setCA()
	offline.sold(1, payment.Provisional)
	liar := &office{t: t, lies: true}
	mismatched := liar.at(asTill, payment.Provisional)
	s, err := mismatched.store.Sale(t.Context(), paymentName(0))
	must(t, err)
	ask, err := mismatched.store.Ask(t.Context(), s.Winner)
	must(t, err)
	liar.says(s.Winner, ask.Voucher, peerv1.Outcome_OUTCOME_SETTLED, 13_00, "")
	for _, tt := range []struct {
		name   string
		b      *bench
		code   codes.Code
		reason string
	}{
		{"offline with something to hand over", offline, codes.Unavailable, "OFFLINE"},
		{"not enrolled", newBench(t, asTill, notEnrolled), codes.FailedPrecondition, "NOT_ENROLLED"},
		{"other sums", mismatched, codes.Aborted, "SYNC_MISMATCH"},
	} {
		stream, err := syncClient(tt.b).SyncPayments(t.Context(), &paymentv1.SyncPaymentsRequest{})
		must(t, err)
		_, err = stream.Recv()
		wantStatus(t, tt.name, err, tt.code, tt.reason)
		_, err = tt.b.device(cashier).SyncNow(t.Context(), &devicev1.SyncNowRequest{})
		wantStatus(t, tt.name, err, tt.code, tt.reason)
	}
	if p := statusOf(t, mismatched); p.GetOutbox() != 1 {
		t.Errorf("other sums, and the outbox has %d", p.GetOutbox())
	}
}

// reader is a stream whose caller takes what is sent as the test says.
type reader struct {
	grpc.ServerStreamingServer[paymentv1.SyncPaymentsResponse]
	ctx  context.Context
	send func(*paymentv1.SyncPaymentsResponse) error
}

func (r reader) Context() context.Context { return r.ctx }

func (r reader) Send(m *paymentv1.SyncPaymentsResponse) error { return r.send(m) }

// A reader who leaves does not keep the rest from being handed over.
func TestSyncGoesOnWithoutItsReader(t *testing.T) {
	o := &office{t: t}
	b := o.at(asTill, payment.Provisional, payment.Provisional)
	for n := range 2 {
		s, err := b.store.Sale(t.Context(), paymentName(n))
		must(t, err)
		ask, err := b.store.Ask(t.Context(), s.Winner)
		must(t, err)
		o.says(s.Winner, ask.Voucher, peerv1.Outcome_OUTCOME_SETTLED, 13_00, "")
	}
	left, calls := errors.New("left"), 0
	err := (&history{d: b.Device}).SyncPayments(nil, reader{ctx: t.Context(), send: func(*paymentv1.SyncPaymentsResponse) error {
		calls++
		return left
	}})
	if !errors.Is(err, left) || calls != 1 {
		t.Errorf("told %d times: %v", calls, err)
	}
	if st := statusOf(t, b); st.GetOutbox() != 0 {
		t.Errorf("%d items were left", st.GetOutbox())
	}
}

// The same call twice at the same time, such as by a caller that was impatient,
// is one call.
func TestVoidTwiceAtTheSameTime(t *testing.T) {
	o := &office{t: t}
	b := o.at(asCustomer)
	auth := setAside(t, b, "auth", namedID("card"), nil)
	b.change(&store.Change{Put: []store.Authorization{auth}})
	client, n := b.customer(cashier), sequenceOf(t, b)
	o.voids.Add(2)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			resp, err := client.VoidPreAuthorization(t.Context(), &customerv1.VoidPreAuthorizationRequest{
				RequestId: namedID("call").String(), PreAuthorizationId: auth.ID().String(),
			})
			if got := resp.GetAuthorization().GetStatus(); err != nil || got != customerv1.VipasoPreAuthorizationStatus_VIPASO_PRE_AUTHORIZATION_STATUS_VOIDED {
				t.Errorf("%s: %v", got, err)
			}
		})
	}
	both.Wait()
	if now := sequenceOf(t, b); now != n+1 {
		t.Errorf("%d events", now-n)
	}
}

// A caller that does not take the verdicts keeps nobody from synchronizing.
func TestASlowCallerHoldsNothingUp(t *testing.T) {
	o := &office{t: t}
	b := o.at(asTill, payment.Provisional)
	sale, err := b.store.Sale(t.Context(), paymentName(0))
	must(t, err)
	ask, err := b.store.Ask(t.Context(), sale.Winner)
	must(t, err)
	o.says(sale.Winner, ask.Voucher, peerv1.Outcome_OUTCOME_SETTLED, 13_00, "")
	goOn, sent, ended := make(chan struct{}), make(chan *paymentv1.SyncPaymentsResponse, 2), make(chan error, 1)
	slow := reader{ctx: t.Context(), send: func(m *paymentv1.SyncPaymentsResponse) error {
		sent <- m
		<-goOn
		return nil
	}}
	go func() { ended <- (&history{d: b.Device}).SyncPayments(nil, slow) }()
	if first := <-sent; first.GetVerdict().GetPaymentId() != sale.ID.String() {
		t.Errorf("first %v", first)
	}
	limited, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := b.sync.SyncNow(limited, nil); err != nil {
		t.Errorf("meanwhile: %v", err)
	}
	close(goOn)
	must(t, <-ended)
	if last := <-sent; last.GetSummary().GetSynced() != 1 {
		t.Errorf("last %v", last)
	}
}
