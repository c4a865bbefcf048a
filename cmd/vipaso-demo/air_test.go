package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/link/linktest"
	"github.com/vipaso/vipasod/ble/radio"
)

// startAir runs vipaso-demo air until the test ends and returns its socket.
func startAir(t *testing.T, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "air.sock")
	stop := startAirOn(t, path, args...)
	t.Cleanup(stop)
	return path
}

// startAirOn runs vipaso-demo air on a path until stop is called, and returns
// when it is ready.
func startAirOn(t *testing.T, path string, args ...string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, ready := io.Pipe()
	cmd := newCommand()
	cmd.SetArgs(append([]string{"air", "--listen", path}, args...))
	cmd.SetOut(ready)
	done := make(chan error, 1)
	go func() {
		err := cmd.ExecuteContext(ctx)
		ready.CloseWithError(io.EOF)
		done <- err
	}()
	line := make([]byte, 200)
	n, err := out.Read(line)
	if err != nil {
		t.Fatalf("air: %v", <-done)
	}
	if got := string(line[:n]); !strings.HasPrefix(got, "simulated air on "+path+": ") || strings.Count(got, "\n") != 1 {
		t.Errorf("ready line %q", got)
	}
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("air: %v", err)
		}
	}
}

// joinSocket returns a client of the air that is up.
func joinSocket(t *testing.T, path, name string) *radio.Client {
	t.Helper()
	c := radio.NewClient(radio.Options{Name: name, Dial: func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}})
	done := make(chan error, 1)
	go func() { done <- c.Run(context.Background()) }()
	t.Cleanup(func() {
		c.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.AwaitUp(ctx); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAirContract(t *testing.T) {
	linktest.TestRadio(t, func(t *testing.T, n int) []link.Radio {
		path := startAir(t)
		radios := make([]link.Radio, n)
		for i := range radios {
			radios[i] = joinSocket(t, path, "radio "+strconv.Itoa(i))
		}
		return radios
	}, nil)
}

func TestAirControl(t *testing.T) {
	path := startAir(t, "--loss", "0.5%")
	till, customer := joinSocket(t, path, "till"), joinSocket(t, path, "customer")
	ctx := t.Context()
	ad := link.Advertisement{On: true, ServiceData: link.Beacon{Version: 1}.Encode()}
	if err := customer.Advertise(ctx, ad); err != nil {
		t.Fatal(err)
	}
	latency, loss := 30*time.Millisecond, uint32(5000)
	if _, err := customer.SetConditions(ctx, &loss, &latency); err != nil { // after its advertisement
		t.Fatal(err)
	}
	report, err := till.Peers(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if report.GetLossPerMille() != 1000 || report.GetLatencyMs() != 30 || len(report.GetPeers()) != 2 {
		t.Fatalf("report %v", report)
	}
	me, other := report.GetPeers()[0], report.GetPeers()[1]
	if me.GetName() != "till" || me.GetRssi() != 0 || other.GetName() != "customer" || other.GetRssi() >= 0 || !other.GetAdvertising() || other.GetAddress() == "" {
		t.Errorf("peers %v", report.GetPeers())
	}
}

func TestAirSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "air.sock")
	log := slog.New(slog.DiscardHandler)

	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := runAir(t.Context(), airOptions{listen: path, loss: "0%"}, io.Discard, log); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("on a live socket: %v", err)
	}
	l.SetUnlinkOnClose(false)
	l.Close() // as if it had been killed
	stop := startAirOn(t, path)
	stop()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is left behind: %v", err)
	}

	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := runAir(t.Context(), airOptions{listen: path, loss: "0%"}, io.Discard, log); err == nil {
		t.Error("a file was replaced")
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, []byte("precious")) {
		t.Errorf("the file is now %q, %v", got, err)
	}
}

// TestAirDirectory: a directory that is missing is made; where that cannot be,
// the error says what to do.
func TestAirDirectory(t *testing.T) {
	dir := t.TempDir()
	startAirOn(t, filepath.Join(dir, "new", "dir", "air.sock"))()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := runAir(t.Context(), airOptions{listen: filepath.Join(file, "air.sock"), loss: "0%"}, io.Discard, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "\nnext: name another path") {
		t.Errorf("below a file: %v", err)
	}
}

func TestAirFlags(t *testing.T) {
	for _, args := range [][]string{
		{"air"},
		{"air", "--listen", "x", "--loss", "10"},
		{"air", "--listen", "x", "--loss", "101%"},
		{"air", "--listen", "x", "--interval", "-1s"},
		{"air", "--listen", "x", "extra"},
	} {
		cmd := newCommand()
		cmd.SetArgs(args)
		cmd.SetOut(io.Discard)
		if err := cmd.ExecuteContext(t.Context()); exitCode(err) != 2 || !strings.Contains(explain(err), "air --help") {
			t.Errorf("%v: exit %d, %q", args, exitCode(err), explain(err))
		}
	}
}

func TestParsePerMille(t *testing.T) {
	for s, want := range map[string]int{"0%": 0, "10%": 100, "2.5%": 25, "0.1%": 1, "100%": 1000, "100.0%": 1000} {
		if got, err := parsePerMille(s); err != nil || got != want {
			t.Errorf("%q is %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "%", "10", "-1%", "100.1%", "1.25%", ".5%", "1e1%", "x%", "9999999999%"} {
		if got, err := parsePerMille(s); err == nil {
			t.Errorf("%q is taken as %d", s, got)
		}
	}
}
