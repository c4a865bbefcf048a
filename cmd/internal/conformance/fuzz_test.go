package conformance

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/vipaso/vipasod/preauth/vectors"
)

// FuzzRun: any file is refused, or run to its end; nothing in it makes the
// runner panic, or count less than there is.
func FuzzRun(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		all, err := vectors.Decode(b)
		if err != nil {
			f.Fatal(err)
		}
		all.Cases = all.Cases[:1]
		if b, err = json.Marshal(all); err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"format":"vipaso-vectors/1","kind":"handshakes","about":"","cases":[{"name":"x"}]}`))
	f.Add([]byte(`{"format":"vipaso-vectors/1","kind":"frames","about":"","cases":[{"name":"x","value_max":20,"window":4,"steps":[{}]}]}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := Run(file)
		if err != nil {
			if !errors.Is(err, vectors.ErrFormat) || r.Vectors != 0 {
				t.Fatalf("%+v, %v", r, err)
			}
			return
		}
		if r.Vectors == 0 || len(r.Failures) > r.Vectors {
			t.Fatalf("%d failures of %d vectors", len(r.Failures), r.Vectors)
		}
	})
}
