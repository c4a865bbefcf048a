package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// program is a command line of the program as a process of its own.
func program(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path, err := os.Executable()
	must(t, err)
	c := exec.CommandContext(ctx, path, args...)
	c.Env = append(os.Environ(), asProgram+"=1")
	return c
}

// serveApart serves as serve does, in a process of its own.
func serveApart(t *testing.T, dir string) *site {
	t.Helper()
	c := program(t.Context(), t, "serve", "--dir", dir, "--listen", "127.0.0.1:0", "--log-level", "error")
	var log bytes.Buffer
	c.Stderr = &log
	out, err := c.StdoutPipe()
	must(t, err)
	must(t, c.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%v: %v %s", err, c.Wait(), log.String())
	}
	return &site{t: t, dir: dir, addr: strings.TrimSuffix(strings.Fields(line)[2], ","), stop: func() {
		t.Helper()
		must(t, c.Process.Signal(os.Interrupt))
		if err := c.Wait(); err != nil {
			t.Errorf("serve ended: %v %s", err, log.String())
		}
	}}
}

// database reads the database, which nobody has open, by file: with the log,
// if the program that ended has left one.
func (s *site) database() map[string][]byte {
	s.t.Helper()
	files := map[string][]byte{}
	for _, suffix := range []string{"", "-wal"} {
		name := filepath.Join(s.dir, "backend.db"+suffix)
		b, err := os.ReadFile(name)
		if err == nil {
			files[name] = b
		} else if !errors.Is(err, fs.ErrNotExist) {
			s.t.Fatal(err)
		}
	}
	return files
}

// put puts a database in the place of the one that is there.
func (s *site) put(files map[string][]byte) {
	s.t.Helper()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(filepath.Join(s.dir, "backend.db"+suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.t.Fatal(err)
		}
	}
	for name, b := range files {
		must(s.t, os.WriteFile(name, b, 0o600))
	}
}

// refusesToServe expects that serve ends at once, and says why and what next.
func refusesToServe(t *testing.T, dir string, want ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // it may serve
	defer cancel()
	c := program(ctx, t, "serve", "--dir", dir, "--listen", "127.0.0.1:0")
	said, err := c.CombinedOutput()
	if c.ProcessState.ExitCode() != exitConfig {
		t.Fatalf("serve ended: %v %s", err, said)
	}
	for _, w := range want {
		if !strings.Contains(string(said), w) {
			t.Errorf("it says %q, not %q", said, w)
		}
	}
}

// Books that were put back from a backup are not served until somebody has
// accepted them, and can be looked at; then what devices still have comes in
// again.
func TestAnOlderCopyIsServedOnlyIfAccepted(t *testing.T) {
	s := serveApart(t, filepath.Join(t.TempDir(), "backend"))
	till, phone, instrument := s.furnished()
	pre := s.setsAside(phone, instrument)
	bundle, err := preauth.Open[*peerv1.TrustBundle](pre.TrustBundle)
	must(t, err)
	s.stop()
	early := s.database()

	s = serveApart(t, s.dir)
	till.calls, phone.calls = nil, nil // of the process that has ended
	payment, item := sale(t, till, phone, pre.PreauthCert)
	file := sealed(t, bundle.Body.SealingKey, item)
	if code, out, errs := s.admin("import", file); code != exitOK || !strings.Contains(out, "SETTLED") {
		t.Fatalf("import: %d %s%s", code, out, errs)
	}
	s.create("customer_id", "customer", "create", "--name", "Bob")
	s.stop()
	s.put(early)

	refusesToServe(t, s.dir, "the books are an older copy", "of their changes are missing", "receipts", "copy accept --reason TEXT", "copy accept --help")
	s.onlyReads(file)
	if code, _, errs := s.admin("copy", "accept"); code != exitUsage || !strings.Contains(errs, "--reason is needed") {
		t.Errorf("without a reason: %d %s", code, errs)
	}
	if code, out, errs := s.admin("copy", "accept", "--reason", "disk died"); code != exitOK || errs != "" || !strings.Contains(out, "changes are lost. Start serve") {
		t.Errorf("accepted: %d %s%s", code, out, errs)
	}
	if code, out, errs := s.admin("copy", "accept", "--reason", "again", "--json"); code != exitOK || errs != "" || out != `{"accepted":false}`+"\n" {
		t.Errorf("accepted again: %d %s%s", code, out, errs)
	}
	s = serveApart(t, s.dir)
	if code, out, errs := s.admin("payment", "show", payment); code != exitConflict {
		t.Errorf("the lost payment: %d %s%s", code, out, errs)
	}
	for range 2 {
		if code, out, errs := s.admin("import", file); code != exitOK || strings.Count(out, "SETTLED") != 2 || errs != "" {
			t.Errorf("import: %d %s%s", code, out, errs)
		}
	}
	s.checks()
	s.stop()
	code0, out, errs := s.admin("copy", "list", "--json")
	var kept copyJSON
	if err := json.Unmarshal([]byte(out), &kept); code0 != exitOK || err != nil || kept.Reason != "disk died" || kept.By == "" || kept.Missing == "" || errs != "" {
		t.Errorf("copy list: %d %s%s", code0, out, errs)
	}
	if code, out, _ := s.admin("copy", "list"); code != exitOK || !strings.Contains(out, "disk died") {
		t.Errorf("copy list: %d %s", code, out)
	}
}

// onlyReads expects that the books of an older copy can be looked at, with a
// warning, and that nothing is written to them.
func (s *site) onlyReads(file string) {
	s.t.Helper()
	for _, args := range [][]string{{"ledger", "check"}, {"reconcile"}, {"device", "list"}, {"copy", "list", "--json"}} {
		if code, _, errs := s.admin(args...); code != exitOK || strings.Count(errs, "older copy: ") != 1 || !strings.Contains(errs, "Next: ") {
			s.t.Errorf("%v: %d %s", args, code, errs)
		}
	}
	for _, args := range [][]string{{"customer", "create", "--name", "Eve"}, {"import", file}, {"issuer", "rotate"}} {
		if code, out, errs := s.admin(args...); code != exitConfig || out != "" || strings.Count(errs, "older copy: ") != 1 {
			s.t.Errorf("%v: %d %s%s", args, code, out, errs)
		}
	}
}

// What a copy loses for good is said before somebody decides to go on with it.
func TestHelpSaysWhatAcceptingLoses(t *testing.T) {
	s := &site{t: t, dir: t.TempDir()}
	code, out, errs := s.admin("copy", "accept", "--help")
	out = strings.Join(strings.Fields(out), " ")
	for _, want := range []string{
		"what it thinks the backend lacks, and no more", "is not handed in again", "goes back to the customer at its settle_by",
		"reversed later stays settled here", "rotated since the copy are unknown", "refuse every trust bundle",
	} {
		if code != exitOK || errs != "" || !strings.Contains(out, want) {
			t.Errorf("help without %q: %d %s%s", want, code, out, errs)
		}
	}
}

// A database that is gone while its second head is there was not there from the
// beginning: serve makes no new one unnoticed.
func TestALostDatabaseIsNoticed(t *testing.T) {
	s := serve(t, filepath.Join(t.TempDir(), "backend"))
	s.create("customer_id", "customer", "create", "--name", "Ada")
	s.stop()
	s.put(nil)
	refusesToServe(t, s.dir, "of their changes are missing")
	if code, out, errs := s.admin("copy", "accept", "--reason", "begin anew", "--json"); code != exitOK || !strings.HasPrefix(out, `{"accepted":true,"accepted_at":"`) {
		t.Errorf("accepted: %d %s%s", code, out, errs)
	}
	serve(t, s.dir).stop()
}
