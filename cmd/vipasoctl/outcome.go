package main

import (
	"context"
	"slices"
	"strings"

	"github.com/vipaso/vipasod/daemon/catalogue"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// printOutcome prints p and returns outcome, so that the exit code says the
// same as the text.
func (a *app) printOutcome(ctx context.Context, p *paymentv1.Payment, outcome error) error {
	return a.printNext(ctx, p, outcome, "")
}

// printNext is printOutcome with a next step that is known better than from p.
func (a *app) printNext(ctx context.Context, p *paymentv1.Payment, outcome error, next string) error {
	if err := a.emit(p, func() { a.printPaid(p, a.story(ctx, p), next) }); err != nil {
		return err
	}
	return outcome
}

// story returns what happened to p, if people want to know more than how it
// stands: who said no and why, or when a payment that is not confirmed ends.
// Without an answer there is less to tell, and no error: p is known.
func (a *app) story(ctx context.Context, p *paymentv1.Payment) []*paymentv1.Event {
	if p.GetStatus() == paymentv1.PaymentStatus_PAYMENT_STATUS_COMPLETED {
		return nil
	}
	// Also after ^C: the payment was withdrawn, and its end is to be told.
	resp, err := a.fetchPayment(context.WithoutCancel(ctx), p.GetPaymentId())
	if err != nil {
		return nil
	}
	return resp.GetTimeline()
}

// printPaid prints in a few lines what became of p and how firm that is. Without
// a next step it is that of p.
func (a *app) printPaid(p *paymentv1.Payment, story []*paymentv1.Event, next string) {
	head := word(p.GetState()) + "  " + sum(p.GetAmount(), p.GetCurrency())
	if !zero(p.GetTip()) {
		head += " + tip " + clean(p.GetTip()) + " = " + sum(p.GetTotal(), p.GetCurrency())
	}
	if p.GetReason() != word(p.GetState()) && p.GetReason() != "" {
		head += "  " + clean(p.GetReason())
	}
	a.printf("%s\npayment    %s\n", a.stdout.bold(a, head), clean(p.GetPaymentId()))
	for _, r := range refusals(story) {
		a.printf("declined   %s\n", r)
	}
	if text := firmness(p); text != "" {
		a.printf("finality   %s\n", text)
	}
	if next == "" {
		next = a.nextStep(p, story)
	}
	a.printf("next step: %s\n", next)
}

// refusals lists why customers said no, or why the till refused an answer.
func refusals(story []*paymentv1.Event) []string {
	var list []string
	for _, e := range story {
		no := e.GetPaymentDeclined()
		if no == nil {
			continue
		}
		text := quoted(no.GetReason())
		if entry, ok := catalogue.Lookup(no.GetReason()); ok {
			text = "by this till, " + entry.Code + ": " + entry.What
		} else if text == "" {
			text = "without a reason"
		}
		if !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return list
}

// firmness says how sure the money is, for a payment that may have happened.
func firmness(p *paymentv1.Payment) string {
	switch p.GetState() {
	case paymentv1.PaymentState_PAYMENT_STATE_PROVISIONAL:
		if p.GetRole() == paymentv1.Role_ROLE_CUSTOMER {
			return "PROVISIONAL: the till has it; it is settled when either side has a network"
		}
		return "PROVISIONAL: guaranteed " + clean(p.GetGuaranteed()) + ", at risk " + clean(p.GetAtRisk())
	case paymentv1.PaymentState_PAYMENT_STATE_SETTLED:
		if p.GetSettledAmount() == "" {
			return "SETTLED, says the till; the amount comes with the backend's word"
		}
		return "SETTLED: " + sum(p.GetSettledAmount(), p.GetCurrency())
	case paymentv1.PaymentState_PAYMENT_STATE_AUTHORIZED:
		return "not confirmed yet: this device has agreed, the till's answer has not come. " +
			sum(p.GetTotal(), p.GetCurrency()) + " stays set aside until it is clear."
	default:
		return ""
	}
}

// nextStep says what to do after p came out as it did.
func (a *app) nextStep(p *paymentv1.Payment, story []*paymentv1.Event) string {
	switch p.GetState() {
	case paymentv1.PaymentState_PAYMENT_STATE_PROVISIONAL:
		return "nothing to do. It is handed in as soon as there is a network."
	case paymentv1.PaymentState_PAYMENT_STATE_SETTLED:
		return "nothing to do."
	case paymentv1.PaymentState_PAYMENT_STATE_AUTHORIZED:
		return a.unconfirmedStep(p, story)
	case paymentv1.PaymentState_PAYMENT_STATE_OPEN, paymentv1.PaymentState_PAYMENT_STATE_REQUESTED, paymentv1.PaymentState_PAYMENT_STATE_AWAITING:
		return "wait; vipasoctl payments show " + clean(p.GetPaymentId()) + " tells how it ends."
	case paymentv1.PaymentState_PAYMENT_STATE_EXPIRED:
		if p.GetRole() != paymentv1.Role_ROLE_CUSTOMER {
			return "nobody accepted in time; ask again."
		}
	}
	entry, known := catalogue.Lookup(strings.ToUpper(p.GetReason()))
	switch {
	case p.GetReason() == catalogue.Reversal && p.GetRole() == paymentv1.Role_ROLE_CUSTOMER:
		return "nothing to do; the till gave the money back, and it can be spent again."
	case p.GetReason() == catalogue.Reversal:
		return "nothing to do; the customer's device learns it here if it is near, else from the backend."
	case known && p.GetState() == paymentv1.PaymentState_PAYMENT_STATE_REJECTED:
		return entry.Next
	case p.GetRole() == paymentv1.Role_ROLE_CUSTOMER && p.GetState() == paymentv1.PaymentState_PAYMENT_STATE_OTHER_PAID:
		return "nothing to do; another customer paid; nothing was taken from you."
	case p.GetRole() == paymentv1.Role_ROLE_CUSTOMER && (!known || entry.GRPC == ""):
		return "nothing to do; nothing was paid, and the till may ask again."
	case known:
		return entry.Next
	}
	return "nothing was paid."
}

// unconfirmedStep says what a customer whose payment is not confirmed can do:
// the till knows, and this device learns it by itself.
func (a *app) unconfirmedStep(p *paymentv1.Payment, story []*paymentv1.Event) string {
	latest := ""
	for _, e := range story {
		if t := e.GetPaymentUnconfirmed().GetResolvesBy(); t != nil {
			latest = ", at the latest on " + a.minute(t)
		}
	}
	return "look at the till. Paid there: all is done. Cancelled there: nothing was taken, and you can pay anew. " +
		"Before that, do not pay a second time. This device finds out by itself" + latest +
		"; vipasoctl payments show " + clean(p.GetPaymentId())
}
