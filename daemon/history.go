package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// history is the part of the API that both roles have in the same words: the
// payments of the device, and synchronization.
type history struct{ d *Device }

// FetchPayments returns a page of the payments, newest first. The error wraps
// errPageToken.
func (h *history) FetchPayments(ctx context.Context, req *paymentv1.FetchPaymentsRequest) (*paymentv1.FetchPaymentsResponse, error) {
	page, next, err := h.d.page(ctx, store.Filter{
		States: statesOf(req.GetStatuses()), From: timeOf(req.GetCreatedAfter()), To: timeOf(req.GetCreatedBefore()),
		After: req.GetPageToken(), Limit: int(req.GetPageSize()),
	})
	if err != nil {
		return nil, err
	}
	return &paymentv1.FetchPaymentsResponse{Payments: page, NextPageToken: next}, nil
}

// FetchOfflinePayments returns a page of what the backend has not judged,
// newest first. The error wraps errPageToken.
func (h *history) FetchOfflinePayments(ctx context.Context, req *paymentv1.FetchOfflinePaymentsRequest) (*paymentv1.FetchOfflinePaymentsResponse, error) {
	page, next, err := h.d.page(ctx, store.Filter{Unsynced: true, After: req.GetPageToken(), Limit: int(req.GetPageSize())})
	if err != nil {
		return nil, err
	}
	return &paymentv1.FetchOfflinePaymentsResponse{Payments: page, NextPageToken: next}, nil
}

// FetchPayment returns one payment with its events, oldest first, and with
// what proves its receipt to others. The error
// wraps errNoPayment.
func (h *history) FetchPayment(ctx context.Context, req *paymentv1.FetchPaymentRequest) (*paymentv1.FetchPaymentResponse, error) {
	id, err := preauth.ParseID(req.GetPaymentId())
	if err != nil {
		return nil, fmt.Errorf("payment_id: %w", err)
	}
	p, err := h.d.paymentByID(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := h.d.prove(ctx, id, p.GetReceipt()); err != nil {
		return nil, err
	}
	timeline, err := h.d.store.EventsOf(ctx, id)
	if err != nil {
		return nil, err
	}
	return &paymentv1.FetchPaymentResponse{Payment: p, Timeline: timeline}, nil
}

// timeOf returns a time of the API, the zero time for none.
func timeOf(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

// statesOf returns the states that the statuses are the sums of. None, or an
// unspecified one among them, means all.
func statesOf(statuses []paymentv1.PaymentStatus) []payment.State {
	if slices.Contains(statuses, paymentv1.PaymentStatus_PAYMENT_STATUS_UNSPECIFIED) {
		return nil
	}
	var states []payment.State
	for number, name := range paymentv1.PaymentState_name {
		if number == 0 || len(statuses) == 0 {
			continue
		}
		if s := payment.State(strings.TrimPrefix(name, "PAYMENT_STATE_")); slices.Contains(statuses, statusProto(s)) {
			states = append(states, s)
		}
	}
	slices.Sort(states)
	return states
}

// page returns one page of the device's payments, newest first, and the token
// of the next one.
func (d *Device) page(ctx context.Context, f store.Filter) ([]*paymentv1.Payment, string, error) {
	read := d.attemptPage
	if d.business() {
		read = d.salePage
	}
	page, next, err := read(ctx, f)
	if errors.Is(err, store.ErrToken) {
		return nil, "", fmt.Errorf("%.40q: %w", f.After, errPageToken)
	}
	return page, next, err
}

func (d *Device) salePage(ctx context.Context, f store.Filter) ([]*paymentv1.Payment, string, error) {
	sales, next, err := d.store.Sales(ctx, f)
	if err != nil {
		return nil, "", err
	}
	waiting, err := d.waitingSales(ctx, f)
	if err != nil {
		return nil, "", err
	}
	page := make([]*paymentv1.Payment, len(sales))
	for i, s := range sales {
		if page[i], err = d.paymentOfSale(ctx, s); err != nil {
			return nil, "", err
		}
		page[i].Synced = page[i].Synced && !waiting[s.ID]
	}
	return page, next, nil
}

func (d *Device) attemptPage(ctx context.Context, f store.Filter) ([]*paymentv1.Payment, string, error) {
	attempts, next, err := d.store.Attempts(ctx, f)
	if err != nil {
		return nil, "", err
	}
	waiting, err := d.waitingAttempts(ctx, f)
	if err != nil {
		return nil, "", err
	}
	page := make([]*paymentv1.Payment, len(attempts))
	for i, a := range attempts {
		page[i] = attemptProto(a, !a.State.Unfinished() && !waiting[a.Request])
	}
	return page, next, nil
}

// waitingSales returns which sales on a page still wait for the backend's
// word, whatever their state. A page of these alone, from the same place on,
// holds all of them.
func (d *Device) waitingSales(ctx context.Context, f store.Filter) (map[preauth.ID]bool, error) {
	f.Unsynced = true
	sales, _, err := d.store.Sales(ctx, f)
	waiting := make(map[preauth.ID]bool, len(sales))
	for _, s := range sales {
		waiting[s.ID] = true
	}
	return waiting, err
}

// waitingAttempts is waitingSales of a customer: one whose hold has ended by
// settle_by still asks what became of it.
func (d *Device) waitingAttempts(ctx context.Context, f store.Filter) (map[preauth.Hash]bool, error) {
	f.Unsynced = true
	attempts, _, err := d.store.Attempts(ctx, f)
	waiting := make(map[preauth.Hash]bool, len(attempts))
	for _, a := range attempts {
		waiting[a.Request] = true
	}
	return waiting, err
}

// paymentByID returns a payment as the API shows it. The error wraps
// errNoPayment.
func (d *Device) paymentByID(ctx context.Context, id preauth.ID) (*paymentv1.Payment, error) {
	if d.business() {
		s, err := d.store.Sale(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			return nil, fmt.Errorf("%s: %w", id, errNoPayment)
		}
		if err != nil {
			return nil, err
		}
		return d.shownSale(ctx, s)
	}
	attempts, err := d.store.AttemptsOf(ctx, id)
	if err != nil {
		return nil, err
	}
	if len(attempts) == 0 {
		return nil, fmt.Errorf("%s: %w", id, errNoPayment)
	}
	return d.shownAttempt(ctx, attempts[0])
}

// around selects what was created in the millisecond of t.
func around(t time.Time) store.Filter {
	return store.Filter{From: t, To: t.Add(time.Millisecond)}
}

// shownSale returns one payment of a till as lists show it.
func (d *Device) shownSale(ctx context.Context, s store.Sale) (*paymentv1.Payment, error) {
	waiting, err := d.waitingSales(ctx, around(s.CreatedAt))
	if err != nil {
		return nil, err
	}
	p, err := d.paymentOfSale(ctx, s)
	if err != nil {
		return nil, err
	}
	p.Synced = p.Synced && !waiting[s.ID]
	return p, nil
}

// shownAttempt returns one payment of a customer as lists show it.
func (d *Device) shownAttempt(ctx context.Context, a store.Attempt) (*paymentv1.Payment, error) {
	waiting, err := d.waitingAttempts(ctx, around(a.CreatedAt))
	if err != nil {
		return nil, err
	}
	return attemptProto(a, !a.State.Unfinished() && !waiting[a.Request]), nil
}
