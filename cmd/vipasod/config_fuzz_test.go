package main

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// FuzzConfig: a configuration file is refused with every problem explained, or
// says the same when it is read again.
func FuzzConfig(f *testing.F) {
	for _, text := range []string{
		`role = "customer"`,
		"role = \"business\"\n[limits]\noffline_total_max = { USD = \"500.00\" }\n",
		"role = \"business\"\n[grpc.roles]\ncashier = [\"user:ann\"]\n",
		"role = 1\n", "role = \"business\"\nrole = \"customer\"\n", "[radio\n", "[radio]\ndriver = \"hci\"\nsocket = \"\"\n",
		"[backend]\nsplay = \"3 s\"\n", "colour = \"red\"\n", "\xff", "role = \"\\u0000\"\n", "[[limits]]\n", "limits = 3\n", "[backend]\nsplay = 9223372036854775807\n",
	} {
		f.Add([]byte(text))
	}
	dir := f.TempDir()
	path := filepath.Join(dir, "vipasod.toml")
	f.Fuzz(func(t *testing.T, file []byte) {
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		got, origins, err := Load(path, nil, nil)
		if err != nil {
			var invalid *InvalidError
			if !errors.As(err, &invalid) || len(invalid.Problems) == 0 {
				t.Fatalf("refused with %v", err)
			}
			for _, p := range invalid.Problems {
				if p.What == "" || p.Why == "" || p.Next == "" {
					t.Fatalf("not explained: %+v", p)
				}
			}
			if strings.TrimSpace(invalid.Explain()) == "" {
				t.Fatalf("nothing is shown of %v", err)
			}
			return
		}
		again, _, err := Load(path, nil, nil)
		if err != nil || !reflect.DeepEqual(got, again) || len(origins) == 0 {
			t.Fatalf("%+v, then %+v, %v", got, again, err)
		}
	})
}
