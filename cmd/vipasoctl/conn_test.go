package main

import (
	"net"
	"testing"
	"time"
)

// busy is a listener of a daemon that has other things to do first.
type busy struct {
	net.Listener
	begin <-chan time.Time
}

// Accept implements net.Listener. The kernel has taken the connection before.
func (b busy) Accept() (net.Conn, error) {
	<-b.begin
	return b.Listener.Accept()
}

// TestBusyDaemon: a daemon that is not scheduled for a while is there all the
// same.
func TestBusyDaemon(t *testing.T) {
	f := stoppedFake(t)
	f.answer("GetStatus", customerDevice())
	begin := make(chan time.Time)
	time.AfterFunc(1500*time.Millisecond, func() { close(begin) })
	f.startOn(func(l net.Listener) net.Listener { return busy{l, begin} })
	if got := f.run("status"); got.code != 0 {
		t.Errorf("%+v", got)
	}
}
