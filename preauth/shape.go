package preauth

import (
	"errors"
	"fmt"
	"unicode"

	"google.golang.org/protobuf/proto"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth/money"
)

// TextMax bounds names and references in bytes, so that a request fits three
// radio values.
const TextMax = 64

// ReleasedMax is how many Cancels a voucher may repeat.
const ReleasedMax = 4

// shape collects what is wrong with a message. Each check names a field.
type shape struct{ errs []error }

func (s *shape) wrong(field, what string) {
	s.errs = append(s.errs, fmt.Errorf("%s %s", field, what))
}

func (s *shape) size(field string, b []byte, n int) {
	if len(b) != n {
		s.wrong(field, fmt.Sprintf("has %d bytes, not %d", len(b), n))
	}
}

func (s *shape) key(field string, b []byte) {
	if _, err := PublicKeyFrom(b); err != nil {
		s.wrong(field, err.Error())
	}
}

func (s *shape) amount(field string, v, min int64) {
	if v < min || v > money.MaxMinor {
		s.wrong(field, fmt.Sprintf("is %d", v))
	}
}

func (s *shape) currency(field, code string) {
	if _, err := money.Digits(code); err != nil {
		s.wrong(field, err.Error())
	}
}

// ErrText: a name, reference or reason that cannot travel.
var ErrText = refusal("FIELD_INVALID", "not one short line of plain text")

// CheckText refuses a name, reference or reason that is longer than TextMax
// bytes or could deceive a reader: one with control or direction characters,
// or with a line break. The error wraps ErrText.
func CheckText(v string) error { return CheckLine(v, TextMax) }

// CheckLine is CheckText with another bound, in bytes, for what does not
// travel over the air.
func CheckLine(v string, most int) error {
	if len(v) > most {
		return fmt.Errorf("%d bytes: %w", len(v), ErrText)
	}
	for _, r := range v {
		if unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp) {
			return fmt.Errorf("control character %U: %w", r, ErrText)
		}
	}
	return nil
}

func (s *shape) text(field, v string) {
	if err := CheckText(v); err != nil {
		s.wrong(field, err.Error())
	}
}

func (s *shape) between(field string, from, to int64) {
	if from <= 0 || to <= from {
		s.wrong(field, "is no span of time")
	}
}

func (s *shape) is(field string, ok bool) {
	if !ok {
		s.wrong(field, "is out of bounds")
	}
}

// checkShape refuses bodies that break a bound of their kind, whatever their
// signature says. It returns all that is wrong, or nil.
func checkShape(m proto.Message) error {
	var s shape
	switch m := m.(type) {
	case *peerv1.DeviceCert:
		s.deviceCert(m)
	case *peerv1.PreauthCert:
		s.preauthCert(m)
	case *peerv1.TrustBundle:
		s.trustBundle(m)
	case *peerv1.IssuerKey:
		s.issuerKey(m)
	case *peerv1.RootHandover:
		s.key("root_key", m.RootKey)
		s.is("time", m.TimeMs > 0)
	case *peerv1.Verdict:
		s.verdict(m)
	case *peerv1.Request:
		s.request(m)
	case *peerv1.Receipt:
		s.size("request_hash", m.RequestHash, 32)
		s.size("voucher_hash", m.VoucherHash, 32)
		s.is("status", m.Status == peerv1.ReceiptStatus_RECEIPT_STATUS_STORED || m.Status == peerv1.ReceiptStatus_RECEIPT_STATUS_SETTLED)
		s.is("stored_ms", m.StoredMs > 0)
	case *peerv1.Cancel:
		s.size("request_hash", m.RequestHash, 32)
		s.is("reason", m.Reason > 0 && m.Reason <= peerv1.CancelReason_CANCEL_REASON_REVERSAL)
		s.is("code", (m.Code != "") == (m.Reason == peerv1.CancelReason_CANCEL_REASON_REFUSED))
		s.text("code", m.Code)
	case *peerv1.Voucher:
		s.voucher(m)
	case *peerv1.Charge:
		s.size("request_hash", m.RequestHash, 32)
		s.size("instrument_ref", m.InstrumentRef, 16)
		s.size("customer_device_id", m.CustomerDeviceId, 16)
		s.price(m.Amount, m.Tip, m.Currency)
	case *peerv1.Decline:
		s.size("request_hash", m.RequestHash, 32)
		s.text("reason", m.Reason)
	case *peerv1.JournalHead:
		s.size("device_id", m.DeviceId, 16)
		s.size("hash", m.Hash, 32)
		s.is("sequence", m.Sequence > 0)
		s.is("time_ms", m.TimeMs > 0)
	default:
		s.wrong("kind", "is never signed")
	}
	return errors.Join(s.errs...)
}

func (s *shape) price(amount, tip int64, currency string) {
	s.amount("amount", amount, 1)
	s.amount("tip", tip, 0)
	s.is("amount and tip", amount <= money.MaxMinor-tip) // a verdict must be able to name the sum
	s.currency("currency", currency)
}

func (s *shape) deviceCert(m *peerv1.DeviceCert) {
	s.size("device_id", m.DeviceId, 16)
	s.key("signing_key", m.SigningKey)
	s.size("noise_key", m.NoiseKey, 32)
	s.between("validity", m.NotBeforeMs, m.NotAfterMs)
	s.text("display_name", m.DisplayName)
	switch m.Role {
	case peerv1.Role_ROLE_BUSINESS:
		s.size("business_id", m.BusinessId, 16)
		s.is("display_name", m.DisplayName != "")
		s.is("mcc", m.Mcc <= 9999)
	case peerv1.Role_ROLE_CUSTOMER:
		s.is("business", len(m.BusinessId) == 0 && m.DisplayName == "" && m.Mcc == 0)
	default:
		s.wrong("role", "is not known")
	}
	s.limits(m)
}

func (s *shape) preauthCert(m *peerv1.PreauthCert) {
	s.size("preauth_id", m.PreauthId, 16)
	s.key("spender", m.Spender)
	s.size("instrument_ref", m.InstrumentRef, 16)
	s.size("owner_ref", m.OwnerRef, 16)
	s.currency("currency", m.Currency)
	s.amount("limit", m.Limit, 1)
	s.amount("payment_max", m.PaymentMax, 1)
	s.amount("guarantee", m.Guarantee, 0)
	s.is("payments_max", m.PaymentsMax >= 1 && m.PaymentsMax <= paymentsMax(m.Assurance))
	s.between("spend_by", m.IssuedMs, m.SpendByMs)
	s.is("spend_by", m.SpendByMs-m.IssuedMs <= SpendMax.Milliseconds())
	s.between("settle_by", m.SpendByMs, m.SettleByMs)
	s.is("assurance", m.Assurance == peerv1.Assurance_ASSURANCE_SOFTWARE || m.Assurance == peerv1.Assurance_ASSURANCE_TPM)
	if len(m.BoundTo) != 0 {
		s.size("bound_to", m.BoundTo, 32)
	}
}

// paymentsMax is how many vouchers a certificate can allow: a TPM has room for
// few.
func paymentsMax(a peerv1.Assurance) uint32 {
	if a == peerv1.Assurance_ASSURANCE_TPM {
		return 32
	}
	return 1000
}

func (s *shape) trustBundle(m *peerv1.TrustBundle) {
	s.is("epoch", m.Epoch > 0)
	s.is("server_time", m.ServerTimeMs > 0)
	s.is("issuers", len(m.Issuers) >= 1 && len(m.Issuers) <= IssuersMax)
	for _, k := range m.Issuers {
		s.issuerKey(k)
	}
	s.is("issuer_certs", len(m.IssuerCerts) <= IssuersMax)
	s.is("handovers", len(m.Handovers) <= HandoversMax)
	for _, d := range m.RevokedDevices {
		s.size("revoked_devices", d, 16)
	}
	if len(m.SealingKey) != 0 {
		s.size("sealing_key", m.SealingKey, 32)
	}
}

func (s *shape) issuerKey(m *peerv1.IssuerKey) {
	s.key("public_key", m.PublicKey)
	s.between("validity", m.NotBeforeMs, m.NotAfterMs)
}

func (s *shape) verdict(m *peerv1.Verdict) {
	s.size("request_hash", m.RequestHash, 32)
	if len(m.VoucherHash) != 0 || m.Outcome != peerv1.Outcome_OUTCOME_CANCELLED {
		s.size("voucher_hash", m.VoucherHash, 32)
	}
	s.amount("amount", m.Amount, 0)
	s.amount("shortfall", m.Shortfall, 0)
	s.text("reason", m.Reason)
	switch m.Outcome {
	case peerv1.Outcome_OUTCOME_SETTLED:
		s.is("amount", m.Amount > 0)
	case peerv1.Outcome_OUTCOME_REJECTED, peerv1.Outcome_OUTCOME_CANCELLED:
		s.is("amount", m.Amount == 0)
	default:
		s.wrong("outcome", "is not known")
	}
}

func (s *shape) request(m *peerv1.Request) {
	s.size("payment_id", m.PaymentId, 16)
	s.size("business_device_id", m.BusinessDeviceId, 16)
	s.size("nonce", m.Nonce, 16)
	s.size("channel_binding", m.ChannelBinding, 32)
	s.amount("amount", m.Amount, 1)
	s.currency("currency", m.Currency)
	s.text("reference", m.Reference)
	s.is("ttl", m.TtlMs > 0 && m.TtlMs <= 3_600_000)
	if m.Tip != nil {
		s.amount("tip.max", m.Tip.Max, 0)
	}
	s.is("device_cert", len(m.DeviceCert) > 0)
}

func (s *shape) voucher(m *peerv1.Voucher) {
	s.size("preauth_id", m.PreauthId, 16)
	s.size("request_hash", m.RequestHash, 32)
	s.size("prev_hash", m.PrevHash, 32)
	s.price(m.Amount, m.Tip, m.Currency)
	s.amount("remaining", m.Remaining, 0)
	s.is("released", len(m.Released) <= ReleasedMax)
}
