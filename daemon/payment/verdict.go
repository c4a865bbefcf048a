package payment

import (
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// OnVerdict is what a verdict of the backend means to the customer who was
// asked.
func OnVerdict(v preauth.Verdict) CustomerInput {
	in := CustomerInput{Event: VerdictSettled, Settled: v.Body.Amount, Reason: v.Body.Reason}
	switch v.Body.Outcome {
	case peerv1.Outcome_OUTCOME_REJECTED:
		in.Event = VerdictRejected
	case peerv1.Outcome_OUTCOME_CANCELLED:
		in.Event = VerdictCancelled
	}
	return in
}

// OnSaleVerdict is what a verdict of the backend means to the till that asked.
func OnSaleVerdict(request preauth.Hash, v preauth.Verdict) BusinessInput {
	in := BusinessInput{Event: SaleSettled, Request: request, Settled: v.Body.Amount, Reason: v.Body.Reason}
	switch v.Body.Outcome {
	case peerv1.Outcome_OUTCOME_REJECTED:
		in.Event = SaleRejected
	case peerv1.Outcome_OUTCOME_CANCELLED:
		in.Event = SaleCancelled
	}
	return in
}

// Stands reports whether the answer of an attempt stands for its payment,
// whatever request comes next: a voucher that no verified Cancel has ended, or
// a no.
func (a Attempt) Stands() bool {
	return !a.Voucher.Zero() && !a.Cancel || a.State == Declined
}
