package flags

import (
	"errors"
	"io"
	"testing"

	"github.com/spf13/pflag"
)

func TestExplain(t *testing.T) {
	for _, tt := range []struct{ flag, want string }{
		{"--count=many", `--count takes a whole number from 0 on, not "many"`},
		{"--count=-1", `--count takes a whole number from 0 on, not "-1"`},
		{"--count=4294967296", `--count takes a smaller number, not "4294967296"`},
		{"--lowest=1.5", `--lowest takes a whole number, not "1.5"`},
		{"--for=5", `--for takes a time with its unit, such as 90s, 10m or 24h, not "5"`},
		{"--for=", `--for takes a time with its unit, such as 90s, 10m or 24h, not ""`},
		{"--all=maybe", `--all takes true or false, not "maybe"`},
		{"--any", "unknown flag: --any"},
	} {
		set := pflag.NewFlagSet("", pflag.ContinueOnError)
		set.SetOutput(io.Discard)
		set.Uint32("count", 0, "")
		set.Int("lowest", 0, "")
		set.Duration("for", 0, "")
		set.Bool("all", false, "")
		if err := Explain(set.Parse([]string{tt.flag})); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v", tt.flag, err)
		}
	}
}

// TestExplainOthers: what is not about a flag's value stays as it is.
func TestExplainOthers(t *testing.T) {
	for _, err := range []error{nil, io.EOF} {
		if got := Explain(err); !errors.Is(got, err) {
			t.Errorf("%v became %v", err, got)
		}
	}
}
