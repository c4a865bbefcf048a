package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// startUplink serves an uplink until the test ends, and returns its socket.
func startUplink(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "u") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serveUplink(ctx, socket, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		os.RemoveAll(dir)
	})
	for end := time.Now().Add(time.Minute); ; <-time.After(5 * time.Millisecond) {
		if c, err := net.Dial("unix", socket); err == nil {
			c.Close()
			return socket
		}
		if time.Now().After(end) {
			t.Fatal("the uplink does not listen")
		}
	}
}

// echo returns the address of a server that says again what it hears.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

func TestUplinkMovesBytes(t *testing.T) {
	c, err := throughUplink(startUplink(t))(t.Context(), echo(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const text = "as it was sent"
	got := make([]byte, len(text))
	for range 3 {
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

// TestUplinkRefuses: what is no CONNECT, and what cannot be reached.
func TestUplinkRefuses(t *testing.T) {
	socket := startUplink(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	l.Close()
	if _, err := throughUplink(socket)(t.Context(), nobody); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("nobody listens: %v", err)
	}
	client := http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", socket) }}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + echo(t) + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %s", resp.Status)
	}
}

// TestUplinkGivenUp: a caller that gives up waits no longer.
func TestUplinkGivenUp(t *testing.T) {
	dir, err := os.MkdirTemp("", "u")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	silent, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		c, err := silent.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		c.Read(make([]byte, 100)) // the request, which is not answered
		cancel()
		io.Copy(io.Discard, c)
	}()
	if c, err := throughUplink(filepath.Join(dir, "s"))(ctx, "pay.example.com:443"); err == nil {
		c.Close()
		t.Error("a connection to nobody")
	}
}
