package daemon

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/store"
)

// withHistory returns a device with payments in the states, numbered from 0.
func withHistory(t testing.TB, role peerv1.Role, states ...payment.State) *bench {
	t.Helper()
	b := newBench(t, role, nil)
	for n, s := range states {
		if role == asTill {
			b.sold(n, s)
		} else {
			b.bought(n, s)
		}
	}
	return b
}

var (
	tillStates     = []payment.State{payment.Settled, payment.Expired, payment.Provisional, payment.Cancelled, payment.Rejected, payment.Awaiting, payment.Open}
	customerStates = []payment.State{payment.Settled, payment.Declined, payment.Provisional, payment.Authorized, payment.Rejected, payment.Released, payment.Requested}
)

func TestFetchPaymentsPages(t *testing.T) {
	for _, tt := range []struct {
		role   peerv1.Role
		states []payment.State
	}{{asTill, tillStates}, {asCustomer, customerStates}} {
		h := &history{withHistory(t, tt.role, tt.states...).Device}
		var got []*paymentv1.Payment
		pages, token := 0, ""
		for {
			resp, err := h.FetchPayments(t.Context(), &paymentv1.FetchPaymentsRequest{PageSize: 3, PageToken: token})
			if err != nil {
				t.Fatal(err)
			}
			pages++
			got = append(got, resp.GetPayments()...)
			if token = resp.GetNextPageToken(); token == "" {
				break
			}
		}
		wantNumbers(t, tt.role.String(), got, "6 5 4 3 2 1 0")
		if pages != 3 {
			t.Errorf("%s: %d pages of 3, want 3", tt.role, pages)
		}
		for i, p := range got {
			if want := stateProto(tt.states[6-i]); p.GetState() != want || p.GetAmount() != "12.00" || p.GetRole() != paymentv1.Role(tt.role) {
				t.Errorf("%s: payment %d is %v, want %s", tt.role, 6-i, p, want)
			}
		}
	}
}

func TestFetchPaymentsFilters(t *testing.T) {
	const (
		initiated  = paymentv1.PaymentStatus_PAYMENT_STATUS_INITIATED
		inProgress = paymentv1.PaymentStatus_PAYMENT_STATUS_IN_PROGRESS
		completed  = paymentv1.PaymentStatus_PAYMENT_STATUS_COMPLETED
		cancelled  = paymentv1.PaymentStatus_PAYMENT_STATUS_CANCELLED
		failed     = paymentv1.PaymentStatus_PAYMENT_STATUS_FAILED
		any        = paymentv1.PaymentStatus_PAYMENT_STATUS_UNSPECIFIED
	)
	till, customer := withHistory(t, asTill, tillStates...), withHistory(t, asCustomer, customerStates...)
	for _, tt := range []struct {
		name           string
		statuses       []paymentv1.PaymentStatus
		from, to       int // payments; -1: no bound
		till, customer string
	}{
		{"no filter shows all", nil, -1, -1, "6 5 4 3 2 1 0", "6 5 4 3 2 1 0"},
		{"unspecified is no filter", []paymentv1.PaymentStatus{any, failed}, -1, -1, "6 5 4 3 2 1 0", "6 5 4 3 2 1 0"},
		{"initiated is OPEN or REQUESTED", []paymentv1.PaymentStatus{initiated}, -1, -1, "6", "6"},
		{"in progress is AWAITING or AUTHORIZED", []paymentv1.PaymentStatus{inProgress}, -1, -1, "5", "3"},
		{"completed is PROVISIONAL and SETTLED", []paymentv1.PaymentStatus{completed}, -1, -1, "2 0", "2 0"},
		{"cancelled is CANCELLED or DECLINED", []paymentv1.PaymentStatus{cancelled}, -1, -1, "3", "1"},
		{"failed is EXPIRED, REJECTED and RELEASED", []paymentv1.PaymentStatus{failed}, -1, -1, "4 1", "5 4"},
		{"two statuses are both", []paymentv1.PaymentStatus{cancelled, initiated}, -1, -1, "6 3", "6 1"},
		{"from is included, to is not", nil, 2, 5, "4 3 2", "4 3 2"},
		{"status and time", []paymentv1.PaymentStatus{completed}, 1, 6, "2", "2"},
	} {
		for _, side := range []struct {
			b    *bench
			want string
		}{{till, tt.till}, {customer, tt.customer}} {
			req := &paymentv1.FetchPaymentsRequest{Statuses: tt.statuses}
			if tt.from >= 0 {
				req.CreatedAfter = timestamppb.New(side.b.opening(tt.from))
			}
			if tt.to >= 0 {
				req.CreatedBefore = timestamppb.New(side.b.opening(tt.to))
			}
			resp, err := (&history{side.b.Device}).FetchPayments(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			wantNumbers(t, side.b.opt.Role.String()+": "+tt.name, resp.GetPayments(), side.want)
		}
	}
}

// Every state is listed under exactly the status that it is shown with.
func TestStatesOfStatuses(t *testing.T) {
	seen := 0
	for number := range paymentv1.PaymentStatus_name {
		if number == 0 {
			continue
		}
		status := paymentv1.PaymentStatus(number)
		for _, s := range statesOf([]paymentv1.PaymentStatus{status}) {
			seen++
			if statusProto(s) != status {
				t.Errorf("%s is listed as %s, shown as %s", s, status, statusProto(s))
			}
		}
	}
	if want := len(paymentv1.PaymentState_name) - 1; seen != want {
		t.Errorf("%d states are listed under a status, want %d", seen, want)
	}
}

func TestFetchPaymentsRefusesATokenOfItsOwn(t *testing.T) {
	for _, role := range []peerv1.Role{asTill, asCustomer} {
		b := newBench(t, role, nil)
		for name, err := range map[string]error{
			"payments": second((&history{b.Device}).FetchPayments(t.Context(), &paymentv1.FetchPaymentsRequest{PageToken: "page 2"})),
			"offline":  second((&history{b.Device}).FetchOfflinePayments(t.Context(), &paymentv1.FetchOfflinePaymentsRequest{PageToken: "AAAA"})),
		} {
			out, _ := toStatus(err, "incident")
			wantField(t, role.String()+" "+name, out, "FIELD_INVALID", "page_token")
		}
	}
}

func second[T any](_ T, err error) error { return err }

// What waits for the backend is listed, whatever its state, and no list calls
// it synchronized. A payment that nobody has paid has nothing to hand over.
func TestFetchOfflinePayments(t *testing.T) {
	for _, tt := range []struct {
		role   peerv1.Role
		states []payment.State
		want   string
		synced string
	}{
		{asTill, tillStates, "5 3 2", "4 1 0"},
		{asCustomer, customerStates, "5 4 3 2", "1 0"},
	} {
		b := withHistory(t, tt.role, tt.states...)
		h := &history{b.Device}
		resp, err := h.FetchOfflinePayments(t.Context(), &paymentv1.FetchOfflinePaymentsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		wantNumbers(t, tt.role.String(), resp.GetPayments(), tt.want)
		all, err := h.FetchPayments(t.Context(), &paymentv1.FetchPaymentsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		synced := slices.DeleteFunc(slices.Clone(all.GetPayments()), func(p *paymentv1.Payment) bool { return !p.GetSynced() })
		wantNumbers(t, tt.role.String()+" synced", synced, tt.synced)
		for _, p := range all.GetPayments() {
			one, err := h.FetchPayment(t.Context(), &paymentv1.FetchPaymentRequest{PaymentId: p.GetPaymentId()})
			if err != nil {
				t.Fatal(err)
			}
			if one.GetPayment().GetSynced() != p.GetSynced() {
				t.Errorf("%s: %s synced %t in the list, %t alone", tt.role, p.GetState(), p.GetSynced(), one.GetPayment().GetSynced())
			}
		}
	}
}

func TestFetchOfflinePaymentsPages(t *testing.T) {
	h := &history{withHistory(t, asCustomer, customerStates...).Device}
	first, err := h.FetchOfflinePayments(t.Context(), &paymentv1.FetchOfflinePaymentsRequest{PageSize: 3})
	if err != nil {
		t.Fatal(err)
	}
	rest, err := h.FetchOfflinePayments(t.Context(), &paymentv1.FetchOfflinePaymentsRequest{PageSize: 3, PageToken: first.GetNextPageToken()})
	if err != nil {
		t.Fatal(err)
	}
	wantNumbers(t, "first page", first.GetPayments(), "5 4 3")
	wantNumbers(t, "last page", rest.GetPayments(), "2")
	if rest.GetNextPageToken() != "" {
		t.Error("there is a page after the last")
	}
}

func TestFetchPayment(t *testing.T) {
	for _, tt := range []struct {
		role     peerv1.Role
		timeline []string
	}{
		{asTill, []string{"payment_opened", "payment_successful"}},
		{asCustomer, []string{"payment_request_received", "payment_accepted"}},
	} {
		b := withHistory(t, tt.role, payment.Provisional, payment.Provisional)
		resp, err := (&history{b.Device}).FetchPayment(t.Context(), &paymentv1.FetchPaymentRequest{PaymentId: paymentName(1).String()})
		if err != nil {
			t.Fatal(err)
		}
		p := resp.GetPayment()
		if p.GetPaymentId() != paymentName(1).String() || p.GetTotal() != "13.00" || p.GetPaymentReference() != "table 1" || p.GetSynced() {
			t.Errorf("%s: got %v", tt.role, p)
		}
		var timeline []string
		for _, e := range resp.GetTimeline() {
			timeline = append(timeline, bareEvent(e).Type)
		}
		if !slices.Equal(timeline, tt.timeline) {
			t.Errorf("%s: timeline %q, want %q", tt.role, timeline, tt.timeline)
		}
		for _, id := range []string{paymentName(2).String(), "00000000-0000-0000-0000-000000000000"} {
			_, err = (&history{b.Device}).FetchPayment(t.Context(), &paymentv1.FetchPaymentRequest{PaymentId: id})
			if reason, _ := reasonOf(err); reason != "PAYMENT_NOT_FOUND" {
				t.Errorf("%s: unknown payment: %v, want PAYMENT_NOT_FOUND", tt.role, err)
			}
		}
	}
}

// A till may ask twice for the same payment: the customer sees the newer
// request.
func TestFetchPaymentShowsTheNewestAttempt(t *testing.T) {
	b := newBench(t, asCustomer, nil)
	old := b.bought(1, payment.Declined)
	again := old
	again.Request, again.State, again.CreatedAt = namedHash("second request"), payment.Requested, old.CreatedAt.Add(time.Second)
	b.change(&store.Change{Attempts: []store.Attempt{again}})
	resp, err := (&history{b.Device}).FetchPayment(t.Context(), &paymentv1.FetchPaymentRequest{PaymentId: paymentName(1).String()})
	if err != nil {
		t.Fatal(err)
	}
	if got := resp.GetPayment(); got.GetState() != paymentv1.PaymentState_PAYMENT_STATE_REQUESTED || got.GetRequestHash() != again.Request.String() {
		t.Errorf("shown is %s of request %s", got.GetState(), got.GetRequestHash())
	}
}
