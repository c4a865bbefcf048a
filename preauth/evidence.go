package preauth

import (
	"errors"
	"fmt"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth/money"
)

// Kinds of evidence.
const (
	// SameCounter: two vouchers at one counter. No honest device signs both.
	SameCounter = "SAME_COUNTER"
	// OverLimit: vouchers of one pre-authorization that sum above its limit.
	// An honest device signs more than the limit only after the till's Cancel
	// of an earlier one, and can show it: the accused may answer with Cancels.
	OverLimit = "OVER_LIMIT"
)

// ErrEvidence: signed objects that do not prove a double spend.
var ErrEvidence = errors.New("no double spend")

// evidenceMax is how many vouchers are looked at: as many as sum up in 64
// bits.
const evidenceMax = 4000

// DoubleSpend is what evidence proves.
type DoubleSpend struct {
	Kind     string
	Accused  DeviceCert
	Preauth  PreauthCert
	Vouchers []Voucher
	Total    int64 // of the vouchers, tips included, minor units
}

// VerifyEvidence says whether e proves that a device spent twice, to somebody
// who knows nothing but the root key.
//
// The error wraps ErrDecode, ErrIssuer, ErrSignature, ErrRole or ErrEvidence.
func VerifyEvidence(root PublicKey, e *peerv1.Evidence) (DoubleSpend, error) {
	d := DoubleSpend{Kind: e.GetKind()}
	issuers, err := OpenIssuance(root, e.GetIssuance())
	if err != nil {
		return DoubleSpend{}, fmt.Errorf("issuers: %w", err)
	}
	if d.Preauth, err = issuers.GenuinePreauth(e.GetPreauthCert()); err != nil {
		return DoubleSpend{}, fmt.Errorf("pre-authorization: %w", err)
	}
	if d.Accused, err = issuers.genuine(e.GetDeviceCert(), peerv1.Role_ROLE_CUSTOMER); err != nil {
		return DoubleSpend{}, fmt.Errorf("accused: %w", err)
	}
	if PublicKey(d.Accused.Body.SigningKey) != PublicKey(d.Preauth.Body.Spender) {
		return DoubleSpend{}, fmt.Errorf("pre-authorization %s is not device %s's to spend: %w", ID(d.Preauth.Body.PreauthId), ID(d.Accused.Body.DeviceId), ErrEvidence)
	}
	if n := len(e.GetVouchers()); n > evidenceMax {
		return DoubleSpend{}, fmt.Errorf("%d vouchers: %w", n, ErrDecode)
	}
	seen := map[Hash]bool{}
	for i, b := range e.GetVouchers() {
		v, err := d.open(b)
		if err != nil {
			return DoubleSpend{}, fmt.Errorf("voucher %d: %w", i+1, err)
		}
		if seen[v.Hash] {
			return DoubleSpend{}, fmt.Errorf("voucher %d is there twice: %w", i+1, ErrEvidence)
		}
		seen[v.Hash] = true
		d.Vouchers = append(d.Vouchers, v)
		d.Total += v.Body.Amount + v.Body.Tip
	}
	if err := d.check(); err != nil {
		return DoubleSpend{}, err
	}
	return d, nil
}

// open accepts a voucher of the accused on the pre-authorization.
func (d DoubleSpend) open(b []byte) (Voucher, error) {
	v, err := Open[*peerv1.Voucher](b)
	if err != nil {
		return Voucher{}, err
	}
	if err := v.VerifiedBy(PublicKey(d.Preauth.Body.Spender)); err != nil {
		return Voucher{}, err
	}
	if ID(v.Body.PreauthId) != ID(d.Preauth.Body.PreauthId) || v.Body.Currency != d.Preauth.Body.Currency {
		return Voucher{}, fmt.Errorf("of pre-authorization %s in %s: %w", ID(v.Body.PreauthId), v.Body.Currency, ErrEvidence)
	}
	return v, nil
}

// check says why the vouchers are no double spend, nil if they are.
func (d DoubleSpend) check() error {
	switch d.Kind {
	case SameCounter:
		if len(d.Vouchers) != 2 {
			return fmt.Errorf("%d vouchers, want 2: %w", len(d.Vouchers), ErrEvidence)
		}
		if a, b := d.Vouchers[0].Body.Counter, d.Vouchers[1].Body.Counter; a != b {
			return fmt.Errorf("vouchers at counters %d and %d: %w", a, b, ErrEvidence)
		}
		return nil
	case OverLimit:
		if c := d.Preauth.Body; d.Total <= c.Limit {
			return fmt.Errorf("vouchers of %s %s, the limit is %s: %w", money.Format(d.Total, c.Currency), c.Currency, money.Format(c.Limit, c.Currency), ErrEvidence)
		}
		return nil
	}
	return fmt.Errorf("evidence of kind %.40q: %w", d.Kind, ErrDecode)
}

// genuine accepts a device certificate of that role that an issuer ever
// signed.
func (i Issuers) genuine(b []byte, role peerv1.Role) (DeviceCert, error) {
	c, err := i.GenuineDevice(b)
	if err != nil {
		return DeviceCert{}, err
	}
	if c.Body.Role != role {
		return DeviceCert{}, fmt.Errorf("device %s is %s: %w", ID(c.Body.DeviceId), c.Body.Role, ErrRole)
	}
	return c, nil
}
