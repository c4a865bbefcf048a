package device

import (
	"context"
	"net"
	"os"
	"os/exec"

	"github.com/vipaso/vipasod/ble/radio"
)

// connect makes a radio of the process that dial reaches.
func (n *Node) connect(dial func(context.Context) (net.Conn, error)) {
	n.client = radio.NewClient(radio.Options{Name: n.cfg.DisplayName, Logger: n.cfg.Logger, Dial: dial})
	n.radio = n.client
}

// dialSocket reaches a process that serves a radio on a unix socket.
func dialSocket(path string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
}

// radioProcess starts this program as a radio process, which ends with us.
func (n *Node) radioProcess() *radio.Process {
	return &radio.Process{Logger: n.cfg.Logger, Command: func() *exec.Cmd {
		cmd := exec.Command("/proc/self/exe", n.cfg.RadioArgs...)
		cmd.Env = append(os.Environ(), "LOGXI=*=OFF")
		cmd.Stderr = os.Stderr
		return cmd
	}}
}
