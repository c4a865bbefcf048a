package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
)

// sealedFile is what evacuate writes of the two parts of sealing.
const sealedFile = `{"format":"vipaso-sealed/1","parts":2,"items":107}
{"items":100,"sealed":"b25l"}
{"items":7,"sealed":"dHdv"}
`

// sealing is a device that owes 107 items, and takes parts of others, of which
// it knows how to say that one is bad.
func sealing(t *testing.T) *fake {
	f := newFake(t)
	f.answer("SealPayments", &devicev1.SealPaymentsResponse{Sealed: []byte("one"), Items: 100}, &devicev1.SealPaymentsResponse{Sealed: []byte("two"), Items: 7})
	f.on("CarrySealed", func(c *call) error {
		switch string(c.in.(*devicev1.CarrySealedRequest).GetSealed()) {
		case "one":
			return c.send(&devicev1.CarrySealedResponse{Items: 100, Judged: 99})
		case "two":
			return c.send(&devicev1.CarrySealedResponse{Items: 7, Judged: 7})
		}
		return failure("INVALID_ARGUMENT", "SEAL_INVALID", "What was carried is not sealed for this backend, or is damaged.")
	})
	return f
}

func TestEvacuate(t *testing.T) {
	f, path := sealing(t), filepath.Join(t.TempDir(), "file")
	got := f.run("payments", "evacuate", path, "--json")
	if want := fmt.Sprintf(`{"file":%q,"bytes":"%d","items":107}`+"\n", path, len(sealedFile)); got.code != 0 || got.stdout != want {
		t.Errorf("%+v, want %s", got, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 || content(t, path) != sealedFile {
		t.Errorf("wrote %v %q, %v", info, content(t, path), err)
	}
	if got := f.run("payments", "evacuate", path); got.code != 5 || strings.Contains(got.stderr, "--force") || content(t, path) != sealedFile {
		t.Errorf("over a file: %+v, left %q", got, content(t, path))
	}
	other := path + "2"
	if got := f.run("payments", "evacuate", other); got.code != 0 || !strings.HasPrefix(got.stdout, other+"  107 items in 2 parts\nnext  ") ||
		!strings.Contains(got.stdout, "vipasoctl payments carry "+other+"\n") || !strings.Contains(got.stdout, "vipaso-backend admin --dir DIR import "+other+"\n") {
		t.Errorf("%+v", got)
	}
}

// A device that owes nothing leaves no file, and one that fails leaves none
// that looks whole.
func TestEvacuateNothing(t *testing.T) {
	f, path := sealing(t), filepath.Join(t.TempDir(), "file")
	f.answer("SealPayments")
	if got := f.run("payments", "evacuate", path); got.code != 0 || got.stdout != "" || got.stderr == "" {
		t.Errorf("%+v", got)
	}
	f.on("SealPayments", func(c *call) error {
		if err := c.send(&devicev1.SealPaymentsResponse{Sealed: []byte("one"), Items: 100}); err != nil {
			return err
		}
		return failure("INTERNAL", "INTERNAL", "disk")
	})
	if got := f.run("payments", "evacuate", path); got.code != 1 || got.stdout != "" {
		t.Errorf("%+v", got)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("left a file")
	}
}

func TestCarry(t *testing.T) {
	const head, one, two = `{"format":"vipaso-sealed/1","parts":2,"items":107}` + "\n", `{"items":100,"sealed":"b25l"}` + "\n", `{"items":7,"sealed":"dHdv"}` + "\n"
	const notFormat = "error: PATH: not a file of sealed payments\nwhy    Something else wrote it, or its beginning is lost.\nnext   " + carryHint + "\n"
	tests := []struct {
		name, file string
		code       int
		stdout     string
		stderr     string // a part of it
	}{
		{"whole", sealedFile, 0, `{"items":107,"judged":106}`, ""},
		{"cut", head + one, 1, `{"items":100,"judged":99}`, "error: PATH: 1 parts of 2: the file is damaged\nwhy    It was cut short or changed on its way. What could be read was handed in.\nnext   copy it again"},
		{"nothing left", head, 1, `{"items":0,"judged":0}`, "why    It was cut short or changed on its way. Nothing in it could be read.\nnext   copy it again"},
		{"a bad part before a good one", head + `{"items":1,"sealed":"YmFk"}` + "\n" + two, 2, `{"items":7,"judged":7}`, "error: SEAL_INVALID: What was carried is not sealed"},
		{"another file", "hello\n", 2, "", notFormat},
	}
	f := sealing(t)
	for _, test := range tests {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(test.file), 0o600); err != nil {
			t.Fatal(err)
		}
		got := f.run("payments", "carry", path, "--json")
		if got.code != test.code || strings.TrimSpace(got.stdout) != test.stdout || !strings.Contains(got.stderr, strings.ReplaceAll(test.stderr, "PATH", path)) {
			t.Errorf("%s: exit %d, want %d\n%s\nwant\n%s\n%s\nwant\n%s", test.name, got.code, test.code, got.stdout, test.stdout, got.stderr, test.stderr)
		}
	}
	path := filepath.Join(t.TempDir(), "file")
	if got := f.run("payments", "carry", path); got.code != 2 || !strings.Contains(got.stderr, "next   "+carryHint) {
		t.Errorf("no file: %+v", got)
	}
	if err := os.WriteFile(path, []byte(sealedFile), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := f.run("payments", "carry", path); got.stdout != "handed in 107 items, 106 with a verdict\nthe others stay with the device that sealed them, which says why when it synchronizes\n" {
		t.Errorf("%+v", got)
	}
	if got := f.last("CarrySealed"); !proto.Equal(got, &devicev1.CarrySealedRequest{Sealed: []byte("two")}) {
		t.Errorf("carried %v", got)
	}
}

// Without a network nothing more is tried, and nothing is claimed.
func TestCarryOffline(t *testing.T) {
	f, path := sealing(t), filepath.Join(t.TempDir(), "file")
	f.fail("CarrySealed", failure("UNAVAILABLE", "OFFLINE", "The backend does not answer."))
	if err := os.WriteFile(path, []byte(sealedFile), 0o600); err != nil {
		t.Fatal(err)
	}
	got := f.run("payments", "carry", path)
	if got.code != 1 || got.stdout != "" || !strings.Contains(got.stderr, "OFFLINE") || len(f.requests("CarrySealed")) != 1 {
		t.Errorf("%+v, asked %d times", got, len(f.requests("CarrySealed")))
	}
}
