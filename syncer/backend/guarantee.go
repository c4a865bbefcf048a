package backend

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth/money"
)

// SetGuarantee sets what the issuer pays per till for pre-authorizations
// issued from now on.
//
// The error wraps ErrInvalid or money.ErrCurrency.
func (a Admin) SetGuarantee(ctx context.Context, by peerv1.Assurance, amount money.Amount) error {
	if _, err := money.Digits(amount.Currency); err != nil {
		return err
	}
	return a.Store.Write(ctx, func(t Tx) error {
		return t.putSetting(guaranteeSetting(by, amount.Currency), strconv.FormatInt(amount.Minor, 10))
	})
}

// Guarantees returns what the issuer pays per till for pre-authorizations
// issued from now on, for the currencies that devices deal in and those that
// it was set for: 0 where it is unset.
func (a Admin) Guarantees(ctx context.Context, by peerv1.Assurance) (all []money.Amount, err error) {
	return all, a.Store.Read(ctx, func(t Tx) error {
		dealt, err := caps(t)
		if err != nil {
			return err
		}
		for _, c := range dealt {
			all = append(all, money.Amount{Currency: c.Currency})
		}
		prefix := guaranteeSetting(by, "")
		return t.each(`SELECT name, value FROM settings WHERE substr(name, 1, ?) = ? ORDER BY name`, []any{len(prefix), prefix}, func(row func(...any) error) error {
			var name, text string
			if err := row(&name, &text); err != nil {
				return err
			}
			set := money.Amount{Currency: strings.TrimPrefix(name, prefix)}
			var err error
			if set.Minor, err = parseMinor(text); err != nil {
				return err
			}
			if i := slices.IndexFunc(all, func(a money.Amount) bool { return a.Currency == set.Currency }); i >= 0 {
				all[i] = set
			} else {
				all = append(all, set)
			}
			return nil
		})
	})
}

// guaranteeSetting names the setting of a guarantee, in minor units.
func guaranteeSetting(a peerv1.Assurance, currency string) string {
	return "guarantee." + strings.TrimPrefix(a.String(), "ASSURANCE_") + "." + currency
}

func parseMinor(text string) (int64, error) {
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || v < 0 || v > money.MaxMinor {
		return 0, fmt.Errorf("setting %q: %w", text, ErrInvalid)
	}
	return v, nil
}
