package conformance

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vipaso/vipasod/preauth/vectors"
)

// first is the first case of a kind's file, as an object to change.
func first(t *testing.T, kind vectors.Kind) (vectors.File, map[string]any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, string(kind)+".json"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := vectors.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	var c map[string]any
	if err := json.Unmarshal(f.Cases[0], &c); err != nil {
		t.Fatal(err)
	}
	return f, c
}

// fileOf is a file of one case.
func fileOf(t *testing.T, f vectors.File, c map[string]any) []byte {
	t.Helper()
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	f.Cases = []json.RawMessage{b}
	if b, err = json.Marshal(f); err != nil {
		t.Fatal(err)
	}
	return b
}

// flip changes the last digit of a hexadecimal string.
func flip(v any) any {
	s := v.(string)
	last := "0"
	if strings.HasSuffix(s, "0") {
		last = "1"
	}
	return s[:len(s)-1] + last
}

// TestAChangedVectorFails: of every kind, a vector that says anything else
// than this implementation does fails, and is named.
func TestAChangedVectorFails(t *testing.T) {
	changes := []struct {
		kind  vectors.Kind
		field string
		to    func(any) any
	}{
		{vectors.KindKeys, "public_key", flip},
		{vectors.KindObjects, "signature", flip},
		{vectors.KindObjects, "hash", flip},
		{vectors.KindObjects, "signed", flip},
		{vectors.KindObjects, "fields", func(any) any { return map[string]any{} }},
		{vectors.KindRefused, "class", func(any) any { return vectors.Accepted }},
		{vectors.KindMessages, "message", flip},
		{vectors.KindTrust, "class", func(any) any { return "DEVICE_REVOKED" }},
		{vectors.KindTrust, "now_ms", func(any) any { return noon * 2 }},
		{vectors.KindAnswers, "channel_binding", flip},
		{vectors.KindTill, "class", func(any) any { return "LIMIT_TOTAL" }},
		{vectors.KindTill, "guaranteed", func(any) any { return 1 }},
		{vectors.KindTill, "cancelled", func(any) any { return true }},
		{vectors.KindLimits, "own", func(v any) any { v.(map[string]any)["count_max"] = 1; return v }},
		{vectors.KindProofs, "proof", flip},
		{vectors.KindDraws, "prev", flip},
		{vectors.KindDraws, "held", func(any) any { return 9999 }},
		{vectors.KindDraws, "class", func(any) any { return "PREAUTH_VOIDED" }},
		{vectors.KindJournals, "head", flip},
		{vectors.KindJournals, "stopped_at", func(any) any { return 3 }},
		{vectors.KindAmounts, "minor", func(any) any { return 1 }},
		{vectors.KindFrames, "steps", func(any) any { return []any{map[string]any{"push": "00", "message": "00"}} }},
		{vectors.KindAdvertisements, "tx_power", func(any) any { return 3 }},
		{vectors.KindAdvertisements, "recognised", func(any) any { return true }},
		{vectors.KindHandshakes, "channel_binding", flip},
		{vectors.KindHandshakes, "first", flip},
		{vectors.KindHandshakes, "code", flip},
		{vectors.KindHandshakes, "refused_by", func(any) any { return till }},
		{vectors.KindCodes, "code", flip},
		{vectors.KindBatches, "totals", func(any) any { return []any{} }},
		{vectors.KindSettlements, "limit", func(any) any { return 1 }},
	}
	changed := map[vectors.Kind]bool{}
	for _, tt := range changes {
		changed[tt.kind] = true
		f, c := first(t, tt.kind)
		c[tt.field] = tt.to(c[tt.field])
		r, err := Run(fileOf(t, f, c))
		if err != nil || len(r.Failures) != 1 || r.Failures[0].Name != c["name"] || r.Vectors != 1 {
			t.Errorf("%s with another %s: %+v, %v", tt.kind, tt.field, r, err)
		}
	}
	for kind := range runners {
		if !changed[kind] {
			t.Errorf("no changed vector of kind %s", kind)
		}
	}
}

// TestNoVectors: a file that cannot be run is an error, and never a success.
func TestNoVectors(t *testing.T) {
	text := func(change func(*vectors.File, map[string]any)) string {
		f, c := first(t, vectors.KindTill)
		change(&f, c)
		return string(fileOf(t, f, c))
	}
	for name, tt := range map[string]struct{ file, says string }{
		"nothing":              {"", "nothing is in it"},
		"no JSON":              {"vectors", "line 1 is no JSON"},
		"a line of it":         {"{\n\"format\": <\n}", "line 2 is no JSON"},
		"cut":                  {`{"format": "vip`, "it ends too early"},
		"a list":               {"[]", "it cannot be this: array"},
		"other JSON":           {`{"a": 1}`, `unknown field "a"`},
		"another format":       {text(func(f *vectors.File, _ map[string]any) { f.Format = "vipaso-vectors/2" }), `format "vipaso-vectors/2"`},
		"another kind":         {text(func(f *vectors.File, _ map[string]any) { f.Kind = "tills" }), `unknown kind "tills"`},
		"an unknown field":     {text(func(_ *vectors.File, c map[string]any) { c["weather"] = "fair" }), `vector 1, "all is well": unknown field "weather"`},
		"a text for a time":    {text(func(_ *vectors.File, c map[string]any) { c["now_ms"] = "noon" }), `vector 1, "all is well": now_ms cannot be this: string`},
		"a case without name":  {text(func(_ *vectors.File, c map[string]any) { delete(c, "name") }), "vector 1: no name"},
		"a case without class": {text(func(f *vectors.File, c map[string]any) { f.Kind = vectors.KindRefused }), `vector 1, "all is well": unknown field`},
		"capital digits":       {text(func(_ *vectors.File, c map[string]any) { c["root"] = strings.ToUpper(c["root"].(string)) }), `is not lower-case hexadecimal`},
		"a short key":          {text(func(_ *vectors.File, c map[string]any) { c["root"] = "00" }), `vector 1, "all is well": "00" has 1 bytes, not 33`},
		"no cases":             {`{"format": "vipaso-vectors/1", "kind": "till", "about": "", "cases": []}`, "no cases"},
		"something behind it":  {text(func(*vectors.File, map[string]any) {}) + "{}", "something follows its end"},
	} {
		if r, err := Run([]byte(tt.file)); !errors.Is(err, vectors.ErrFormat) || r.Vectors != 0 {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		path := filepath.Join(t.TempDir(), "file.json")
		if err := os.WriteFile(path, []byte(tt.file), 0o600); err != nil {
			t.Fatal(err)
		}
		if r, err := RunPath(path); !errors.Is(err, ErrFile) || r != nil || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s as a file: %+v, %v", name, r, err)
		}
	}
	if _, err := RunPath(""); err == nil || err.Error() != `"": no such file or directory` {
		t.Errorf("no name: %v", err)
	}
	empty := t.TempDir()
	for _, path := range []string{empty, filepath.Join(empty, "missing.json")} {
		if r, err := RunPath(path); !errors.Is(err, ErrFile) || r != nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %+v, %v", path, r, err)
		}
	}
}
