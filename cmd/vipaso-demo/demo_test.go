package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	simv1 "github.com/vipaso/vipasod/proto/vipaso/sim/v1"
)

// TestMain lets the test binary be what the demo starts itself as.
func TestMain(m *testing.M) {
	if os.Getenv(childMark) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// run executes one command line.
func run(ctx context.Context, args ...string) (stdout, stderr string, code int) {
	var out, progress bytes.Buffer
	cmd := newCommand()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&progress)
	err := cmd.ExecuteContext(ctx)
	if err != nil {
		progress.WriteString(err.Error())
	}
	return out.String(), progress.String(), exitCode(err)
}

// TestHeadless plays scenarios with real processes, some of them with a real
// kill -9.
func TestHeadless(t *testing.T) {
	const (
		settled = "payment-1  12.00 USD  SETTLED  SETTLED"
		spent   = "ann-preauth-1  100.00 USD  12.00  0.00  88.00      12.00    0.00      88.00       yes"
	)
	for name, table := range map[string][]string{
		"happy":                  {settled, spent},
		"crash-payer":            {settled, spent},
		"crash-business":         {settled, spent},
		"backend-down":           {settled, spent},
		"customer-carries-claim": {settled, spent},
		"link-lost-after-accept": {settled, spent},
		"two-customers-race":     {"payment-1  12.00 USD  SETTLED  SETTLED  OTHER_PAID", spent},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(shortDir(t), "d")
			out, progress, code := run(t.Context(), "--headless", "--scenario", name, "--dir", dir)
			if code != 0 || !strings.HasPrefix(out, "ok ") {
				t.Fatalf("exit %d\n%s\n%s", code, out, progress)
			}
			for _, want := range table {
				if !strings.Contains(out, want) {
					t.Errorf("the table lacks %q:\n%s", want, out)
				}
			}
			if !strings.Contains(progress, "Ann enrolls") || !strings.Contains(progress, "everything is kept in "+dir) {
				t.Errorf("progress:\n%s", progress)
			}
			if _, err := os.Stat(filepath.Join(dir, name, "backend", "ca.pem")); err != nil {
				t.Error(err)
			}
			for _, child := range children(t) {
				t.Errorf("still there: %v", child)
			}
		})
	}
}

// TestScratchIsRemoved plays nothing at all: the context is over.
func TestScratchIsRemoved(t *testing.T) {
	tmp := shortDir(t)
	t.Setenv("TMPDIR", tmp)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, progress, code := run(ctx, "--headless", "--scenario", "happy"); code != 1 {
		t.Errorf("exit %d: %s", code, progress)
	}
	left, err := os.ReadDir(tmp)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestUsage(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		says []string
	}{
		{[]string{"--headless", "--scenario", "hapy"}, append([]string{`"hapy"`}, names()...)},
		{[]string{"--nonsense"}, []string{"nonsense"}},
		{[]string{"air", "--listen", "x", "--interval", "15"}, []string{`--interval takes a time with its unit, such as 90s, 10m or 24h, not "15"`}},
		{[]string{"nonsense"}, []string{"nonsense"}},
		{[]string{"--attack", ""}, []string{`no attack is called ""`, "oversized"}},
		{[]string{"--headless", "--dir", filepath.Join(full, "precious", "x")}, []string{"--dir: ", "precious: not a directory"}},
		{[]string{"--headless", "--dir", full}, []string{full, "not empty"}},
		{[]string{"--headless", "--dir", filepath.Join(t.TempDir(), strings.Repeat("long", 30))}, []string{"too long"}},
	} {
		_, stderr, code := run(t.Context(), tt.args...)
		if code != 2 {
			t.Errorf("%v: exit %d: %s", tt.args, code, stderr)
		}
		for _, want := range tt.says {
			if !strings.Contains(stderr, want) {
				t.Errorf("%v: %q lacks %q", tt.args, stderr, want)
			}
		}
	}
}

// TestStayUp runs the demo that stays, kills a device of it with and without a
// network, and ends it.
func TestStayUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	dir := filepath.Join(shortDir(t), "d")
	out, sheet := io.Pipe()
	progress, telling := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- runDemo(ctx, demoOptions{scenario: "all", dir: dir}, sheet, telling) }()
	told := lines(progress)
	text := await(t, lines(out), "^C ends everything.")
	for _, want := range []string{
		filepath.Join(dir, "till.sock") + ` pay request 12.00 USD`, filepath.Join(dir, "ann.sock") + " pay accept PAYMENT",
		"vipaso.customer.v1.CustomerService/AcceptPayment", "vipasoctl --socket", "vipaso-backend admin --dir " + filepath.Join(dir, "backend"),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the sheet lacks %q:\n%s", want, text)
		}
	}
	checkSheet(t, text)
	if all := children(t); len(all) != 5 {
		t.Fatalf("children: %v", all)
	}
	ann, err := grpc.NewClient("unix:"+filepath.Join(dir, "ann.sock"), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		t.Fatal(err)
	}
	defer ann.Close()
	dies := func(want string) { // and comes back with that flag
		t.Helper()
		killChild(t, "ann")
		await(t, told, "Ann: signal: killed; starting it again")
		await(t, told, "Ann is back")
		if c := childNamed(t, "ann"); !c.named(want) {
			t.Errorf("Ann's device came back as %v", c.args)
		}
	}
	dies("--offline=true")
	if _, err := simv1.NewSimServiceClient(ann).SetOffline(ctx, &simv1.SetOfflineRequest{RequestId: newRequestID()}); err != nil {
		t.Fatal(err)
	}
	await(t, told, "Ann has a network")
	dies("--offline=false")
	cancel()
	await(t, told, "everything is kept in "+dir)
	if err := <-done; err != nil {
		t.Error(err)
	}
	for _, c := range children(t) {
		t.Errorf("still there: %v", c)
	}
}
