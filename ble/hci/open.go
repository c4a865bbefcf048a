package hci

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"syscall"
	"time"

	"github.com/go-ble/ble"
	"github.com/go-ble/ble/linux/hci"
	"github.com/go-ble/ble/linux/hci/cmd"

	"github.com/vipaso/vipasod/ble/link"
)

const (
	// openLimit bounds the opening of an adapter. Go-ble waits 10 s for each
	// of some ten commands.
	openLimit = 10 * time.Second
	// openTries is how often an opening is repeated that Go's own signal for
	// preemption has interrupted, or that found the adapter taken: an earlier
	// radio process may be about to leave it.
	openTries = 15
	openPause = 100 * time.Millisecond
	// mtuMax is the ATT MTU that we ask for and grant: with its L2CAP header it
	// fills one air packet of 251 bytes.
	mtuMax = 247
)

// Open takes the adapter for this process. The error wraps link.ErrAdapter and
// is a *link.AdapterError if its reason is known.
//
// A process should open once: what a failed attempt leaves behind ends with
// the process.
func Open(ctx context.Context, o Options) (*Radio, error) {
	number, err := resolve(o.Adapter)
	if err != nil {
		return nil, err
	}
	return open(ctx, o, fmt.Sprintf("hci%d", number), number, (*hci.HCI).Init)
}

// open is Open with the way to go-ble's socket left open.
func open(ctx context.Context, o Options, adapter string, number int, init func(*hci.HCI) error) (*Radio, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	names, err := parseNames(o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	dev, err := initialise(ctx, number, init)
	if err != nil {
		return nil, err
	}
	r := &Radio{
		log: o.Logger, dev: dev, adapter: adapter, public: upper(dev.Addr().String()), names: names,
		sightings: link.NewSightingRing(), accepted: make(chan *conn, acceptMax), dialled: make(chan *hci.Conn),
		done: make(chan struct{}), guards: map[*guard]bool{}, refused: map[string]uint64{}, heardOf: heardOf{},
	}
	if r.masters, err = masterConns(dev); err != nil {
		return nil, err
	}
	if r.server, err = newATTServer(names, r.readValue); err != nil {
		return nil, err
	}
	dev.SetDisconnectedHandler(r.disconnected)
	dev.SetAdvHandler(r.advertisement)
	if err := r.prepare(); err != nil {
		return nil, err
	}
	go r.accepting()
	go r.collecting()
	go r.watching()
	return r, nil
}

// initialise opens the socket and the controller behind it.
func initialise(ctx context.Context, number int, init func(*hci.HCI) error) (*hci.HCI, error) {
	type result struct {
		dev *hci.HCI
		err error
	}
	answer := make(chan result, 1)
	go func() {
		dev, err := attempt(number, init)
		for try := 1; try < openTries && again(err); try++ {
			<-time.After(openPause)
			dev, err = attempt(number, init)
		}
		answer <- result{dev, err}
	}()
	select {
	case a := <-answer:
		if a.err != nil {
			return nil, adapterError(a.err)
		}
		secure()
		return a.dev, nil
	case <-ctx.Done():
		return nil, &link.AdapterError{Reason: reasonTimeout, Detail: fmt.Sprintf("not open within %s", openLimit)}
	}
}

// again reports whether another attempt may succeed at once.
func again(err error) bool { return errors.Is(err, syscall.EINTR) || errors.Is(err, syscall.EBUSY) }

// attempt opens once. Go-ble panics on a controller that reports no buffers.
func attempt(number int, init func(*hci.HCI) error) (dev *hci.HCI, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &link.AdapterError{Reason: reasonDown, Detail: fmt.Sprintf("controller cannot be initialised: %v", p)}
		}
	}()
	dev, err = hci.NewHCI(ble.OptDeviceID(number), ble.OptScanParams(scanning))
	if err != nil {
		return nil, err
	}
	return dev, init(dev)
}

// prepare sets up the controller beyond what go-ble does.
func (r *Radio) prepare() error {
	var buffers cmd.LEReadBufferSizeRP
	if err := r.send(&cmd.LEReadBufferSize{}, &buffers); err != nil {
		return err
	}
	count, size := int(buffers.HCTotalNumLEDataPackets), int(buffers.HCLEDataPacketLength)
	if count < 2 || size < ble.DefaultMTU+l2capHeader {
		return &link.AdapterError{Reason: reasonDown, Detail: fmt.Sprintf("controller has %d buffers of %d bytes", count, size)}
	}
	r.tx = newGate(size, freeBuffers(r.dev), r.stalled)
	r.mtu = min(mtuMax, size*max(1, count-2)-l2capHeader)
	// Without the event by which a peer asks for encryption: go-ble waits for
	// an answer to its answer on the goroutine that would have to read it.
	if err := r.send(&cmd.LESetEventMask{LEEventMask: 0x0f}, nil); err != nil {
		return err
	}
	// Longer air packets for all connections; old controllers cannot.
	if err := r.send(suggestDataLength{}, nil); err != nil && !refusedBy(err) {
		return err
	}
	return nil
}

// suggestDataLength is LE Write Suggested Default Data Length, which go-ble
// does not have: 251 bytes.
type suggestDataLength struct{}

// OpCode implements hci.Command.
func (suggestDataLength) OpCode() int { return 0x08<<10 | 0x24 }

// Len implements hci.Command.
func (suggestDataLength) Len() int { return 4 }

// Marshal implements hci.Command.
func (suggestDataLength) Marshal(b []byte) error {
	copy(b, []byte{0xfb, 0x00, 0x48, 0x08}) // 251 bytes in 2,120 µs
	return nil
}

// scanning is passive: only advertisements count, and a scan response without
// one upsets go-ble.
var scanning = cmd.LESetScanParameters{
	LEScanType: 0, LEScanInterval: 0x60, LEScanWindow: 0x60, // 60 ms of 60 ms
}

// l2capHeader is the length of the header before each ATT PDU.
const l2capHeader = 4

// adapterMax is the highest adapter number the kernel can have.
const adapterMax = math.MaxUint16
