package money

import (
	"errors"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name, text, currency string
		want                 int64
		err                  error
	}{
		{"dollars and cents", "12.00", "USD", 1200, nil},
		{"fewer decimals than the currency has", "12.5", "USD", 1250, nil},
		{"no decimals", "12", "USD", 1200, nil},
		{"yen have no decimals", "12", "JPY", 12, nil},
		{"fils are thousandths", "1.234", "KWD", 1234, nil},
		{"rupees of Pakistan have two by ISO 4217", "1.50", "PKR", 150, nil},
		{"zero", "0", "USD", 0, nil},
		{"leading zeros", "0012.00", "USD", 1200, nil},
		{"zeros past the currency's digits lose nothing", "12.000", "USD", 1200, nil},
		{"a tenth of a cent", "12.001", "USD", 0, ErrPrecision},
		{"half a yen", "1.5", "JPY", 0, ErrPrecision},
		{"an exponent", "1e9", "USD", 0, ErrSyntax},
		{"a sign", "-1", "USD", 0, ErrSyntax},
		{"the other sign", "+1", "USD", 0, ErrSyntax},
		{"not a number", "NaN", "USD", 0, ErrSyntax},
		{"nothing", "", "USD", 0, ErrSyntax},
		{"only a point", ".", "USD", 0, ErrSyntax},
		{"no whole part", ".50", "USD", 0, ErrSyntax},
		{"no fraction", "1.", "USD", 0, ErrSyntax},
		{"two points", "1.2.3", "USD", 0, ErrSyntax},
		{"a comma", "1,50", "USD", 0, ErrSyntax},
		{"a space", "1 ", "USD", 0, ErrSyntax},
		{"digits of another script", "١٢", "USD", 0, ErrSyntax},
		{"too long to be money", strings.Repeat("9", 2000), "USD", 0, ErrRange},
		{"more than an account holds", "99999999999999999.99", "USD", 0, ErrRange},
		{"the largest", Format(MaxMinor, "USD"), "USD", MaxMinor, nil},
		{"one cent more", Format(MaxMinor+1, "USD"), "USD", 0, ErrRange},
		{"no such currency", "1.00", "XQQ", 0, ErrCurrency},
		{"lower case is not a code", "1.00", "usd", 0, ErrCurrency},
		{"no currency", "1.00", "", 0, ErrCurrency},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.text, tt.currency)
			if !errors.Is(err, tt.err) || got.Minor != tt.want {
				t.Fatalf("Parse(%.30q, %q) = %d, %v; want %d, %v", tt.text, tt.currency, got.Minor, err, tt.want, tt.err)
			}
			if err != nil && len(err.Error()) > 200 {
				t.Errorf("error repeats what was typed at full length: %d bytes", len(err.Error()))
			}
		})
	}
}

// TestErrorsSayWhatToMend: what was typed, and what the currency takes.
func TestErrorsSayWhatToMend(t *testing.T) {
	tests := []struct{ text, currency, want string }{
		{"12.001", "USD", "12.001 has 3 decimals, USD has 2 decimals: more decimals than the currency has"},
		{"1.5", "JPY", "1.5 has 1 decimal, JPY has none: more decimals than the currency has"},
		{"12,00", "USD", `"12,00" USD: not an amount such as 12.00`},
		{"99999999999999999.99", "USD", "99999999999999999.99 USD, at most 22517998136852.47: amount out of range"},
		{"1.00", "usd", `"usd": unknown currency`},
	}
	for _, tt := range tests {
		if _, err := Parse(tt.text, tt.currency); err == nil || err.Error() != tt.want {
			t.Errorf("Parse(%q, %q) says %v, want %s", tt.text, tt.currency, err, tt.want)
		}
	}
}

func TestFormatWritesTheCurrencysDigits(t *testing.T) {
	tests := []struct {
		minor    int64
		currency string
		want     string
	}{
		{1200, "USD", "12.00"}, {5, "USD", "0.05"}, {0, "USD", "0.00"}, {-1250, "EUR", "-12.50"},
		{12, "JPY", "12"}, {1234, "KWD", "1.234"}, {7, "???", "7"},
	}
	for _, tt := range tests {
		if got := Format(tt.minor, tt.currency); got != tt.want {
			t.Errorf("Format(%d, %s) = %s, want %s", tt.minor, tt.currency, got, tt.want)
		}
	}
	if got := (Amount{1200, "USD"}).String(); got != "12.00 USD" {
		t.Errorf("String() = %s", got)
	}
}

// FuzzParse: whatever is typed either names an error or comes back, digit for
// digit, as the same amount.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"12.00", "0", "1e9", "-1", "NaN", "12.001", "999999999999999999999"} {
		f.Add(s, "USD")
	}
	f.Add("12", "JPY")
	f.Fuzz(func(t *testing.T, s, code string) {
		a, err := Parse(s, code)
		if err != nil {
			return
		}
		if a.Minor < 0 || a.Minor > MaxMinor {
			t.Fatalf("Parse(%q, %q) = %d", s, code, a.Minor)
		}
		again, err := Parse(Format(a.Minor, code), code)
		if err != nil || again != a {
			t.Fatalf("Parse(Format(%v)) = %v, %v", a, again, err)
		}
	})
}
