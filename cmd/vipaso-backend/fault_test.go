package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// asProgram makes the test binary be the program, for tests that need a
// process of its own.
const asProgram = "VIPASO_BACKEND_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// The disk takes no more bytes: the COMMIT fails, the caller gets no answer,
// and the process ends. The next one goes on.
func TestAFailedCommitEndsTheProgram(t *testing.T) {
	program, err := os.Executable()
	must(t, err)
	dir := filepath.Join(t.TempDir(), "backend")
	c := exec.CommandContext(t.Context(), program, "serve", "--dir", dir, "--listen", "127.0.0.1:0", "--log-level", "error")
	c.Env = append(os.Environ(), asProgram+"=1")
	var log bytes.Buffer
	c.Stderr = &log
	out, err := c.StdoutPipe()
	must(t, err)
	must(t, c.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	s := &site{t: t, dir: dir, addr: strings.TrimSuffix(strings.Fields(line)[2], ",")}
	shop := s.create("business_id", "business", "create", "--name", "Cafe Luna")
	code := s.create("code", "enroll-code", "create", "--business", shop)

	none := unix.Rlimit{Cur: 4096, Max: 4096}
	must(t, unix.Prlimit(c.Process.Pid, unix.RLIMIT_FSIZE, &none, nil))
	key, till := newKey(t), byCode(code, uint32(peerv1.Role_ROLE_BUSINESS))
	if _, err := s.tryEnroll(till, code, key); status.Code(err) != codes.Unavailable {
		t.Errorf("the answer is %v", err)
	}
	if err := c.Wait(); c.ProcessState.ExitCode() != exitFailed {
		t.Errorf("it ends with %v: %s", err, log.String())
	}
	for _, want := range []string{"a commit failed", "Next: start it again"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("it says %q, not %q", log.String(), want)
		}
	}

	s = serve(t, dir)
	defer s.stop()
	s.enroll(till, code, key)
	s.checks()
}
