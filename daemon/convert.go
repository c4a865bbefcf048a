package daemon

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
	"github.com/vipaso/vipasod/store"
)

// stateProto returns a state as the API shows it.
func stateProto(s payment.State) paymentv1.PaymentState {
	return paymentv1.PaymentState(paymentv1.PaymentState_value["PAYMENT_STATE_"+string(s)])
}

// statusProto returns a state's coarse status as the API shows it.
func statusProto(s payment.State) paymentv1.PaymentStatus {
	return paymentv1.PaymentStatus(paymentv1.PaymentStatus_value["PAYMENT_STATUS_"+string(s.Status())])
}

// finalityProto returns how firm a payment in state s is.
func finalityProto(s payment.State) paymentv1.Finality {
	return paymentv1.Finality(paymentv1.Finality_value["FINALITY_"+string(s)])
}

// stamp returns a time as the API shows it, nil for no time. Milliseconds are
// what the store keeps: an answer and its repeat are the same.
func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t.Truncate(time.Millisecond))
}

// idText returns an id as text, empty for none.
func idText(id preauth.ID) string {
	if id.Zero() {
		return ""
	}
	return id.String()
}

func hashText(h preauth.Hash) string {
	if h.Zero() {
		return ""
	}
	return h.String()
}

// saleProto returns a till's payment as the API shows it.
func (d *Device) saleProto(s store.Sale, winner store.Ask, synced bool) *paymentv1.Payment {
	p := &paymentv1.Payment{
		PaymentId: s.ID.String(), Role: paymentv1.Role_ROLE_BUSINESS,
		State: stateProto(s.State), Status: statusProto(s.State), Finality: finalityProto(s.State),
		PaymentReference: s.Reference, RequestHash: hashText(s.Winner), Reason: s.Reason, Synced: synced,
		CreatedAt: stamp(s.CreatedAt), UpdatedAt: stamp(s.UpdatedAt), ExpiresAt: stamp(s.Deadline),
	}
	amounts(p, s.Currency, s.Amount, s.Tip, s.Guaranteed, s.Settled, s.State)
	if winner.Receipt {
		p.Receipt = d.saleReceipt(s, winner)
	}
	return p
}

// attemptProto returns a customer's payment as the API shows it.
func attemptProto(a store.Attempt, synced bool) *paymentv1.Payment {
	p := &paymentv1.Payment{
		PaymentId: a.Payment.String(), Role: paymentv1.Role_ROLE_CUSTOMER,
		State: stateProto(a.State), Status: statusProto(a.State), Finality: finalityProto(a.State),
		InstrumentId: idText(a.Instrument), IsDelegatedInstrument: a.Delegated,
		PreAuthorizationId: idText(a.Preauth), RequestHash: a.Request.String(), Reason: a.Reason, Synced: synced,
		CreatedAt: stamp(a.CreatedAt), UpdatedAt: stamp(a.UpdatedAt), ExpiresAt: stamp(a.ExpiresAt), Code: a.Code,
	}
	amounts(p, a.Currency, a.Amount, a.Tip, a.Guaranteed, a.Settled, a.State)
	if r, b, err := requestOf(a.RequestBytes); err == nil {
		p.PaymentReference, p.Counterparty = r.Body.Reference, b.Body.DisplayName
		if a.Receipt {
			p.Receipt = receiptData(r, b, a.Attempt.Voucher, a.VoucherBytes, a.ReceiptBytes)
		}
	}
	return p
}

// amounts fills every amount of a payment. What is guaranteed or at risk is
// said while the money is out: stored and not settled. A customer to whom only
// the till has said that it is settled does not know the amount yet.
func amounts(p *paymentv1.Payment, currency string, amount, tip, guaranteed, settled int64, s payment.State) {
	text := func(minor int64) string { return money.Format(minor, currency) }
	p.Currency, p.Amount, p.Tip, p.Total = currency, text(amount), text(tip), text(amount+tip)
	p.Guaranteed, p.AtRisk = text(0), text(0)
	switch {
	case s == payment.Settled && settled > 0:
		p.Guaranteed, p.SettledAmount = text(settled), text(settled)
	case s == payment.Provisional:
		p.Guaranteed, p.AtRisk = text(guaranteed), text(amount+tip-guaranteed)
	}
}

// requestOf opens a stored request and the certificate in it.
func requestOf(b []byte) (preauth.Request, preauth.DeviceCert, error) {
	r, err := preauth.Open[*peerv1.Request](b)
	if err != nil {
		return preauth.Request{}, preauth.DeviceCert{}, err
	}
	c, err := preauth.Open[*peerv1.DeviceCert](r.Body.DeviceCert)
	return r, c, err
}

// receiptData is what a printed receipt shows.
func receiptData(r preauth.Request, b preauth.DeviceCert, voucher preauth.Hash, voucherBytes, receiptBytes []byte) *paymentv1.ReceiptData {
	rd := &paymentv1.ReceiptData{
		BusinessName: b.Body.DisplayName, Mcc: mccText(b),
		RequestHash: r.Hash.String(), VoucherHash: voucher.String(),
		Request: r.Bytes, Voucher: voucherBytes, Receipt: receiptBytes,
	}
	if rc, err := preauth.Open[*peerv1.Receipt](receiptBytes); err == nil {
		rd.StoredAt = stamp(time.UnixMilli(rc.Body.StoredMs))
	}
	return rd
}

func mccText(b preauth.DeviceCert) string { return fmt.Sprintf("%04d", b.Body.Mcc) }

// preauthProto returns a pre-authorization as the API shows it.
func preauthProto(a store.Authorization, now time.Time) *customerv1.PreAuthorization {
	c := a.Cert.Body
	text := func(minor int64) string { return money.Format(minor, c.Currency) }
	return &customerv1.PreAuthorization{
		PreAuthorizationId: a.ID().String(), InstrumentId: a.Instrument.String(),
		Status: customerv1.VipasoPreAuthorizationStatus(
			customerv1.VipasoPreAuthorizationStatus_value["VIPASO_PRE_AUTHORIZATION_STATUS_"+string(a.Status(now))]),
		Limit: text(c.Limit), Spent: text(a.Spent), Held: text(a.Held), Remaining: text(a.Remaining()),
		Currency: c.Currency, PaymentMax: text(c.PaymentMax),
		SpendBy: stamp(time.UnixMilli(c.SpendByMs)), SettleBy: stamp(time.UnixMilli(c.SettleByMs)),
		IssuedAt: stamp(time.UnixMilli(c.IssuedMs)), Assurance: customerv1.Assurance(c.Assurance),
	}
}

// instrumentProto returns an instrument with its pre-authorizations.
func instrumentProto(i store.Instrument, all []store.Authorization, now time.Time) *customerv1.Instrument {
	p := &customerv1.Instrument{
		InstrumentId: i.ID.String(), Label: i.Label, Currency: i.Currency,
		Type:    customerv1.InstrumentType(customerv1.InstrumentType_value["INSTRUMENT_TYPE_"+i.Type]),
		Balance: money.Format(i.Balance, i.Currency), PreAuthCapable: i.PreAuthCapable, IsDelegated: i.Delegated,
	}
	var sum, largest int64
	for _, a := range all {
		if a.Instrument != i.ID {
			continue
		}
		p.PreAuthorizations = append(p.PreAuthorizations, preauthProto(a, now))
		if a.Status(now) == preauth.Available {
			sum += a.Remaining()
			largest = max(largest, a.Largest(now))
		}
	}
	p.PreAuthorizedAmount, p.LargestPayment = money.Format(sum, i.Currency), money.Format(largest, i.Currency)
	return p
}
