package conformance

import (
	"errors"
	"fmt"

	"github.com/vipaso/vipasod/preauth/money"
	"github.com/vipaso/vipasod/preauth/vectors"
)

// runAmount reads an amount, and writes it again.
func runAmount(c vectors.Amount) (name, want, got string) {
	a, err := money.Parse(c.Text, c.Currency)
	if err != nil {
		return c.Name, amount(c), amountClass(err)
	}
	return c.Name, amount(c), amount(vectors.Amount{Class: vectors.Accepted, Minor: a.Minor, Shown: money.Format(a.Minor, c.Currency)})
}

func amount(c vectors.Amount) string {
	if c.Class != vectors.Accepted {
		return c.Class
	}
	return fmt.Sprintf("%d, shown as %s", c.Minor, c.Shown)
}

// amountClass is the reason of the error catalogue for an error of money.
func amountClass(err error) string {
	switch {
	case errors.Is(err, money.ErrCurrency):
		return "CURRENCY_UNKNOWN"
	case errors.Is(err, money.ErrPrecision):
		return "AMOUNT_PRECISION"
	case errors.Is(err, money.ErrRange):
		return "AMOUNT_RANGE"
	}
	return "AMOUNT_SYNTAX"
}
