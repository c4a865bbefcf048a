package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/vipaso/vipasod/preauth/money"
)

// flagError is a wrong command line. If it is a flag's refusal of a time, a
// number or a yes or no, it says what the flag takes; an amount below zero,
// which looks like a flag, is no usage error but one of money's.
func flagError(c *cobra.Command, err error) error {
	if none := (*pflag.NotExistError)(nil); errors.As(err, &none) && belowZero(none.GetSpecifiedShortnames()) {
		return fmt.Errorf("-%s: %w", none.GetSpecifiedShortnames(), money.ErrSyntax)
	}
	var wrong *pflag.InvalidValueError
	if !errors.As(err, &wrong) {
		return usage(c, err)
	}
	takes := ""
	switch wrong.GetFlag().Value.Type() {
	case "duration":
		takes = "a time with its unit, such as 90s, 10m or 24h"
	case "uint32":
		takes = "a whole number from 0 on"
	case "bool":
		takes = "true or false"
	default:
		return usage(c, err)
	}
	return usage(c, fmt.Errorf("--%s takes %s, not %q", wrong.GetFlag().Name, takes, wrong.GetValue()))
}

// belowZero is whether what follows a minus sign begins as a number does.
func belowZero(s string) bool { return s != "" && strings.Contains("0123456789.", s[:1]) }
