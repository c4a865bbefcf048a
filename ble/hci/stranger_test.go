//go:build !race

package hci

import (
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/testbed"
)

// stranger is a central on a virtual controller of its own that says what it
// likes.
type stranger struct {
	bench      *testbed.Bench
	controller int
	handle     uint16
	hear       func(pdu []byte) // ATT PDUs to it; may be nil
}

// newStranger connects to an address.
func newStranger(t *testing.T, b *testbed.Bench, controller int, address string) *stranger {
	t.Helper()
	s, err := appear(b, controller, address)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// appear connects to an address.
func appear(b *testbed.Bench, controller int, address string) (*stranger, error) {
	to, err := net.ParseMAC(address)
	if err != nil {
		return nil, err
	}
	slices.Reverse(to)
	host := b.Host(controller)
	s := &stranger{bench: b, controller: controller}
	go reading(host, func(p []byte) {
		if pdu := attIn(p); pdu != nil && s.hear != nil {
			s.hear(pdu)
		}
	})
	for _, command := range [][]byte{
		{1, 0x03, 0x0c, 0},                  // Reset
		{1, 0x24, 0x20, 4, 251, 0, 0x48, 8}, // LE Write Suggested Default Data Length
		slices.Concat([]byte{1, 0x0d, 0x20, 25, 0x60, 0, 0x30, 0, 0, 1}, to, []byte{0, 6, 0, 6, 0, 0, 0, 200, 0, 0, 0, 0, 0}),
	} {
		if _, err := host.Write(command); err != nil {
			return nil, err
		}
	}
	for end := time.Now().Add(time.Minute); s.handle == 0; {
		b.Do(func(air *testbed.Air) {
			if handles := air.Handles(controller); len(handles) > 0 {
				s.handle = handles[0]
			}
		})
		if time.Now().After(end) {
			return nil, fmt.Errorf("no connection to %s", address)
		}
		<-time.After(10 * time.Millisecond)
	}
	return s, nil
}

// reading calls f with each packet of a controller.
func reading(host *testbed.Host, f func(packet []byte)) {
	for buf := make([]byte, 4096); ; {
		n, err := host.Read(buf)
		if err != nil {
			return
		}
		f(buf[:n])
	}
}

// attIn returns the ATT PDU in an ACL packet, nil if there is none.
func attIn(packet []byte) []byte {
	if packet[0] != 2 || len(packet) < 10 {
		return nil
	}
	return packet[9:]
}

// newServer is a peripheral on a controller of its own, advertised as n, that
// answers each ATT request as it likes; nil is no answer.
func newServer(t *testing.T, b *testbed.Bench, n byte, answer func(request []byte) []byte) {
	t.Helper()
	serveOn(t, b, b.Add(), n, answer)
}

// serveOn is newServer on a controller that is there.
func serveOn(t *testing.T, b *testbed.Bench, controller int, n byte, answer func(request []byte) []byte) {
	t.Helper()
	names, err := parseNames(testNames)
	if err != nil {
		t.Fatal(err)
	}
	host := b.Host(controller)
	adv := advertisement(names.service, link.Beacon{Version: 1, EID: link.EID{n}, BaseHandle: link.DefaultBaseHandle}.Encode())
	for _, command := range [][]byte{
		{1, 0x03, 0x0c, 0}, // Reset
		{1, 0x06, 0x20, 15, 160, 0, 160, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0}, // LE Set Advertising Parameters
		slices.Concat([]byte{1, 0x08, 0x20, 32, byte(len(adv))}, adv),        // LE Set Advertising Data
		{1, 0x0a, 0x20, 1, 1}, // LE Set Advertising Enable
	} {
		if _, err := host.Write(command); err != nil {
			t.Fatal(err)
		}
	}
	go reading(host, func(p []byte) {
		request := attIn(p)
		if request == nil {
			return
		}
		if pdu := answer(request); pdu != nil {
			host.Write(acl(binary.LittleEndian.Uint16(p[1:])&0xfff, onATT(pdu)))
		}
	})
}

// send sends L2CAP packets, or what goes for one.
func (s *stranger) send(t *testing.T, packets ...[]byte) {
	t.Helper()
	for _, p := range packets {
		if _, err := s.bench.Host(s.controller).Write(acl(s.handle, p)); err != nil {
			t.Fatal(err)
		}
	}
}

// linked reports whether the victim still has the connection.
func (s *stranger) linked() (linked bool) {
	s.bench.Do(func(air *testbed.Air) { linked = len(air.Handles(s.controller)) > 0 })
	return linked
}
