package secondhead

import (
	"os"
	"path/filepath"
	"testing"
)

// TestSeen: what was saved is seen, and nothing else counts as saved.
func TestSeen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.head")
	seen := func() int64 {
		t.Helper()
		h, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		n, err := h.Seen()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := seen(); n != None {
		t.Errorf("a new file says %d", n)
	}
	h, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int64{0, 1<<63 - 1, 7} {
		if err := h.Save(n); err != nil {
			t.Fatal(err)
		}
		if got := seen(); got != n {
			t.Errorf("%d was saved, %d is seen", n, got)
		}
	}
	if err := h.Sync(); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || info.Size() != size {
		t.Errorf("%v, %v", info, err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if err := h.Save(8); err == nil {
		t.Error("a closed file takes a number")
	}
	for _, text := range []string{"", "7\n", "0000000000000000000x\n", "-0000000000000000001\n", "00000000000000000007"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if n := seen(); n != None {
			t.Errorf("%q says %d", text, n)
		}
	}
}

func TestBehind(t *testing.T) {
	for _, c := range []struct {
		changes, seen int64
		behind        bool
	}{
		{0, None, false}, {0, 0, false}, {5, 5, false}, {5, 4, false}, {5, 0, false},
		{5, 6, true}, {0, 1, true}, {5, None, true},
	} {
		if Behind(c.changes, c.seen) != c.behind {
			t.Errorf("%d changes, %d seen: want %v", c.changes, c.seen, c.behind)
		}
	}
}
