// Package ledger is the arithmetic of the backend: double entry over
// instruments, holds, businesses and the issuer, and the rules by which a
// pre-authorization is reserved, captured, reversed and released.
//
// Everything here is a pure function of its arguments. Amounts are integer
// minor units of one currency and are never updated in place: each operation
// returns transfers to append, and a transfer is two postings whose sum is
// zero. Time is passed in.
package ledger

import (
	"errors"
	"fmt"
)

// Errors of the operations.
var (
	// ErrAmount says that an amount is not positive.
	ErrAmount = errors.New("amount must be positive")

	// ErrInsufficient says that an account does not hold the amount.
	ErrInsufficient = errors.New("insufficient funds")

	// ErrClaimed says that a request has been claimed before; its recorded
	// outcome stands.
	ErrClaimed = errors.New("request already claimed")
)

// A Kind says what an account stands for. It is stored by its text.
type Kind string

// The kinds of account.
const (
	// World is where money comes from that enters an instrument.
	World Kind = "WORLD"
	// Instrument is what a customer can still reserve or charge.
	Instrument Kind = "INSTRUMENT"
	// Held is what one pre-authorization sets aside.
	Held Kind = "HELD"
	// Business is what a business is owed; a reversal may take it below zero.
	Business Kind = "BUSINESS"
	// Issuer is the fund that pays guarantees; it goes below zero by what the
	// issuer has paid and not got back.
	Issuer Kind = "ISSUER"
)

// An Account is one side of a transfer. ID is the instrument, the
// pre-authorization or the business, and zero for World and Issuer.
type Account struct {
	Kind Kind
	ID   [16]byte
}

// A Reason says why a transfer was made. It is stored by its text.
type Reason string

// The reasons for a transfer.
const (
	// Fund gives an instrument its first balance.
	Fund Reason = "FUND"
	// Reserve sets funds aside.
	Reserve Reason = "RESERVE"
	// Capture pays a voucher from what is held.
	Capture Reason = "CAPTURE"
	// Guarantee pays a voucher from the issuer's fund.
	Guarantee Reason = "GUARANTEE"
	// Repay gives the issuer back what a reversal freed.
	Repay Reason = "REPAY"
	// Reverse takes a capture or a guarantee back from the business.
	Reverse Reason = "REVERSE"
	// Release returns what is held to the instrument.
	Release Reason = "RELEASE"
	// ChargeNow pays straight from an instrument, online.
	ChargeNow Reason = "CHARGE"
)

// A Transfer moves a positive amount of minor units from one account to
// another. Transfers are only ever appended.
type Transfer struct {
	Reason   Reason
	From, To Account
	Amount   int64
	Currency string   // ISO 4217 alphabetic code
	Request  [32]byte // H(Request) it belongs to, zero if none
}

// A Posting changes the balance of one account by a signed amount.
type Posting struct {
	Account  Account
	Amount   int64
	Currency string
}

// Postings are the two sides of t. Their sum is zero.
func (t Transfer) Postings() [2]Posting {
	return [2]Posting{
		{Account: t.From, Amount: -t.Amount, Currency: t.Currency},
		{Account: t.To, Amount: t.Amount, Currency: t.Currency},
	}
}

// Funding gives an instrument its first balance.
//
// The error wraps ErrAmount.
func Funding(instrument [16]byte, amount int64, currency string) (Transfer, error) {
	if amount <= 0 {
		return Transfer{}, fmt.Errorf("fund %d %s: %w", amount, currency, ErrAmount)
	}
	return Transfer{
		Reason: Fund, From: Account{Kind: World}, To: Account{Kind: Instrument, ID: instrument},
		Amount: amount, Currency: currency,
	}, nil
}

// Reservation sets the whole limit of h aside, out of an instrument whose
// balance is free.
//
// The error wraps ErrAmount or ErrInsufficient.
func Reservation(h Hold, free int64) (Transfer, error) {
	if err := covers(h.Limit, free, h.Currency); err != nil {
		return Transfer{}, fmt.Errorf("reserve: %w", err)
	}
	return Transfer{
		Reason: Reserve, From: h.instrument(), To: h.held(),
		Amount: h.Limit, Currency: h.Currency,
	}, nil
}

func covers(amount, free int64, currency string) error {
	if amount <= 0 {
		return fmt.Errorf("%d %s: %w", amount, currency, ErrAmount)
	}
	if amount > free {
		return fmt.Errorf("%d %s of %d: %w", amount, currency, free, ErrInsufficient)
	}
	return nil
}
