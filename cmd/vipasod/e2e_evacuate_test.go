package main_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEvacuation: the store of a till that was paid contradicts itself. It is
// shown, pays nothing, and what it holds is carried to the backend in a file;
// the till that comes back learns that it was paid, once.
func TestEvacuation(t *testing.T) {
	t.Parallel()
	s := newShop(t, "ann")
	ann := s.customers[0]
	single := ann.accepting(t, "--single")
	id := s.till.request(t, "12.00").GetPaymentId()
	single.exit(t)
	if code := s.till.daemon.stop(t); code != 0 {
		t.Fatalf("exit %d", code)
	}
	path, file := filepath.Join(s.till.dir, "store.db"), s.path("till.sealed")
	good := load(t, path)
	contradict(t, path)
	s.till.start(t)
	if st := s.till.status(t); st.GetStore().GetReason() != "STORE_INCONSISTENT" || !strings.Contains(st.GetNextStep(), "payments evacuate") {
		t.Errorf("status %v", st)
	}
	s.till.ctl(t, "pay", "request", "1.00", "USD").refused(t, 5, "STORE_INCONSISTENT")
	if got := s.till.ask(t, "payments", "evacuate", file).object(t); got["items"] != float64(1) {
		t.Errorf("evacuated %v", got)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if again := s.till.ctl(t, "payments", "evacuate", file); again.code != 5 {
		t.Errorf("over a file: %+v", again)
	}
	if code := s.till.daemon.stop(t); code != 0 {
		t.Fatalf("exit %d", code)
	}

	s.startBackend(t)
	imported := s.admin(t, "import", file).ok(t).object(t)
	if imported["items"] != float64(1) || imported["judged"] != float64(1) {
		t.Errorf("imported %v", imported)
	}
	ann.becomes(t, id, settled)
	if got := ann.ask(t, "payments", "carry", file).object(t); got["items"] != float64(1) || got["judged"] != float64(1) || len(got) != 2 {
		t.Errorf("ann is told %v", got)
	}
	put(t, path, good)
	s.till.start(t)
	s.till.becomes(t, id, settled)
	s.settledOnce(t, s.till, ann, id, "12.00")
	s.sound(t)
}

// contradict changes a number in a store behind its back.
func contradict(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`UPDATE unsettled SET total = total - 1`); err != nil {
		t.Fatal(err)
	}
}

// TestKeysOfOthers: with a key that is not its own alone, or without one that
// it is enrolled with, a daemon does not start, and says what to do.
func TestKeysOfOthers(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	if code := s.till.daemon.stop(t); code != 0 {
		t.Fatalf("exit %d", code)
	}
	path := filepath.Join(s.till.dir, "signing.key")
	for reason, change := range map[string]func() error{
		"KEY_EXPOSED":  func() error { return os.Chmod(path, 0o644) },
		"KEY_UNUSABLE": func() error { return os.Rename(path, path+".away") },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		p := s.till.launch(t)
		if code := p.exit(t); code != 1 || !strings.Contains(p.err.text(), reason+": ") || !strings.Contains(p.err.text(), path) || !hasNextStep(p.err.text()) {
			t.Errorf("exit %d, want 1 with %s, the file and a next step:\n%s", code, reason, p.err.text())
		}
		if _, err := os.Stat(path + ".away"); err == nil {
			if _, err := os.Stat(path); err == nil {
				t.Error("another key was made")
			}
			if err := os.Rename(path+".away", path); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(path, 0o400); err != nil {
			t.Fatal(err)
		}
	}

	// The same keys as the service manager gives them.
	given := s.path("credentials")
	if err := os.Mkdir(given, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"signing.key", "noise.key"} {
		if err := os.Rename(filepath.Join(s.till.dir, name), filepath.Join(given, "vipasod-"+name)); err != nil {
			t.Fatal(err)
		}
	}
	s.till.start(t, "CREDENTIALS_DIRECTORY="+given)
	said := s.till.ctl(t, "doctor")
	if !strings.Contains(said.stdout, "from the service manager's credentials") {
		t.Errorf("doctor says %s", said.stdout)
	}
}
