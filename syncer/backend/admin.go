package backend

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/ledger"
	"github.com/vipaso/vipasod/preauth/money"
)

// Admin is what the operator does to the books, beside a running server or
// without one.
type Admin struct {
	Store *Store

	// Issuer signs enrollment tokens. Nothing else needs it.
	Issuer *ecdsa.PrivateKey

	// By names the person, for what is recorded.
	By string

	// Now is the clock. Nil means time.Now.
	Now func() time.Time

	// NewID names what is created. Nil means a UUIDv7.
	NewID func() (preauth.ID, error)
}

func (a Admin) now() time.Time {
	if a.Now == nil {
		return time.Now()
	}
	return a.Now()
}

func (a Admin) newID() (preauth.ID, error) {
	if a.NewID == nil {
		return newID()
	}
	return a.NewID()
}

// CreateBusiness adds a business with the name that customers see and its
// merchant category code (ISO 18245).
//
// The error wraps ErrInvalid.
func (a Admin) CreateBusiness(ctx context.Context, name string, mcc uint32) (preauth.ID, error) {
	if err := checkName(name); err != nil {
		return preauth.ID{}, err
	}
	if mcc > 9999 {
		return preauth.ID{}, fmt.Errorf("merchant category %d has more than four digits: %w", mcc, ErrInvalid)
	}
	id, err := a.newID()
	if err != nil {
		return id, err
	}
	return id, a.Store.Write(ctx, func(t Tx) error {
		return t.putBusiness(Business{ID: id, Name: name, MCC: mcc}, a.now())
	})
}

// CreateCustomer adds a customer.
//
// The error wraps ErrInvalid.
func (a Admin) CreateCustomer(ctx context.Context, name string) (preauth.ID, error) {
	if err := checkName(name); err != nil {
		return preauth.ID{}, err
	}
	id, err := a.newID()
	if err != nil {
		return id, err
	}
	return id, a.Store.Write(ctx, func(t Tx) error { return t.putCustomer(id, name, a.now()) })
}

// CreateInstrument adds a funding source. i.ID is ignored; i.Free is its
// first balance.
//
// The error wraps ErrNotFound or ErrInvalid.
func (a Admin) CreateInstrument(ctx context.Context, i Instrument) (preauth.ID, error) {
	if _, ok := instrumentTypes[i.Type]; !ok {
		return preauth.ID{}, fmt.Errorf("instrument type %q is none of CARD, BANK_ACCOUNT, MNO: %w", i.Type, ErrInvalid)
	}
	if _, err := money.Digits(i.Currency); err != nil {
		return preauth.ID{}, err
	}
	var err error
	if i.ID, err = a.newID(); err != nil {
		return i.ID, err
	}
	return i.ID, a.Store.Write(ctx, func(t Tx) error {
		if err := partyExists(t, Party{Customer: i.Customer}); err != nil {
			return err
		}
		if err := t.putInstrument(i, a.now()); err != nil || i.Free == 0 {
			return err
		}
		funding, err := ledger.Funding(i.ID, i.Free, i.Currency)
		if err != nil {
			return err
		}
		return t.post([]ledger.Transfer{funding}, preauth.ID{}, a.now())
	})
}

// Delegate lets another customer use an instrument.
//
// The error wraps ErrInstrument, ErrNotFound or ErrInvalid.
func (a Admin) Delegate(ctx context.Context, instrument, to preauth.ID) error {
	return a.Store.Write(ctx, func(t Tx) error {
		i, ok, err := t.instrument(instrument)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("instrument %s: %w", instrument, ErrInstrument)
		}
		if i.Customer == to {
			return fmt.Errorf("customer %s owns the instrument: %w", to, ErrInvalid)
		}
		if err := partyExists(t, Party{Customer: to}); err != nil {
			return err
		}
		return t.putDelegation(instrument, to, a.now())
	})
}

// EnrollCode makes a one-time code by which a device of p can enroll for ttl.
//
// The error wraps ErrNotFound or ErrInvalid.
func (a Admin) EnrollCode(ctx context.Context, p Party, ttl time.Duration) (string, error) {
	if ttl <= 0 {
		return "", fmt.Errorf("ttl %s: %w", ttl, ErrInvalid)
	}
	b := make([]byte, 10)
	if _, err := rand.Read(b); err != nil {
		return "", err
	}
	text := base32.StdEncoding.EncodeToString(b)
	code := strings.Join([]string{text[:4], text[4:8], text[8:12], text[12:]}, "-")
	return code, a.Store.Write(ctx, func(t Tx) error {
		if err := partyExists(t, p); err != nil {
			return err
		}
		return t.putEnrollCode(credentialHash(code), enrollCode{party: p, expires: a.now().Add(ttl)})
	})
}

// EnrollToken makes a token by which the holder of key can enroll a device of
// p for ttl.
//
// The error wraps ErrNotFound or ErrInvalid.
func (a Admin) EnrollToken(ctx context.Context, p Party, key preauth.PublicKey, ttl time.Duration) (string, error) {
	if ttl <= 0 {
		return "", fmt.Errorf("ttl %s: %w", ttl, ErrInvalid)
	}
	if err := a.Store.Read(ctx, func(t Tx) error { return partyExists(t, p) }); err != nil {
		return "", err
	}
	return EnrollToken(a.Issuer, p, key, a.now().Add(ttl))
}

// Devices returns every device, oldest first.
func (a Admin) Devices(ctx context.Context) (all []Device, err error) {
	err = a.Store.Read(ctx, func(t Tx) error {
		all, err = t.devices()
		return err
	})
	return all, err
}

// RevokeDevice ends a device. Doing it again changes nothing.
//
// The error wraps ErrNotFound.
func (a Admin) RevokeDevice(ctx context.Context, id preauth.ID) error {
	return a.Store.Write(ctx, func(t Tx) error { return revoke(t, id, "OPERATOR", a.now()) })
}

func newID() (preauth.ID, error) {
	id, err := uuid.NewV7()
	return preauth.ID(id), err
}

// checkName takes what a certificate can carry and a screen can show.
func checkName(name string) error {
	if name == "" || len(name) > preauth.TextMax || !utf8.ValidString(name) || strings.ContainsFunc(name, unprintable) {
		return fmt.Errorf("name %.64q is not 1 to %d bytes of plain text: %w", name, preauth.TextMax, ErrInvalid)
	}
	return nil
}

// unprintable are control characters and those that change the direction of
// text, which can make one name look like another.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
}
