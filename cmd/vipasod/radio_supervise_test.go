package main

import (
	"net"
	"path/filepath"
	"testing"
	"time"
)

// TestHangup: the end of a connection is seen behind what was not read, at
// once if it was before, and the end from this side as well.
func TestHangup(t *testing.T) {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	pair := func() (client net.Conn, served *net.UnixConn, gone <-chan struct{}) {
		t.Helper()
		client, err := net.Dial("unix", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if served, err = listener.AcceptUnix(); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if gone, err = hangup(served); err != nil {
			t.Fatal(err)
		}
		return client, served, gone
	}
	ends := func(what string, gone <-chan struct{}) {
		t.Helper()
		select {
		case <-gone:
		case <-time.After(time.Minute):
			t.Errorf("%s is not seen", what)
		}
	}

	client, served, gone := pair()
	select {
	case <-gone:
		t.Error("it has hung up already")
	default:
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	ends("the end", gone)
	again, err := hangup(served)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-again:
	default:
		t.Error("the end is not seen at once")
	}
	hello := make([]byte, 10)
	if n, err := served.Read(hello); err != nil || string(hello[:n]) != "hello" {
		t.Errorf("read %q, %v", hello[:n], err)
	}
	served.Close()

	client, served, gone = pair()
	defer client.Close()
	served.Close()
	ends("our own end", gone)
}
