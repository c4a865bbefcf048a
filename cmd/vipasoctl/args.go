package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// shield marks an argument that looks like a negative number, so that the
// flag parser does not take it for a flag: whether -1 is an amount is for the
// daemon to say. No argument of a process can contain it.
const shield = "\x00"

// shieldNegatives marks the negative numbers in args.
func shieldNegatives(args []string) []string {
	out := make([]string, len(args))
	for i, arg := range args {
		if negative(arg) {
			arg = shield + arg
		}
		out[i] = arg
	}
	return out
}

// negative is whether arg is a minus sign and then something numeric.
func negative(arg string) bool {
	digits := strings.TrimLeft(strings.TrimPrefix(arg, "-"), ".,")
	return strings.HasPrefix(arg, "-") && digits != "" && digits[0] >= '0' && digits[0] <= '9'
}

func unshield(arg string) string { return strings.ReplaceAll(arg, shield, "") }

func unshieldAll(args []string) []string {
	out := make([]string, len(args))
	for i, arg := range args {
		out[i] = unshield(arg)
	}
	return out
}

// unshieldFlags removes the marks from the values of text flags. The others
// have refused a marked value already.
func unshieldFlags(cmd *cobra.Command, _ []string) error {
	var first error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Value.Type() != "string" || !strings.Contains(f.Value.String(), shield) {
			return
		}
		if err := f.Value.Set(unshield(f.Value.String())); err != nil && first == nil {
			first = err
		}
	})
	return first
}
