package main_test

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDamagedStore: with a store that it cannot trust the daemon does not
// start, says why, and leaves the file as it is. A copy of before works.
func TestDamagedStore(t *testing.T) {
	t.Parallel()
	s := newShop(t, "ann")
	ann := s.customers[0]
	single := ann.accepting(t, "--single")
	id := s.till.request(t, "12.00").GetPaymentId()
	single.exit(t)
	intact := []func(*testing.T){s.till.unchanged(t), ann.unchanged(t)}
	damages := []struct {
		name, reason string
		harm         func(*testing.T, string)
	}{
		{"cut off in the middle", "STORE_CORRUPT", func(t *testing.T, path string) { keep(t, path, 0.5) }},
		{"cut off after some bytes", "STORE_CORRUPT", func(t *testing.T, path string) { keep(t, path, 0.0001) }},
		{"empty", "STORE_CORRUPT", func(t *testing.T, path string) { keep(t, path, 0) }},
		{"garbage", "STORE_CORRUPT", func(t *testing.T, path string) { put(t, path, bytes.Repeat([]byte("garbage\n"), 4096)) }},
		{"garbage in the middle", "STORE_CORRUPT", func(t *testing.T, path string) {
			b := load(t, path)
			copy(b[len(b)/2:], bytes.Repeat([]byte{0xa5}, 8192))
			put(t, path, b)
		}},
		{"of a newer version", "STORE_NEWER", newer},
	}
	for _, d := range []*device{s.till, ann} {
		if code := d.daemon.stop(t); code != 0 {
			t.Fatalf("%s: exit %d", d.name, code)
		}
		path := filepath.Join(d.dir, "store.db")
		good := load(t, path)
		for _, damage := range damages {
			t.Run(d.name+" "+damage.name, func(t *testing.T) {
				defer put(t, path, good)
				damage.harm(t, path)
				bad := load(t, path)
				p := d.launch(t)
				if code := p.exit(t); code != 1 || !strings.Contains(p.err.text(), damage.reason+": ") || !hasNextStep(p.err.text()) {
					t.Errorf("exit %d, want 1 with %s and a next step:\n%s", code, damage.reason, p.err.text())
				}
				if !bytes.Equal(load(t, path), bad) {
					t.Error("the file has changed")
				}
			})
		}
		d.start(t)
	}
	for _, check := range intact {
		check(t)
	}
	s.startBackend(t)
	s.till.becomes(t, id, settled)
	ann.becomes(t, id, settled)
	s.settledOnce(t, s.till, ann, id, "12.00")
}

func load(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// keep cuts a file down to a part of itself.
func keep(t *testing.T, path string, part float64) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, int64(part*float64(info.Size()))); err != nil {
		t.Fatal(err)
	}
}

// newer marks a store as migrated by a program that is yet to be written.
func newer(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`); err != nil {
		t.Fatal(err)
	}
}

// TestBadEnvironment: what is wrong around a device.
func TestBadEnvironment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startBackend(t)
	w.startAir(t)
	till, ann := w.device(t, "business", "till", quick), w.device(t, "customer", "ann", quick)
	till.start(t)
	ann.start(t)
	code := till.join(t)
	t.Run("a backend that is not there", func(t *testing.T) {
		till.ctl(t, "enroll", "--backend", "https://"+ownAddress(), "--ca", w.ca(), "--code", code).refused(t, 1, "OFFLINE")
	})
	t.Run("an address that is none", func(t *testing.T) {
		till.ctl(t, "enroll", "--backend", "http://"+w.address, "--ca", w.ca(), "--code", code).refused(t, 2, "FIELD_INVALID")
	})
	t.Run("the CA of another backend", func(t *testing.T) {
		other := newWorld(t)
		other.startBackend(t)
		till.ctl(t, "enroll", "--backend", w.url(), "--ca", other.ca(), "--code", code).refused(t, 5, "BACKEND_UNTRUSTED")
	})
	put(t, w.path("none.pem"), []byte("none"))
	for name, file := range map[string]string{"a CA file that is none": "none.pem", "no CA file": "missing.pem"} {
		t.Run(name, func(t *testing.T) {
			a := till.ctl(t, "enroll", "--backend", w.url(), "--ca", w.path(file), "--code", code)
			if a.code != 2 || !strings.Contains(a.stderr, w.path(file)+": ") || !hasNextStep(a.stderr) {
				t.Errorf("exit %d: %s", a.code, a.stderr)
			}
		})
	}
	t.Run("a code that nobody made", func(t *testing.T) {
		till.ctl(t, "enroll", "--backend", w.url(), "--ca", w.ca(), "--code", "AAAA-BBBB-CCCC").refused(t, 4, "CODE_INVALID")
	})
	t.Run("none of that uses up the code", func(t *testing.T) {
		if got := till.status(t).GetIdentity().GetState(); got != notEnrolled {
			t.Errorf("state %s", got)
		}
		till.ask(t, "enroll", "--backend", w.url(), "--ca", w.ca(), "--code", code)
	})
	t.Run("a code that is used up", func(t *testing.T) {
		second := w.device(t, "business", "second", quick)
		second.start(t)
		second.ctl(t, "enroll", "--backend", w.url(), "--ca", w.ca(), "--code", code).refused(t, 4, "CODE_INVALID")
	})
	ann.enroll(t)
	ann.fund(t, "100.00")
	t.Run("two daemons on one store", func(t *testing.T) {
		twin := w.device(t, "business", "twin", "")
		twin.configure(t, "role = \"business\"\n[store]\ndir = \""+till.dir+"\"\n[grpc]\nsocket = \""+twin.socket+"\"\n")
		startsNot(t, twin.launch(t), 1, "STORE_LOCKED")
	})
	t.Run("two daemons on one socket", func(t *testing.T) {
		twin := w.device(t, "business", "twin", "")
		twin.configure(t, "role = \"business\"\n[store]\ndir = \""+twin.dir+"\"\n[grpc]\nsocket = \""+till.socket+"\"\n")
		startsNot(t, twin.launch(t), 1, "SOCKET_IN_USE")
	})
	t.Run("a key that the configuration does not have", func(t *testing.T) {
		twin := w.device(t, "business", "twin", "")
		twin.configure(t, "role = \"business\"\n[radio]\nadaptor = \"hci1\"\n")
		p := twin.launch(t)
		startsNot(t, p, 78, "CONFIG_INVALID")
		if text := p.err.text(); !strings.Contains(text, "  3 | adaptor = \"hci1\"\n    | ^^^^^^^\n") || !strings.Contains(text, twin.config+":3") {
			t.Errorf("no line and caret:\n%s", text)
		}
	})
	t.Run("a daemon that does not run", func(t *testing.T) {
		a := w.device(t, "business", "nobody", "").ctl(t, "status")
		if a.code != 3 || !hasNextStep(a.stderr) {
			t.Errorf("exit %d: %s", a.code, a.stderr)
		}
	})
	t.Run("the first daemon never noticed, and sells with a dead backend", func(t *testing.T) {
		w.backend.kill()
		single := ann.accepting(t, "--single")
		till.request(t, "12.00")
		if code := single.exit(t); code != 0 {
			t.Errorf("the customer: exit %d", code)
		}
		ann.holds(t, "0.00", "12.00", "88.00")
	})
}

// startsNot fails unless a daemon ends by itself for this reason, with a next
// step.
func startsNot(t *testing.T, p *process, code int, reason string) {
	t.Helper()
	if got, text := p.exit(t), p.err.text(); got != code || !strings.Contains(text, reason) || !hasNextStep(text) {
		t.Errorf("exit %d, want %d with %s and a next step:\n%s", got, code, reason, text)
	}
}
