package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// childEnv names what the test binary does instead of tests, in another
// process, and the directory it does it in.
const childEnv = "VIPASO_STORE_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		os.Exit(m.Run())
	case "commit":
		childCommit(os.Args[1], -1)
	case "commit some":
		n, err := strconv.Atoi(os.Args[2])
		if err != nil {
			panic(err)
		}
		childCommit(os.Args[1], n)
	case "open":
		childOpen(os.Args[1])
	case "fill":
		childFill(os.Args[1])
	}
}

// child is the test binary, about to do something else in dir.
func child(t testing.TB, does, dir string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", append([]string{dir}, args...)...)
	cmd.Env = append(os.Environ(), childEnv+"="+does)
	cmd.Stderr = os.Stderr
	return cmd
}

// childCommit commits payments of a till, n or without end, and writes the
// number of each to standard output as soon as Commit has returned.
func childCommit(dir string, n int) {
	s, err := Open(context.Background(), dir, Options{Role: Business})
	if err != nil {
		panic(err)
	}
	last, err := s.LastSequence(context.Background())
	if err != nil {
		panic(err)
	}
	for i := int(last) + 1; n != 0; i++ {
		if err := s.Commit(context.Background(), crashChange(i)); err != nil {
			panic(err)
		}
		if _, err := fmt.Println(i); err != nil {
			panic(err)
		}
		n--
	}
}

// crashChange is the ith change of childCommit: a paid sale with its ask,
// event and claim.
func crashChange(i int) *Change {
	v := sale(i)
	a := answered(ask(v, 1), idOf("preauth", i), 1, 12_00)
	v = paid(v, a)
	v.Rev = 1
	return &Change{
		Sale: &v, Asks: []Ask{a}, Events: []*paymentv1.Event{opened(v.ID)}, Floor: at(i),
		Outbox: []Item{{ItemKey: ItemKey{"CLAIM", a.Request}, Payment: v.ID, Deadline: at(i + 1000), Total: a.Total, Currency: "USD", CreatedAt: at(i)}},
	}
}

// childOpen opens and closes a store and writes what came of it.
func childOpen(dir string) {
	s, err := Open(context.Background(), dir, Options{Role: Business})
	if err != nil {
		for name, sentinel := range map[string]error{"locked": ErrLocked, "read-only": ErrReadOnly, "corrupt": ErrCorrupt} {
			if errors.Is(err, sentinel) {
				fmt.Print(name, ": ")
			}
		}
		fmt.Println(err)
		return
	}
	fmt.Println("opened", s.Close())
}

// childFill commits until the system refuses to let files grow, and writes
// the number of each commit and at last the kind of error.
func childFill(dir string) {
	signal.Ignore(syscall.SIGXFSZ)
	s, err := Open(context.Background(), dir, Options{Role: Business})
	if err != nil {
		panic(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 256 << 10, Max: 256 << 10}); err != nil {
		panic(err)
	}
	for i := 1; ; i++ {
		if err := s.Commit(context.Background(), crashChange(i)); err != nil {
			again := s.Commit(context.Background(), crashChange(i))
			_, read := s.LastSequence(context.Background())
			fmt.Println("poisoned", errors.Is(err, ErrPoisoned), errors.Is(again, ErrPoisoned), errors.Is(read, ErrPoisoned), errors.Is(err, ErrFull))
			os.Exit(0)
		}
		fmt.Println(i)
	}
}

// TestKill kills a process that commits without pause, twenty times in the
// same store, at whatever it was doing then. Every commit that had returned
// is there, whole.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	acknowledged := 0
	for round := range 20 {
		cmd := child(t, "commit", dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 1 + round*round%37 {
			if !lines.Scan() {
				t.Fatal("the child ended", lines.Err())
			}
			acknowledged = number(t, lines.Text())
		}
		// A part of a commit's time, another one in each round.
		<-time.After(time.Duration(round*73%400) * time.Microsecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() {
			acknowledged = number(t, lines.Text())
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child was not killed")
		}
		verifyCrash(t, dir, acknowledged)
	}
}

// verifyCrash checks that every payment up to the acknowledged one is stored,
// at most one more, and nothing in part.
func verifyCrash(t *testing.T, dir string, acknowledged int) {
	t.Helper()
	s, err := Open(t.Context(), dir, Options{Role: Business})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	sound(t, s)
	last, err := s.LastSequence(t.Context())
	if err != nil || int(last) != acknowledged && int(last) != acknowledged+1 {
		t.Fatalf("%d acknowledged, %d stored: %v", acknowledged, last, err)
	}
	for i := 1; i <= int(last); i++ {
		want := crashChange(i)
		v, err := s.Sale(t.Context(), want.Sale.ID)
		if err != nil || v.State != want.Sale.State || len(v.Asks) != 1 || v.Asks[0] != want.Asks[0].Ask {
			t.Fatalf("payment %d of %d: %v %+v", i, last, err, v)
		}
	}
	if n, err := s.OutboxSize(t.Context()); err != nil || n != int(last) {
		t.Fatalf("%d stored, %d to hand in: %v", last, n, err)
	}
}

func number(t *testing.T, line string) int {
	t.Helper()
	n, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestFileCannotGrow: when a COMMIT fails, nothing is done or told any more
// until a new process has opened the store; what was acknowledged is there.
func TestFileCannotGrow(t *testing.T) {
	dir := t.TempDir()
	cmd := child(t, "fill", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	acknowledged, said := 0, ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if said = lines.Text(); said[0] != 'p' {
			acknowledged = number(t, said)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if said != "poisoned true true true false" || acknowledged == 0 {
		t.Errorf("after %d commits: %q", acknowledged, said)
	}
	verifyCrash(t, dir, acknowledged)
}

// TestSecondProcess: one process at a time, and the other is told who.
func TestSecondProcess(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, Business)
	out, err := child(t, "open", dir).Output()
	want := fmt.Sprintf("locked: store in %s: process %d (", dir, os.Getpid())
	if err != nil || len(out) < len(want) || string(out[:len(want)]) != want {
		t.Errorf("second process: %q, want %q: %v", out, want, err)
	}
	if _, err := Open(t.Context(), dir, Options{Role: Business}); !errors.Is(err, ErrLocked) {
		t.Errorf("second opening: %v", err)
	}
	commit(t, s, crashChange(1))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := child(t, "open", dir).Output(); err != nil || string(out) != "opened <nil>\n" {
		t.Errorf("after closing: %q %v", out, err)
	}
}

// TestReadOnlyDirectory: a store where nothing can be written is not opened.
// Root may write everywhere, so the opening is done by nobody.
func TestReadOnlyDirectory(t *testing.T) {
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(os.Chmod(dir, 0o700), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	made := openAt(t, dir, Business)
	if err := made.Close(); err != nil {
		t.Fatal(err)
	}
	nobody := &syscall.Credential{Uid: 65534, Gid: 65534}
	for path, mode := range map[string]os.FileMode{fileName: 0o400, ".": 0o500} {
		path = filepath.Join(dir, path)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if os.Getuid() != 0 {
			continue
		}
		if err := os.Chown(path, int(nobody.Uid), int(nobody.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	for name, dir := range map[string]string{"existing": dir, "new": filepath.Join(dir, "new")} {
		cmd := child(t, "open", dir)
		if os.Getuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: nobody}
		}
		out, err := cmd.Output()
		if err != nil || len(out) < 10 || string(out[:10]) != "read-only:" {
			t.Errorf("%s store: %q %v", name, out, err)
		}
	}
}
