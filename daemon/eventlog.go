package daemon

import (
	"context"
	"slices"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/daemon/catalogue"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
	"github.com/vipaso/vipasod/store"
)

// attemptEvents writes a customer's notes out as events. The row is the one
// that is about to be stored.
func attemptEvents(a store.Attempt, notes []payment.Note) []*paymentv1.Event {
	events := make([]*paymentv1.Event, 0, len(notes))
	for _, n := range notes {
		e := commonEvent(a.Payment, n)
		switch n.Kind {
		case payment.NoteRequestReceived:
			e = requestReceived(a)
		case payment.NoteAccepted:
			e.Event = &paymentv1.Event_PaymentAccepted{PaymentAccepted: &paymentv1.PaymentAccepted{
				PaymentId: a.Payment.String(), Currency: a.Currency,
				Amount: money.Format(a.Amount, a.Currency), Tip: money.Format(a.Tip, a.Currency),
			}}
		case payment.NoteUnconfirmed:
			e.Event = &paymentv1.Event_PaymentUnconfirmed{PaymentUnconfirmed: unconfirmed(a)}
		case payment.NoteSuccessful, payment.NoteSettled:
			e = paidEvent(n.Kind, attemptProto(a, false))
		}
		events = append(events, e)
	}
	return events
}

// saleEvents writes a till's notes out as events.
func (d *Device) saleEvents(s store.Sale, winner store.Ask, notes []payment.Note) []*paymentv1.Event {
	events := make([]*paymentv1.Event, 0, len(notes))
	for _, n := range notes {
		e := commonEvent(s.ID, n)
		switch n.Kind {
		case payment.NoteOpened:
			e.Event = &paymentv1.Event_PaymentOpened{PaymentOpened: &paymentv1.PaymentOpened{
				PaymentId: s.ID.String(), Amount: money.Format(s.Amount, s.Currency),
				Currency: s.Currency, ExpiresAt: stamp(s.Deadline),
			}}
		case payment.NoteSuccessful, payment.NoteSettled:
			e = paidEvent(n.Kind, d.saleProto(s, winner, false))
		}
		events = append(events, e)
	}
	return events
}

// wordsOf returns what was said last against paying a till's payment: a
// customer's words, or why the till refused an answer.
func (d *Device) wordsOf(ctx context.Context, id preauth.ID) (string, error) {
	events, err := d.store.EventsOf(ctx, id)
	if err != nil {
		return "", err
	}
	for _, e := range slices.Backward(events) {
		if no := e.GetPaymentDeclined(); no != nil {
			return no.GetReason(), nil
		}
	}
	return "", nil
}

// commonEvent writes out what needs nothing but the payment and a reason.
func commonEvent(id preauth.ID, n payment.Note) *paymentv1.Event {
	e, p := &paymentv1.Event{}, id.String()
	switch n.Kind {
	case payment.NoteCancelled:
		e.Event = &paymentv1.Event_PaymentCancelled{PaymentCancelled: &paymentv1.PaymentCancelled{PaymentId: p, Reason: n.Reason}}
	case payment.NoteAnotherUserPaid:
		e.Event = &paymentv1.Event_AnotherUserPaid{AnotherUserPaid: &paymentv1.AnotherUserPaid{PaymentId: p}}
	case payment.NoteFailed:
		e.Event = &paymentv1.Event_PaymentFailed{PaymentFailed: paymentFailed(p, n.Reason)}
	case payment.NoteRejected:
		e.Event = &paymentv1.Event_PaymentRejected{PaymentRejected: &paymentv1.PaymentRejected{PaymentId: p, Reason: n.Reason}}
	case payment.NoteDeclined:
		e.Event = &paymentv1.Event_PaymentDeclined{PaymentDeclined: &paymentv1.PaymentDeclined{PaymentId: p, Reason: n.Reason}}
	case payment.NoteAwaiting:
		e.Event = &paymentv1.Event_PaymentAwaiting{PaymentAwaiting: &paymentv1.PaymentAwaiting{PaymentId: p}}
	case payment.NoteDisconnected:
		e.Event = &paymentv1.Event_Disconnected{Disconnected: &paymentv1.Disconnected{PaymentId: p, Reason: n.Reason}}
	}
	return e
}

// unconfirmed says what ends the doubt about an answer that may have arrived,
// and from when on that is sure to end it once the backend can be reached.
func unconfirmed(a store.Attempt) *paymentv1.PaymentUnconfirmed {
	u := &paymentv1.PaymentUnconfirmed{
		PaymentId: a.Payment.String(), ResolvesBy: stamp(a.SettleBy),
		Resolution: "the till's receipt or cancel, the backend's verdict, or at the latest the backend's word that settle_by has passed",
	}
	if a.Charge {
		u.ResolvesBy = stamp(a.UpdatedAt.Add(chargeDoubt))
		u.Resolution = "the till's receipt or cancel, the backend's verdict, or at the latest the backend's word, an hour after it was first asked, that it has not heard of the charge"
	}
	return u
}

// paidEvent is PaymentSuccessful or PaymentSettled of a payment.
func paidEvent(kind payment.NoteKind, p *paymentv1.Payment) *paymentv1.Event {
	if kind == payment.NoteSettled {
		return &paymentv1.Event{Event: &paymentv1.Event_PaymentSettled{PaymentSettled: &paymentv1.PaymentSettled{
			PaymentId: p.PaymentId, SettledAmount: p.SettledAmount, Currency: p.Currency,
		}}}
	}
	return &paymentv1.Event{Event: &paymentv1.Event_PaymentSuccessful{PaymentSuccessful: paymentSuccessful(p)}}
}

// paymentSuccessful is what the SDK calls PaymentSuccessful.
func paymentSuccessful(p *paymentv1.Payment) *paymentv1.PaymentSuccessful {
	return &paymentv1.PaymentSuccessful{
		PaymentId: p.PaymentId, Amount: p.Amount, Tip: p.Tip, Currency: p.Currency,
		Finality: p.Finality, Guaranteed: p.Guaranteed, AtRisk: p.AtRisk, Receipt: p.Receipt,
	}
}

// paymentFailed is what the SDK calls PaymentFailed, with the next step.
func paymentFailed(id, reason string) *paymentv1.PaymentFailed {
	f := &paymentv1.PaymentFailed{PaymentId: id, Reason: reason}
	if e, ok := catalogue.Lookup(reason); ok {
		f.NextStep = e.Next
	}
	return f
}

// requestReceived is what a customer is asked.
func requestReceived(a store.Attempt) *paymentv1.Event {
	m := &paymentv1.PaymentRequestReceived{
		PaymentId: a.Payment.String(), Amount: money.Format(a.Amount, a.Currency), Currency: a.Currency,
		ExpiresAt: stamp(a.ExpiresAt), Code: a.Code, Online: a.Online,
	}
	if r, b, err := requestOf(a.RequestBytes); err == nil {
		m.PaymentReference, m.BusinessName, m.Mcc = r.Body.Reference, b.Body.DisplayName, mccText(b)
		m.TipAllowed = r.Body.GetTip().GetAllowed()
		if tipMax := r.Body.GetTip().GetMax(); tipMax > 0 {
			m.TipMax = money.Format(tipMax, a.Currency)
		}
	}
	return &paymentv1.Event{Event: &paymentv1.Event_PaymentRequestReceived{PaymentRequestReceived: m}}
}
