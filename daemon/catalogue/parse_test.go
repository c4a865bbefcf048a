package catalogue

import (
	"strings"
	"testing"
)

const good = `[[error]]
code = "SOME_CODE"
grpc = "ABORTED"
retry = "fix"
shopper = "Please wait."
what = "It happened."
why = "It had to."
next = "Run ` + "`vipasoctl status`" + `."
message_id = "0123456789abcdef0123456789abcdef"
`

func TestParse(t *testing.T) {
	entries, err := Parse([]byte(good))
	want := Entry{
		Code: "SOME_CODE", GRPC: "ABORTED", Retry: RetryFix, Shopper: "Please wait.",
		What: "It happened.", Why: "It had to.", Next: "Run `vipasoctl status`.",
		MessageID: "0123456789abcdef0123456789abcdef",
	}
	if err != nil || len(entries) != 1 || entries[0] != want {
		t.Errorf("Parse = %+v, %v, want %+v", entries, err, want)
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name     string
		old, new string
		want     string
	}{
		{"unknown key", "grpc =", "gprc =", "missing in the target"},
		{"wrong type", `"ABORTED"`, "10", "cannot decode"},
		{"code in small letters", "SOME_CODE", "some_code", "capitals"},
		{"unknown status", "ABORTED", "ABORT", "no status code"},
		{"status that says nothing", "ABORTED", "UNKNOWN", "no status code"},
		{"unknown retry", `"fix"`, `"later"`, "not never, fix or automatic"},
		{"no shopper text", "Please wait.", "", "one line"},
		{"text that is no sentence", "It had to.", "It had to", "one line"},
		{"text of two lines", "It had to.", `It\nhad to.`, "one line"},
		{"journal field in a text", "It had to.", "It had @TO@.", "one line"},
		{"open backquote", "status`", "status", "in pairs"},
		{"command for a shopper", "Please wait.", "Run `vipasoctl status`.", "in pairs"},
		{"message_id too short", "0123456789abcdef0123456789abcdef", "0123456789abcdef", "32"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := strings.Replace(good, test.old, test.new, 1)
			if file == good {
				t.Fatalf("%q does not occur in the good file", test.old)
			}
			if _, err := Parse([]byte(file)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Parse = %v, want an error that says %q", err, test.want)
			}
		})
	}
}

func TestParseRefusesDuplicates(t *testing.T) {
	other := strings.Replace(good, "SOME_CODE", "OTHER_CODE", 1)
	for _, second := range []string{good, other} {
		if _, err := Parse([]byte(good + second)); err == nil || !strings.Contains(err.Error(), "used twice") {
			t.Errorf("Parse of a duplicate = %v", err)
		}
	}
}
