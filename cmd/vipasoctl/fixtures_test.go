package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

const (
	paymentID    = "0190b2c4-0000-7000-8000-000000000003"
	instrumentID = "0190b2c4-0000-7000-8000-000000000001"
	otherID      = "0190b2c4-0000-7000-8000-0000000000ff"
	preauthID    = "0190b2c4-0000-7000-8000-000000000002"
)

func before(d time.Duration) *timestamppb.Timestamp { return timestamppb.New(noon.Add(-d)) }
func after(d time.Duration) *timestamppb.Timestamp  { return timestamppb.New(noon.Add(d)) }

// offlineTill is the status of a till that has been offline all morning.
func offlineTill() *devicev1.GetStatusResponse {
	return &devicev1.GetStatusResponse{Status: &devicev1.Status{
		Version: "0.3.0", Role: paymentv1.Role_ROLE_BUSINESS, DisplayName: "Cafe Till 2", StartedAt: before(76 * time.Hour),
		Identity: &devicev1.Identity{
			State: devicev1.AuthenticationState_AUTHENTICATION_STATE_ENROLLED, DeviceId: otherID, BusinessName: "Cafe Central",
			ValidUntil: after(30 * 24 * time.Hour), BackendUrl: "https://pay.example.com",
		},
		Radio: &devicev1.RadioStatus{Driver: "hci", Adapter: "hci1", Ready: true, Scanning: true, LastPeer: before(14 * time.Second), Restarts: 1,
			Refused: map[string]uint64{"prepared write": 2, "empty PDU": 1}},
		Backend: &devicev1.BackendStatus{
			Url: "https://pay.example.com", Since: before(3*time.Hour + 40*time.Minute), NextTry: after(22 * time.Second), LastError: "connection refused",
			LastAnswer: before(3*time.Hour + 41*time.Minute), BundleEpoch: 7, BundleTime: before(5 * time.Hour),
		},
		Store: &devicev1.StoreStatus{Writable: true, Bytes: 2_100_000, SchemaVersion: 1, LastSequence: 214},
		Unsynced: []*devicev1.Unsynced{
			{Currency: "USD", Count: 7, Amount: "83.50", Guaranteed: "80.00", AtRisk: "3.50"},
		},
		OldestUnsynced: before(3*time.Hour + 31*time.Minute), UnsyncedDeadline: after(20*time.Hour + 29*time.Minute),
		Limits:   []*devicev1.Limit{{Currency: "USD", PaymentMax: "50.00", TotalMax: "500.00"}},
		NextStep: "nothing to do. Payments are safe on disk; they are sent when the network returns.",
		Outbox:   7,
	}}
}

// customerDevice is the status of a customer's device.
func customerDevice() *devicev1.GetStatusResponse {
	return &devicev1.GetStatusResponse{Status: &devicev1.Status{
		Version: "0.3.0", Role: paymentv1.Role_ROLE_CUSTOMER, Identity: &devicev1.Identity{State: devicev1.AuthenticationState_AUTHENTICATION_STATE_ENROLLED},
		Store: &devicev1.StoreStatus{Writable: true, LastSequence: 5},
	}}
}

func instruments() *customerv1.ListInstrumentsResponse {
	return &customerv1.ListInstrumentsResponse{Instruments: []*customerv1.Instrument{
		{
			InstrumentId: instrumentID, Type: customerv1.InstrumentType_INSTRUMENT_TYPE_CARD, Label: "Blue card", Currency: "USD", Balance: "400.00",
			PreAuthCapable: true, IsDelegated: true, PreAuthorizedAmount: "88.00", LargestPayment: "50.00",
			PreAuthorizations: []*customerv1.PreAuthorization{authorization()},
		},
		{InstrumentId: otherID, Type: customerv1.InstrumentType_INSTRUMENT_TYPE_MNO, Label: "Phone", Currency: "USD", Balance: "10.00"},
	}}
}

func authorization() *customerv1.PreAuthorization {
	return &customerv1.PreAuthorization{
		PreAuthorizationId: preauthID, InstrumentId: instrumentID, Status: customerv1.VipasoPreAuthorizationStatus_VIPASO_PRE_AUTHORIZATION_STATUS_AVAILABLE,
		Limit: "100.00", Spent: "0.00", Held: "12.00", Remaining: "88.00", Currency: "USD", SpendBy: after(24 * time.Hour), SettleBy: after(336 * time.Hour),
	}
}

// paid is a payment as a till knows it in a state.
func paid(state paymentv1.PaymentState) *paymentv1.Payment {
	p := &paymentv1.Payment{
		PaymentId: paymentID, Role: paymentv1.Role_ROLE_BUSINESS, State: state, Amount: "12.00", Tip: "1.00", Currency: "USD", Total: "13.00",
		Guaranteed: "13.00", AtRisk: "0.00", PaymentReference: "table 4", CreatedAt: before(time.Minute), UpdatedAt: before(30 * time.Second),
	}
	switch state {
	case paymentv1.PaymentState_PAYMENT_STATE_PROVISIONAL:
		p.Status, p.Finality = paymentv1.PaymentStatus_PAYMENT_STATUS_COMPLETED, paymentv1.Finality_FINALITY_PROVISIONAL
		p.Receipt = &paymentv1.ReceiptData{
			BusinessName: "Cafe Central", Mcc: "5812", StoredAt: before(30 * time.Second),
			RequestHash: hash('a'), VoucherHash: hash('b'), Voucher: []byte{1, 2, 3},
		}
	case paymentv1.PaymentState_PAYMENT_STATE_SETTLED:
		p.Status, p.Finality = paymentv1.PaymentStatus_PAYMENT_STATUS_COMPLETED, paymentv1.Finality_FINALITY_SETTLED
		p.SettledAmount, p.Synced = "13.00", true
	case paymentv1.PaymentState_PAYMENT_STATE_CANCELLED, paymentv1.PaymentState_PAYMENT_STATE_DECLINED:
		p.Status, p.Reason = paymentv1.PaymentStatus_PAYMENT_STATUS_CANCELLED, "USER"
	case paymentv1.PaymentState_PAYMENT_STATE_EXPIRED, paymentv1.PaymentState_PAYMENT_STATE_REJECTED:
		p.Status = paymentv1.PaymentStatus_PAYMENT_STATUS_FAILED
	case paymentv1.PaymentState_PAYMENT_STATE_AUTHORIZED:
		p.Status = paymentv1.PaymentStatus_PAYMENT_STATUS_IN_PROGRESS
	}
	return p
}

func hash(c byte) string {
	b := make([]byte, 64)
	for i := range b {
		b[i] = c
	}
	return string(b)
}

// outcomeOf is the last message of a payment request.
func outcomeOf(p *paymentv1.Payment) *businessv1.StreamPaymentRequestResponse {
	return &businessv1.StreamPaymentRequestResponse{PaymentId: p.GetPaymentId(), Update: &businessv1.StreamPaymentRequestResponse_Result{
		Result: &businessv1.PaymentResult{Payment: p},
	}}
}

func searching() *businessv1.StreamPaymentRequestResponse {
	return &businessv1.StreamPaymentRequestResponse{PaymentId: paymentID, Update: &businessv1.StreamPaymentRequestResponse_Progress{
		Progress: &businessv1.Progress{Step: businessv1.ProgressStep_PROGRESS_STEP_SEARCHING},
	}}
}

// requested, successful and so on are events of one payment.
func requested(sequence uint64) *paymentv1.Event {
	return &paymentv1.Event{Sequence: sequence, Time: before(0), Event: &paymentv1.Event_PaymentRequestReceived{PaymentRequestReceived: &paymentv1.PaymentRequestReceived{
		PaymentId: paymentID, Amount: "12.00", Currency: "USD", PaymentReference: "table 4", BusinessName: "Cafe Central", TipAllowed: true, TipMax: "5.00", Code: "4711",
	}}}
}

func successful(sequence uint64) *paymentv1.Event {
	return &paymentv1.Event{Sequence: sequence, Time: before(0), Event: &paymentv1.Event_PaymentSuccessful{PaymentSuccessful: &paymentv1.PaymentSuccessful{
		PaymentId: paymentID, Amount: "12.00", Tip: "1.00", Currency: "USD", Finality: paymentv1.Finality_FINALITY_PROVISIONAL, Guaranteed: "13.00", AtRisk: "0.00",
	}}}
}

func cancelledEvent(sequence uint64) *paymentv1.Event {
	return &paymentv1.Event{Sequence: sequence, Time: before(0), Event: &paymentv1.Event_PaymentCancelled{PaymentCancelled: &paymentv1.PaymentCancelled{PaymentId: paymentID, Reason: "USER"}}}
}

func otherPaid(sequence uint64) *paymentv1.Event {
	return &paymentv1.Event{Sequence: sequence, Time: before(0), Event: &paymentv1.Event_AnotherUserPaid{AnotherUserPaid: &paymentv1.AnotherUserPaid{PaymentId: paymentID}}}
}

func failedEvent(sequence uint64, id string) *paymentv1.Event {
	return &paymentv1.Event{Sequence: sequence, Time: before(0), Event: &paymentv1.Event_PaymentFailed{PaymentFailed: &paymentv1.PaymentFailed{PaymentId: id, Reason: "LINK_LOST", NextStep: "Wait for a new request."}}}
}

func rejected(sequence uint64, id string) *paymentv1.Event {
	return &paymentv1.Event{Sequence: sequence, Time: before(0), Event: &paymentv1.Event_PaymentRejected{PaymentRejected: &paymentv1.PaymentRejected{PaymentId: id, Reason: "EXHAUSTED"}}}
}

func unconfirmed(sequence uint64) *paymentv1.Event {
	return &paymentv1.Event{Sequence: sequence, Time: before(0), Event: &paymentv1.Event_PaymentUnconfirmed{PaymentUnconfirmed: &paymentv1.PaymentUnconfirmed{PaymentId: paymentID, Resolution: "settle_by"}}}
}

// caPEM is the text of a certificate file.
func caPEM(t *testing.T) []byte {
	t.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	about := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: noon, NotAfter: noon.Add(time.Hour)}
	der, err := x509.CreateCertificate(nil, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
