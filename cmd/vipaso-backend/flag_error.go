package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/vipaso/vipasod/cmd/internal/flags"
	"github.com/vipaso/vipasod/preauth/money"
)

// flagError is a wrong command line; an amount below zero, which looks like a
// flag, is no usage error but one of money's.
func flagError(c *cobra.Command, err error) error {
	if none := (*pflag.NotExistError)(nil); errors.As(err, &none) && belowZero(none.GetSpecifiedShortnames()) {
		return fmt.Errorf("-%s: %w", none.GetSpecifiedShortnames(), money.ErrSyntax)
	}
	return usage(c, flags.Explain(err))
}

// belowZero is whether what follows a minus sign begins as a number does.
func belowZero(s string) bool { return s != "" && strings.Contains("0123456789.", s[:1]) }
