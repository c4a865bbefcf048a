// Package flags says in plain words what a flag takes whose value was refused.
package flags

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// Explain returns err or, if it is a flag's refusal of a number, a time or a
// yes or no, an error that says what the flag takes: pflag passes on the words
// of a parser.
func Explain(err error) error {
	var wrong *pflag.InvalidValueError
	if !errors.As(err, &wrong) {
		return err
	}
	takes := ""
	switch kind := wrong.GetFlag().Value.Type(); {
	case errors.Is(err, strconv.ErrRange):
		takes = "a smaller number"
	case strings.HasPrefix(kind, "uint"):
		takes = "a whole number from 0 on"
	case strings.HasPrefix(kind, "int"):
		takes = "a whole number"
	case kind == "duration":
		takes = "a time with its unit, such as 90s, 10m or 24h"
	case kind == "bool":
		takes = "true or false"
	default:
		return err
	}
	return fmt.Errorf("--%s takes %s, not %q", wrong.GetFlag().Name, takes, wrong.GetValue())
}
