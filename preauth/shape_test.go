package preauth

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth/money"
)

func TestEverySampleIsAccepted(t *testing.T) {
	for _, s := range samples(t) {
		got, err := openers[kindOf(s.body)](forge(t, s.key, s.body))
		if err != nil || got.check(testPub(s.key)) != nil || !proto.Equal(got.body, s.body) {
			t.Errorf("%s: %v", s.name, err)
		}
	}
}

// bend is one body out of bounds, made from the fullest sample of its kind.
type bend struct {
	name string
	bend func(m proto.Message)
}

// of makes a bend of one kind of body.
func of[M proto.Message](name string, f func(M)) bend {
	return bend{name, func(m proto.Message) {
		if m, ok := m.(M); ok {
			f(m)
		}
	}}
}

func short(n int) []byte { return make([]byte, n) }

func bendsOfCertificates() []bend {
	type (
		device  = *peerv1.DeviceCert
		preauth = *peerv1.PreauthCert
		bundle  = *peerv1.TrustBundle
	)
	return []bend{
		of("device without id", func(m device) { m.DeviceId = nil }),
		of("device key off the curve", func(m device) { m.SigningKey = short(33) }),
		of("device with a short Noise key", func(m device) { m.NoiseKey = short(31) }),
		of("device valid from never", func(m device) { m.NotBeforeMs = 0 }),
		of("device that ends when it begins", func(m device) { m.NotAfterMs = m.NotBeforeMs }),
		of("device without role", func(m device) { m.Role = 0 }),
		of("device of a third role", func(m device) { m.Role = 3 }),
		of("till without business", func(m device) { m.BusinessId = nil }),
		of("till without name", func(m device) { m.DisplayName = "" }),
		of("till with a long name", func(m device) { m.DisplayName = strings.Repeat("x", 65) }),
		of("till with five digits of category", func(m device) { m.Mcc = 10000 }),
		of("customer with a business's name", func(m device) { m.Role, m.BusinessId, m.Mcc = peerv1.Role_ROLE_CUSTOMER, nil, 0 }),
		of("customer with a business", func(m device) { m.Role, m.DisplayName, m.Mcc = peerv1.Role_ROLE_CUSTOMER, "", 0 }),
		of("customer with a category", func(m device) {
			m.Role, m.DisplayName, m.BusinessId = peerv1.Role_ROLE_CUSTOMER, "", nil
		}),
		of("device with 17 caps", func(m device) {
			for len(m.Caps) < 17 {
				m.Caps = append(m.Caps, m.Caps[0])
			}
		}),
		of("cap in no currency", func(m device) { m.Caps[0].Currency = "US" }),
		of("cap below zero", func(m device) { m.Caps[0].PaymentMax = -1 }),
		of("cap above any amount", func(m device) { m.Caps[0].TotalMax = money.MaxMinor + 1 }),

		of("pre-authorization without id", func(m preauth) { m.PreauthId = short(15) }),
		of("pre-authorization without spender", func(m preauth) { m.Spender = nil }),
		of("pre-authorization without instrument", func(m preauth) { m.InstrumentRef = nil }),
		of("pre-authorization without owner", func(m preauth) { m.OwnerRef = short(17) }),
		of("pre-authorization in no currency", func(m preauth) { m.Currency = "" }),
		of("limit of zero", func(m preauth) { m.Limit = 0 }),
		of("limit above any amount", func(m preauth) { m.Limit = money.MaxMinor + 1 }),
		of("largest payment of zero", func(m preauth) { m.PaymentMax = 0 }),
		of("guarantee below zero", func(m preauth) { m.Guarantee = -1 }),
		of("no payments", func(m preauth) { m.PaymentsMax = 0 }),
		of("1001 payments", func(m preauth) { m.PaymentsMax = 1001 }),
		of("33 payments of a TPM", func(m preauth) { m.Assurance, m.PaymentsMax = peerv1.Assurance_ASSURANCE_TPM, 33 }),
		of("no assurance", func(m preauth) { m.Assurance = 0 }),
		of("an assurance nobody knows", func(m preauth) { m.Assurance, m.PaymentsMax = 3, 1 }),
		of("spend_by before it is issued", func(m preauth) { m.SpendByMs = m.IssuedMs }),
		of("spend_by more than 7 days after", func(m preauth) {
			m.SpendByMs = m.IssuedMs + SpendMax.Milliseconds() + 1
		}),
		of("settle_by at spend_by", func(m preauth) { m.SettleByMs = m.SpendByMs }),
		of("bound to less than a hash", func(m preauth) { m.BoundTo = short(31) }),

		of("bundle of epoch 0", func(m bundle) { m.Epoch = 0 }),
		of("bundle without time", func(m bundle) { m.ServerTimeMs = 0 }),
		of("bundle without issuers", func(m bundle) { m.Issuers = nil }),
		of("bundle with 17 issuers", func(m bundle) {
			for len(m.Issuers) < 17 {
				m.Issuers = append(m.Issuers, m.Issuers[0])
			}
		}),
		of("issuer key off the curve", func(m bundle) { m.Issuers[0].PublicKey = short(33) }),
		of("issuer key without end", func(m bundle) { m.Issuers[0].NotAfterMs = 0 }),
		of("bundle with 17 certificates of issuers", func(m bundle) { m.IssuerCerts = make([][]byte, 17) }),
		of("bundle with 9 handovers", func(m bundle) { m.Handovers = make([][]byte, 9) }),
		of("short sealing key", func(m bundle) { m.SealingKey = short(31) }),
		of("revoked device that is no id", func(m bundle) { m.RevokedDevices[0] = short(15) }),
	}
}

func bendsOfRoots() []bend {
	type (
		issuer   = *peerv1.IssuerKey
		handover = *peerv1.RootHandover
	)
	return []bend{
		of("issuer without key", func(m issuer) { m.PublicKey = nil }),
		of("issuer valid from never", func(m issuer) { m.NotBeforeMs = 0 }),
		of("issuer that ends when it begins", func(m issuer) { m.NotAfterMs = m.NotBeforeMs }),
		of("handover to no key", func(m handover) { m.RootKey = nil }),
		of("handover to a key off the curve", func(m handover) { m.RootKey = short(33) }),
		of("handover without time", func(m handover) { m.TimeMs = 0 }),
	}
}

// bends are all there are.
func bends() []bend {
	return slices.Concat(bendsOfCertificates(), bendsOfRoots(), bendsOfTheRest())
}

func bendsOfTheRest() []bend {
	type (
		request = *peerv1.Request
		voucher = *peerv1.Voucher
		charge  = *peerv1.Charge
		decline = *peerv1.Decline
		receipt = *peerv1.Receipt
		cancel  = *peerv1.Cancel
		verdict = *peerv1.Verdict
		head    = *peerv1.JournalHead
	)
	return []bend{
		of("request without payment", func(m request) { m.PaymentId = nil }),
		of("request without till", func(m request) { m.BusinessDeviceId = short(17) }),
		of("request with a short nonce", func(m request) { m.Nonce = short(15) }),
		of("request without binding", func(m request) { m.ChannelBinding = nil }),
		of("request for nothing", func(m request) { m.Amount = 0 }),
		of("request for less than nothing", func(m request) { m.Amount = -1 }),
		of("request for more than any amount", func(m request) { m.Amount = money.MaxMinor + 1 }),
		of("request in small letters", func(m request) { m.Currency = "usd" }),
		of("request with a long reference", func(m request) { m.Reference = strings.Repeat("é", 33) }),
		of("request that ends at once", func(m request) { m.TtlMs = 0 }),
		of("request that waits more than an hour", func(m request) { m.TtlMs = 3_600_001 }),
		of("request with a largest tip below zero", func(m request) { m.Tip.Max = -1 }),
		of("request without certificate", func(m request) { m.DeviceCert = nil }),

		of("voucher without pre-authorization", func(m voucher) { m.PreauthId = nil }),
		of("voucher without request", func(m voucher) { m.RequestHash = nil }),
		of("voucher without chain", func(m voucher) { m.PrevHash = short(31) }),
		of("voucher over nothing", func(m voucher) { m.Amount = 0 }),
		of("voucher with a tip below zero", func(m voucher) { m.Tip = -1 }),
		of("voucher whose sum would overflow", func(m voucher) { m.Tip = 1<<63 - 1 }),
		of("voucher in no currency", func(m voucher) { m.Currency = "" }),
		of("voucher with less than nothing left", func(m voucher) { m.Remaining = -1 }),
		of("voucher with five Cancels", func(m voucher) { m.Released = make([][]byte, 5) }),

		of("charge without instrument", func(m charge) { m.InstrumentRef = nil }),
		of("charge without request", func(m charge) { m.RequestHash = nil }),
		of("charge without device", func(m charge) { m.CustomerDeviceId = nil }),
		of("charge over nothing", func(m charge) { m.Amount = 0 }),
		of("charge with a tip below zero", func(m charge) { m.Tip = -1 }),

		of("decline without request", func(m decline) { m.RequestHash = nil }),
		of("decline with many words", func(m decline) { m.Reason = strings.Repeat("x", 65) }),

		of("receipt without request", func(m receipt) { m.RequestHash = nil }),
		of("receipt without voucher", func(m receipt) { m.VoucherHash = nil }),
		of("receipt of no status", func(m receipt) { m.Status = 0 }),
		of("receipt of a third status", func(m receipt) { m.Status = 3 }),
		of("receipt without time", func(m receipt) { m.StoredMs = 0 }),

		of("cancel without request", func(m cancel) { m.RequestHash = nil }),
		of("cancel without reason", func(m cancel) { m.Reason = 0 }),
		of("cancel for a reason nobody knows", func(m cancel) { m.Reason = 8 }),
		of("cancel for a reason below zero", func(m cancel) { m.Reason = -1 }),
		of("cancel by a check that is not named", func(m cancel) { m.Reason, m.Code = peerv1.CancelReason_CANCEL_REASON_REFUSED, "" }),
		of("cancel by nobody's check", func(m cancel) { m.Reason, m.Code = peerv1.CancelReason_CANCEL_REASON_USER, "TIP_NOT_ALLOWED" }),
		of("cancel with a long code", func(m cancel) {
			m.Reason, m.Code = peerv1.CancelReason_CANCEL_REASON_REFUSED, strings.Repeat("X", 65)
		}),

		of("verdict without request", func(m verdict) { m.RequestHash = nil }),
		of("verdict on no voucher", func(m verdict) { m.Outcome, m.Amount, m.VoucherHash = peerv1.Outcome_OUTCOME_REJECTED, 0, nil }),
		of("verdict on less than a voucher", func(m verdict) { m.Outcome, m.Amount, m.VoucherHash = peerv1.Outcome_OUTCOME_CANCELLED, 0, short(31) }),
		of("verdict without outcome", func(m verdict) { m.Outcome = 0 }),
		of("verdict that settles nothing", func(m verdict) { m.Amount = 0 }),
		of("verdict that settles more than any amount", func(m verdict) { m.Amount = money.MaxMinor + 1 }),
		of("verdict that rejects and pays", func(m verdict) { m.Outcome = peerv1.Outcome_OUTCOME_REJECTED }),
		of("verdict that cancels and pays", func(m verdict) { m.Outcome = peerv1.Outcome_OUTCOME_CANCELLED }),
		of("verdict with a shortfall below zero", func(m verdict) { m.Shortfall = -1 }),
		of("verdict with many words", func(m verdict) { m.Reason = strings.Repeat("x", 65) }),

		of("journal of no device", func(m head) { m.DeviceId = nil }),
		of("journal without events", func(m head) { m.Sequence = 0 }),
		of("journal without hash", func(m head) { m.Hash = short(31) }),
		of("journal without time", func(m head) { m.TimeMs = 0 }),
	}
}

// fullest are the samples with every field set, one of each kind.
func fullest(t *testing.T) []sample {
	t.Helper()
	var out []sample
	seen := map[string]bool{}
	for _, s := range samples(t) {
		if !seen[kindOf(s.body)] {
			seen[kindOf(s.body)] = true
			out = append(out, s)
		}
	}
	return out
}

func TestBodiesOutOfBoundsAreRefused(t *testing.T) {
	for _, b := range bends() {
		bent := 0
		for _, s := range fullest(t) {
			m := proto.Clone(s.body)
			if b.bend(m); proto.Equal(m, s.body) {
				continue
			}
			bent++
			_, err := openers[kindOf(m)](forge(t, s.key, m))
			if !errors.Is(err, ErrDecode) || Code(err) != "PEER_PROTOCOL" {
				t.Errorf("%s: %v", b.name, err)
			}
			if checkShape(m) == nil {
				t.Errorf("%s: refused for another reason: %v", b.name, err)
			}
		}
		if bent != 1 {
			t.Errorf("%s: bends %d samples", b.name, bent)
		}
	}
}

func TestBodiesAtTheirBoundsAreAccepted(t *testing.T) {
	tests := []bend{
		of("the last reason of a Cancel", func(m *peerv1.Cancel) { m.Reason, m.Code = peerv1.CancelReason_CANCEL_REASON_REVERSAL, "" }),
		of("category 9999", func(m *peerv1.DeviceCert) { m.Mcc = 9999 }),
		of("16 caps", func(m *peerv1.DeviceCert) {
			for len(m.Caps) < 16 {
				m.Caps = append(m.Caps, m.Caps[0])
			}
		}),
		of("caps of zero", func(m *peerv1.DeviceCert) { m.Caps[0].PaymentMax, m.Caps[0].TotalMax = 0, 0 }),
		of("one payment", func(m *peerv1.PreauthCert) { m.PaymentsMax = 1 }),
		of("seven days to spend", func(m *peerv1.PreauthCert) { m.IssuedMs = m.SpendByMs - SpendMax.Milliseconds() }),
		of("the largest limit", func(m *peerv1.PreauthCert) { m.Limit = money.MaxMinor }),
		of("16 issuers", func(m *peerv1.TrustBundle) {
			for len(m.Issuers) < 16 {
				m.Issuers = append(m.Issuers, m.Issuers[0])
			}
		}),
		of("16 certificates of issuers and 8 handovers", func(m *peerv1.TrustBundle) {
			m.IssuerCerts, m.Handovers = make([][]byte, 16), make([][]byte, 8)
		}),
		of("an hour to answer", func(m *peerv1.Request) { m.TtlMs = 3_600_000 }),
		of("four Cancels", func(m *peerv1.Voucher) { m.Released = [][]byte{{1}, {2}, {3}, {4}} }),
	}
	for _, b := range tests {
		for _, s := range fullest(t) {
			b.bend(s.body)
			if err := checkShape(s.body); err != nil {
				t.Errorf("%s: %v", b.name, err)
			}
		}
	}
}

func TestTextThatDeceivesIsRefused(t *testing.T) {
	tests := []struct {
		name, text string
		ok         bool
	}{
		{"nothing", "", true},
		{"plain", "table 4", true},
		{"other scripts", "テーブル 4, стол 4, طاولة ٤", true},
		{"an emoji of several parts", "👩‍🍳", true},
		{"64 bytes", strings.Repeat("é", 32), true},
		{"65 bytes", strings.Repeat("é", 32) + "x", false},
		{"a new line", "table\n4", false},
		{"a carriage return", "1.00\r9.00", false},
		{"an escape sequence", "\x1b[2J", false},
		{"a zero byte", "table\x004", false},
		{"delete", "\x7f", false},
		{"a C1 control", "\u009b2J", false},
		{"right to left override", "\u202e00.1", false},
		{"left to right embedding", "\u202a", false},
		{"an isolate", "\u2066x\u2069", false},
		{"a right to left mark", "4\u200f2", false},
		{"an Arabic letter mark", "\u061c", false},
		{"a line separator", "a\u2028b", false},
		{"a paragraph separator", "a\u2029b", false},
	}
	for _, tt := range tests {
		r := newDeal().signRequest(t).Body
		r.Reference = tt.text
		if _, err := Open[*peerv1.Request](forge(t, "till", r)); (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrDecode) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
