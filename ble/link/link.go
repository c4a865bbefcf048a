// Package link is the seam between vipasod and a radio: a Radio advertises,
// scans and connects, a Link carries single ATT values. Real adapters, the
// simulated air and the client of the radio process all implement it, and all
// pass the contract in linktest.
//
// A link is reliable and ordered while it lasts, as a BLE connection is: a
// value is delivered unchanged and once, or the link ends. Nothing here is
// confidential or authenticated; that is ble/secure's part.
package link

import (
	"context"
	"time"
)

// ValueMin and ValueMax bound Link.ValueMax: ATT MTU 23 minus its header, and
// the longest attribute value there is.
const (
	ValueMin = 20
	ValueMax = 512
)

// ReadValueMax is the longest value of the read characteristic, in bytes.
const ReadValueMax = 20

// LinksMax is how many links a central keeps at a time.
const LinksMax = 4

// Advertisement is what a Radio sends out until it is told otherwise.
type Advertisement struct {
	// On says whether to advertise at all; the rest is ignored without it.
	On bool

	// ServiceData is the 10 bytes of a Beacon.
	ServiceData []byte

	// ReadValue is what the read characteristic shows, at most 20 bytes.
	ReadValue []byte
}

// Sighting is one advertisement that was heard.
type Sighting struct {
	// Address is what to dial. It changes with the advertisement.
	Address string

	// RSSI is the signal strength in dBm.
	RSSI int

	// ServiceData is as received; a stranger may have sent anything.
	ServiceData []byte
}

// Status is how a Radio is at the moment.
type Status struct {
	// Adapter names the adapter, such as "hci1" or "sim".
	Adapter string

	// Address is the radio's present address.
	Address string

	// Up says whether the radio can be used. If not, Reason is the reason of
	// the error catalogue, such as ADAPTER_DOWN, and Detail is for people.
	Up     bool
	Reason string
	Detail string

	// Scanning and Advertising say what the radio was told to do.
	Scanning    bool
	Advertising bool

	// Links counts the links that are up.
	Links int

	// Restarts counts how often the radio was started again.
	Restarts uint32

	// LastPeer is when another device was last heard, dialled or accepted;
	// the zero time if never.
	LastPeer time.Time

	// Refused counts what strangers have sent that was refused, by what was
	// wrong with it, in words for people from a short list. The caller owns it.
	Refused map[string]uint64
}

// Radio is one Bluetooth adapter, or something that behaves like one. Its
// methods may be called concurrently.
//
// Advertise and Scan state a wish that outlives the adapter: a radio that is
// down, or was started again, fulfils it when it can. NextSighting and Accept
// wait through such a time as well. Dial fails at once with ErrAdapter.
// After Close all of them fail with ErrClosed.
type Radio interface {
	// Advertise replaces what is advertised. The radio's address changes
	// whenever ServiceData does. A radio that has accepted a link is silent
	// until the link ends.
	Advertise(ctx context.Context, a Advertisement) error

	// Scan starts or stops listening for advertisements.
	Scan(ctx context.Context, on bool) error

	// NextSighting returns the next advertisement that was heard. Few are
	// kept: a slow caller misses the oldest.
	NextSighting(ctx context.Context) (Sighting, error)

	// Dial connects to the address of a Sighting. With discover, it ignores
	// the advertised base handle and looks the service up, which is slower.
	// The error wraps ErrLost if nobody answers or the other side is taken.
	Dial(ctx context.Context, address string, discover bool) (Link, error)

	// Accept returns the next link that another radio dialled.
	Accept(ctx context.Context) (Link, error)

	// Status returns how the radio is now.
	Status() Status

	// Close ends every link and gives the adapter back. It may be repeated.
	Close() error
}

// Link is one connection to another device. Its methods may be called
// concurrently.
type Link interface {
	// ValueMax is the longest value in bytes, the ATT MTU minus 3.
	ValueMax() int

	// Send hands one value to the radio; it does not wait until the value
	// has arrived. The caller may reuse value afterwards. The error wraps
	// ErrTooLong, ErrLost, ErrClosed or the context's error.
	Send(ctx context.Context, value []byte) error

	// Receive returns the next value of the other side, which the caller
	// then owns. Values that arrived before the end of the link come first;
	// then the error wraps ErrLost, or ErrClosed if this side ended it.
	Receive(ctx context.Context) ([]byte, error)

	// PeerReadValue is the other side's read characteristic as it was seen
	// when the link was dialled; empty if it was not read.
	PeerReadValue() []byte

	// Address is the other side's address.
	Address() string

	// Close ends the link; the reason is for the log. It may be repeated.
	// Values that are still on their way may be lost.
	Close(reason string) error

	// Done is closed when the link has ended, on whichever side.
	Done() <-chan struct{}
}
