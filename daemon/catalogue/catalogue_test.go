package catalogue

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestLookup(t *testing.T) {
	for _, want := range All() {
		if got, ok := Lookup(want.Code); !ok || got != want {
			t.Errorf("Lookup(%q) = %+v, %t, want %+v", want.Code, got, ok, want)
		}
	}
	if got, ok := Lookup("NO_SUCH_REASON"); ok || got != (Entry{}) {
		t.Errorf("Lookup of an unknown reason = %+v, %t", got, ok)
	}
}

func TestAllIsTheCallersCopy(t *testing.T) {
	All()[0].Code = "CHANGED"
	if All()[0].Code == "CHANGED" {
		t.Error("a caller changed the catalogue")
	}
}

func TestConstantsAreEntries(t *testing.T) {
	for _, code := range []string{AmountSyntax, RequestIDReused, PreauthExpired, AdapterNotConfigured, CodeInvalid, Exhausted, Internal} {
		if _, ok := Lookup(code); !ok {
			t.Errorf("constant %s has no entry", code)
		}
	}
}

// TestProtoReasons holds the promise of the API definitions: every reason
// that a comment of theirs names is explained.
func TestProtoReasons(t *testing.T) {
	files, err := filepath.Glob("../../proto/vipaso/*/v1/*.proto")
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d .proto files: %v", len(files), err)
	}
	named := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, code := range reasonsIn(string(text)) {
			named++
			if _, ok := Lookup(code); !ok {
				t.Errorf("%s names %s, which the catalogue does not explain", file, code)
			}
		}
	}
	if named < 15 {
		t.Errorf("found only %d reasons in the .proto files", named)
	}
}

// reasonsIn lists the reasons in the comments of a .proto file: words in
// capitals with an underscore that the file does not define itself.
func reasonsIn(text string) []string {
	word := regexp.MustCompile(`\b[A-Z]+(?:_[A-Z]+)+\b`)
	// What comments say in capitals that is no reason: policies, allowances, kinds of evidence and changes
	// of the device that are no errors.
	words := []string{"PREFER_ONLINE", "LOGGED_OUT", "INSTRUMENTS_CHANGED", "ALLOWANCE_ENDED", "STALE_BUNDLE", "OWN_LIMITS",
		"ROOT_CHANGED", "SAME_COUNTER", "OVER_LIMIT", "IGNORE_IF_ZERO_VALUE"}
	var codes []string
	for line := range strings.Lines(text) {
		_, comment, ok := strings.Cut(line, "//")
		if !ok {
			continue
		}
		for _, w := range word.FindAllString(comment, -1) {
			if !slices.Contains(words, w) {
				codes = append(codes, w)
			}
		}
	}
	return codes
}

func TestReasonsIn(t *testing.T) {
	const proto = "// Errors: OFFLINE_NOW, AMOUNT_*,\n  CODE_IN_PROTO = 1; // or LIMIT_TOTAL\n"
	if got, want := reasonsIn(proto), []string{"OFFLINE_NOW", "LIMIT_TOTAL"}; !slices.Equal(got, want) {
		t.Errorf("reasonsIn = %q, want %q", got, want)
	}
}

// commands are the beginnings of every command that a next step may name.
var commands = []string{
	"vipasod config check", "vipasod config example", "vipasod config show", "vipasod version",
	"vipaso-backend serve", "vipaso-backend admin",
	"vipasoctl --socket PATH status", "vipasoctl enroll", "vipasoctl logout", "vipasoctl status", "vipasoctl doctor",
	"vipasoctl ready", "vipasoctl override", "vipasoctl emergency", "vipasoctl listen", "vipasoctl version", "vipasoctl help",
	"vipasoctl instruments list", "vipasoctl preauth create", "vipasoctl preauth list", "vipasoctl preauth void",
	"vipasoctl pay request", "vipasoctl pay receive", "vipasoctl pay accept", "vipasoctl pay decline", "vipasoctl pay cancel",
	"vipasoctl payments list", "vipasoctl payments show", "vipasoctl payments receipt",
	"vipasoctl payments evacuate", "vipasoctl payments carry",
	"vipasoctl sync now", "vipasoctl sync status", "vipasoctl store check", "vipasoctl store backup", "vipasoctl store export",
	"vipasoctl log level", "vipasoctl radio status", "vipasoctl radio scan", "vipasoctl errors", "vipasoctl bugreport",
	"vipaso-demo air", "journalctl -u vipasod", "sudo systemctl", "sudo chown", "sudo chmod", "sudo timedatectl", "sudo modprobe", "sudo rfkill",
}

func TestNextStepsAreCommands(t *testing.T) {
	quoted := regexp.MustCompile("`([^`]*)`")
	for _, e := range All() {
		found := quoted.FindAllStringSubmatch(e.Next, -1)
		for _, m := range found {
			if !slices.ContainsFunc(commands, func(c string) bool { return m[1] == c || strings.HasPrefix(m[1], c+" ") }) {
				t.Errorf("%s: next step %q is no command", e.Code, m[1])
			}
		}
		if len(found) == 0 && e.Retry == RetryFix {
			t.Errorf("%s can be fixed, but its next step names no command: %s", e.Code, e.Next)
		}
	}
}

// TestNextStepsDoNotRunInCircles: a next step is not the command that has just
// failed with that very reason, nor one that would only show it again.
func TestNextStepsDoNotRunInCircles(t *testing.T) {
	for code, failed := range map[string][]string{
		AmountMismatch:   {"vipasoctl pay request"},
		TipNotAllowed:    {"vipasoctl payments show PAYMENT`"}, // it does not show which tip is taken
		Offline:          {"vipasoctl sync now", "vipasoctl enroll", "vipasoctl preauth", "vipasoctl pay request"},
		Overloaded:       {"vipasoctl sync now", "vipasoctl enroll"},
		AdapterDown:      {"vipasoctl radio", "vipasoctl doctor", "vipasoctl status"},
		StoreReadOnly:    {"vipasoctl doctor", "vipasoctl store check"},
		StoreCorrupt:     {"vipasoctl doctor", "vipasoctl store check"},
		WatchExpired:     {"vipasoctl listen --after"},
		PreauthBound:     {"vipasoctl preauth list"}, // nobody chooses a pre-authorization
		PeerIncompatible: {"vipasoctl version"},      // it shows no protocol version
	} {
		e, ok := Lookup(code)
		if !ok {
			t.Fatalf("no entry %s", code)
		}
		for _, c := range failed {
			if strings.Contains(e.Next, c) {
				t.Errorf("%s: the next step runs in a circle by %q: %s", code, c, e.Next)
			}
		}
	}
}

// TestNextStepsForEither: a reason that tills and customers get does not send
// one of them the other's way.
func TestNextStepsForEither(t *testing.T) {
	for code, parts := range map[string][]string{
		CodeInvalid:        {"--business ID", "--customer ID"},
		InstrumentNotFound: {"vipasoctl instruments list", "vipasoctl sync now"},
		LimitTotal:         {"vipasoctl sync now", "pre-authorizations"},
		LimitCount:         {"vipasoctl sync now", "pre-authorizations"},
		InsufficientFunds:  {"vipasoctl preauth list", "vipasoctl instruments list", "vipasoctl preauth create"},
	} {
		e, _ := Lookup(code)
		for _, part := range parts {
			if !strings.Contains(e.Next, part) {
				t.Errorf("%s: the next step lacks %q: %s", code, part, e.Next)
			}
		}
	}
}
