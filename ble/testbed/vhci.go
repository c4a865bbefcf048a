//go:build vm

package testbed

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// vhciPath is where the kernel makes virtual adapters: one for each opening.
const vhciPath = "/dev/vhci"

// Kernel is a bench whose controllers are adapters of the running kernel, as
// if they were plugged in.
type Kernel struct {
	*Bench
	Names []string // hci0 and so on, by controller

	mu    sync.Mutex
	ports []*os.File
}

// NewKernel plugs n controllers in. It needs root and the module hci_vhci.
func NewKernel(cfg Config, n int) (*Kernel, error) {
	k := &Kernel{Bench: NewBench(cfg, n), Names: make([]string, n), ports: make([]*os.File, n)}
	for i := range n {
		if err := k.Plug(i); err != nil {
			k.Close()
			return nil, err
		}
	}
	return k, nil
}

// Plug plugs a controller in. The kernel may give it another name than before.
func (k *Kernel) Plug(controller int) error {
	port, err := os.OpenFile(vhciPath, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("plug controller %d in: %w", controller, err)
	}
	// A vendor packet asks for a primary controller, and is answered with its
	// number.
	if _, err := port.Write([]byte{0xff, 0x00}); err != nil {
		return fmt.Errorf("plug controller %d in: %w", controller, err)
	}
	answer := make([]byte, 64)
	if n, err := port.Read(answer); err != nil || n < 4 || answer[0] != 0xff {
		return fmt.Errorf("plug controller %d in: answer %x: %w", controller, answer[:n], err)
	}
	k.mu.Lock()
	k.ports[controller] = port
	k.Names[controller] = fmt.Sprintf("hci%d", at16(answer[2:]))
	k.mu.Unlock()
	host := k.replug(controller)
	go toKernel(port, host)
	go fromKernel(port, host)
	return nil
}

// Unplug takes a controller away.
func (k *Kernel) Unplug(controller int) error {
	k.mu.Lock()
	port := k.ports[controller]
	k.ports[controller] = nil
	k.mu.Unlock()
	if port == nil {
		return nil
	}
	k.Host(controller).Close()
	return port.Close()
}

// Close takes all controllers away.
func (k *Kernel) Close() {
	for i := range k.ports {
		k.Unplug(i) // what is gone is gone
	}
	k.Bench.Close()
}

// replug gives a controller a new host, as when its power was cut.
func (b *Bench) replug(controller int) *Host {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hosts[controller].close()
	b.hosts[controller] = newHost(b, controller)
	b.air.Advance(time.Now())
	b.air.controllers[controller].reset()
	return b.hosts[controller]
}

// toKernel passes on what the controller says. The kernel refuses what comes
// while the adapter is down.
func toKernel(port *os.File, host *Host) {
	buf := make([]byte, 4096)
	for {
		n, err := host.Read(buf)
		if err != nil {
			return
		}
		if _, err := port.Write(buf[:n]); errors.Is(err, os.ErrClosed) {
			return
		}
	}
}

// fromKernel passes on what the kernel says.
func fromKernel(port *os.File, host *Host) {
	buf := make([]byte, 4096)
	for {
		n, err := port.Read(buf)
		if err != nil {
			return
		}
		if _, err := host.Write(buf[:n]); err != nil {
			return
		}
	}
}
