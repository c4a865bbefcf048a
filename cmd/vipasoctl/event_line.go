package main

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/vipaso/vipasod/daemon/catalogue"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// eventLine is an event on one line: when, its number, what, and the payment.
func (a *app) eventLine(e *paymentv1.Event) string {
	parts := []string{
		e.GetTime().AsTime().In(a.zone).Format("15:04:05"),
		fmt.Sprintf("#%d", e.GetSequence()),
		a.stdout.bold(a, strings.ReplaceAll(eventName(e), "_", " ")),
	}
	for _, d := range a.eventDetails(e) {
		parts = append(parts, clean(d))
	}
	if id := paymentOf(e); id != "" {
		parts = append(parts, "payment "+clean(id))
	}
	return strings.Join(keep(parts), "  ")
}

// eventField is the field of e that is set: its name is the event's name.
func eventField(e *paymentv1.Event) protoreflect.FieldDescriptor {
	m := e.ProtoReflect()
	return m.WhichOneof(m.Descriptor().Oneofs().ByName("event"))
}

// eventName is such as payment_successful.
func eventName(e *paymentv1.Event) string {
	if f := eventField(e); f != nil {
		return string(f.Name())
	}
	return "unknown_event"
}

// eventNames lists every name that an event can have, sorted.
func eventNames() []string {
	fields := (&paymentv1.Event{}).ProtoReflect().Descriptor().Oneofs().ByName("event").Fields()
	var names []string
	for i := range fields.Len() {
		names = append(names, string(fields.Get(i).Name()))
	}
	slices.Sort(names)
	return names
}

// paymentOf is the payment that e is about, or "".
func paymentOf(e *paymentv1.Event) string {
	f := eventField(e)
	if f == nil {
		return ""
	}
	m := e.ProtoReflect().Get(f).Message()
	id := m.Descriptor().Fields().ByName("payment_id")
	if id == nil {
		return ""
	}
	return m.Get(id).String()
}

// eventDetails is what people want to know of e beside its name and payment.
func (a *app) eventDetails(e *paymentv1.Event) []string {
	switch e := e.GetEvent().(type) {
	case *paymentv1.Event_PaymentRequestReceived:
		return requestDetails(e.PaymentRequestReceived)
	case *paymentv1.Event_PaymentSuccessful:
		p := e.PaymentSuccessful
		details := append(amountDetails(p.GetAmount(), p.GetTip(), p.GetCurrency()), word(p.GetFinality()))
		if a.customer() {
			return details
		}
		return append(details, "guaranteed "+p.GetGuaranteed(), "at risk "+p.GetAtRisk())
	case *paymentv1.Event_PaymentAccepted:
		return amountDetails(e.PaymentAccepted.GetAmount(), e.PaymentAccepted.GetTip(), e.PaymentAccepted.GetCurrency())
	case *paymentv1.Event_PaymentCancelled:
		return []string{e.PaymentCancelled.GetReason()}
	case *paymentv1.Event_PaymentFailed:
		return []string{e.PaymentFailed.GetReason(), a.failedStep(e.PaymentFailed)}
	case *paymentv1.Event_PaymentUnconfirmed:
		details := []string{"the till has not answered yet; it becomes clear by itself"}
		if t := e.PaymentUnconfirmed.GetResolvesBy(); t != nil {
			details = append(details, "at the latest on "+a.minute(t))
		}
		return append(details, "do not pay a second time before")
	case *paymentv1.Event_PaymentSettled:
		return []string{sum(e.PaymentSettled.GetSettledAmount(), e.PaymentSettled.GetCurrency())}
	case *paymentv1.Event_PaymentRejected:
		return []string{e.PaymentRejected.GetReason()}
	case *paymentv1.Event_PaymentOpened:
		return []string{sum(e.PaymentOpened.GetAmount(), e.PaymentOpened.GetCurrency())}
	case *paymentv1.Event_PaymentDeclined:
		return []string{quoted(e.PaymentDeclined.GetReason())}
	case *paymentv1.Event_Disconnected:
		return []string{e.Disconnected.GetReason()}
	case *paymentv1.Event_PreAuthorizationChanged:
		return []string{e.PreAuthorizationChanged.GetPreAuthorizationId(), e.PreAuthorizationChanged.GetStatus()}
	case *paymentv1.Event_DeviceChanged:
		return []string{e.DeviceChanged.GetWhat(), e.DeviceChanged.GetDetail()}
	default:
		return nil
	}
}

// customer is whether people read this on a customer's device. What of a
// payment is at risk is the till's affair: the customer has paid.
func (a *app) customer() bool { return a.role == paymentv1.Role_ROLE_CUSTOMER }

// failedStep says what to do after a payment failed. A request that nobody
// answered in time is asked again by the till.
func (a *app) failedStep(f *paymentv1.PaymentFailed) string {
	if a.customer() && f.GetReason() == catalogue.Timeout {
		return "this device did not answer in time; nothing was paid, and the till may ask again"
	}
	return f.GetNextStep()
}

// amountDetails is an amount and its tip, if there is one.
func amountDetails(amount, tip, currency string) []string {
	details := []string{sum(amount, currency)}
	if !zero(tip) {
		details = append(details, "tip "+tip)
	}
	return details
}

func requestDetails(r *paymentv1.PaymentRequestReceived) []string {
	details := []string{sum(r.GetAmount(), r.GetCurrency()), "from " + quoted(r.GetBusinessName()), quoted(r.GetPaymentReference())}
	switch {
	case !r.GetTipAllowed():
		details = append(details, "no tip")
	case r.GetTipMax() != "":
		details = append(details, "tip at most "+r.GetTipMax())
	}
	if r.GetCode() != "" {
		details = append(details, "code "+r.GetCode())
	}
	return details
}
