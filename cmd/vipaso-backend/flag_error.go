package main

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"
)

// flagError returns err, or, if it is a flag's refusal of a time, a number or a
// yes or no, what the flag takes.
func flagError(err error) error {
	var wrong *pflag.InvalidValueError
	if !errors.As(err, &wrong) {
		return err
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
		return err
	}
	return fmt.Errorf("--%s takes %s, not %q", wrong.GetFlag().Name, takes, wrong.GetValue())
}
