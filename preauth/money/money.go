// Package money parses and prints amounts of money. Inside the product an
// amount is a whole number of minor units; a decimal string exists only at
// the edge, and nothing is ever rounded.
//
// The number of decimal digits of a currency is that of ISO 4217, not that
// of a locale: Pakistani rupees have two, yen none, Kuwaiti dinars three.
package money

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/bojanz/currency"
	"github.com/shopspring/decimal"
)

// Errors of Parse. They say what to mend in the text.
var (
	// ErrSyntax: not digits with at most one decimal point between them.
	ErrSyntax = errors.New("not an amount such as 12.00")
	// ErrPrecision: more decimals than the currency has.
	ErrPrecision = errors.New("more decimals than the currency has")
	// ErrRange: more than an account can hold.
	ErrRange = errors.New("amount out of range")
	// ErrCurrency: not a currency of ISO 4217.
	ErrCurrency = errors.New("unknown currency")
)

// MaxMinor is the largest amount in minor units. Sums of a thousand such
// amounts still fit 64 bits.
const MaxMinor = math.MaxInt64 / 4096

// textMax bounds what is parsed at all: MaxMinor has 16 digits.
const textMax = 24

// An Amount is a non-negative quantity of one currency, in minor units: cents
// for USD, yen for JPY, fils for KWD. Amounts are comparable with ==.
type Amount struct {
	Minor    int64
	Currency string // ISO 4217 alphabetic code
}

// Parse returns the amount written as a decimal string, such as "12.00", in
// the currency with the given ISO 4217 alphabetic code. It never rounds.
//
// The error wraps ErrCurrency, ErrSyntax, ErrPrecision or ErrRange.
func Parse(s, code string) (Amount, error) {
	digits, err := Digits(code)
	if err != nil {
		return Amount{}, err
	}
	if !isPlain(s) {
		return Amount{}, fmt.Errorf("%s %s: %w", quote(s), code, ErrSyntax)
	}
	if len(s) > textMax {
		return Amount{}, fmt.Errorf("%s %s: %w", quote(s), code, ErrRange)
	}
	minor := decimal.RequireFromString(s).Shift(int32(digits)) // plain digits: always a number
	if !minor.IsInteger() {
		return Amount{}, fmt.Errorf("%s has %s, %s has %s: %w", s, decimals(len(s)-strings.IndexByte(s, '.')-1), code, decimals(digits), ErrPrecision)
	}
	if minor.GreaterThan(decimal.NewFromInt(MaxMinor)) {
		return Amount{}, fmt.Errorf("%s %s, at most %s: %w", s, code, Format(MaxMinor, code), ErrRange)
	}
	return Amount{Minor: minor.IntPart(), Currency: code}, nil
}

// Digits returns how many decimal digits the currency has. The error wraps
// ErrCurrency.
func Digits(code string) (int, error) {
	digits, ok := currency.GetDigits(code)
	if !ok {
		return 0, fmt.Errorf("%s: %w", quote(code), ErrCurrency)
	}
	return int(digits), nil
}

// Format writes minor units of a currency as a decimal string with exactly
// the currency's digits. Amounts may be negative here: balances are. An
// unknown currency is written in minor units.
func Format(minor int64, code string) string {
	digits, err := Digits(code)
	if err != nil {
		digits = 0
	}
	return decimal.New(minor, -int32(digits)).StringFixed(int32(digits))
}

// String returns the amount as people write it, such as "12.00 USD".
func (a Amount) String() string { return Format(a.Minor, a.Currency) + " " + a.Currency }

// isPlain reports whether s is digits, with digits on both sides of a
// decimal point if there is one. No sign, no exponent, no group separator.
func isPlain(s string) bool {
	whole, fraction, point := strings.Cut(s, ".")
	return isDigits(whole) && (!point || isDigits(fraction))
}

func isDigits(s string) bool {
	for _, r := range []byte(s) {
		if r < '0' || r > '9' {
			return false
		}
	}
	return s != ""
}

// decimals is a number of them as people say it.
func decimals(n int) string {
	switch n {
	case 0:
		return "none"
	case 1:
		return "1 decimal"
	}
	return fmt.Sprintf("%d decimals", n)
}

// quote shortens what somebody typed for an error message.
func quote(s string) string {
	if len(s) > textMax {
		return fmt.Sprintf("%.*q…", textMax, s)
	}
	return fmt.Sprintf("%q", s)
}
