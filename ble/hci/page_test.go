//go:build !race

package hci

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/link/linktest"
	"github.com/vipaso/vipasod/ble/testbed"
)

// notified is the example of what a customer sends.
const notified = "ATT: Handle Value Notification with an acknowledgement"

// TestPage keeps what ble/PROTOCOL.md says of advertisements and ATT equal to
// what a till and a customer send.
func TestPage(t *testing.T) { synctest.Test(t, testPage) }

func testPage(t *testing.T) {
	p := linktest.ReadPage(t, "../PROTOCOL.md")
	a := newAttack(t, testbed.Config{})
	seen := map[string][]byte{
		"air: advertisement": advertisement(a.wallet.names.service, p.Bytes("service data")),
		"air: scan response": scanResponse(a.wallet.names.service),
	}
	note := func(name string) func([]byte) { return func(pdu []byte) { seen[name] = bytes.Clone(pdu) } }

	requests := map[byte]func([]byte){
		opMTU: note("ATT: Exchange MTU Request"), opWrite: note("ATT: Write Request to the CCCD"),
		opWriteCommand: note("ATT: Write Command with frame 0"),
	}
	newServer(t, a.bench, 5, func(request []byte) []byte {
		requests[request[0]](request)
		return map[byte][]byte{opMTU: {opMTUResponse, 0xf7, 0}, opWrite: {opWriteResponse}}[request[0]]
	})
	c, err := a.till.Dial(t.Context(), a.see(5).Address, false)
	a.ok(err)
	a.ok(c.Send(t.Context(), p.Bytes("frame 0")))
	synctest.Wait()
	for name, sent := range seen {
		p.Is(name, sent)
	}

	a.advertise(1, link.DefaultBaseHandle)
	s := newStranger(t, a.bench, a.bench.Add(), a.wallet.Status().Address)
	s.hear = func(pdu []byte) {
		if pdu[0] == opNotify {
			note(notified)(pdu)
		}
	}
	s.send(t, onATT(p.Bytes("ATT: Write Request to the CCCD")))
	peri, err := a.wallet.Accept(t.Context())
	a.ok(err)
	a.ok(peri.Send(t.Context(), p.Bytes("acknowledgement")))
	s.send(t, onATT(p.Bytes("ATT: Write Command with frame 0")))
	if v, err := peri.Receive(t.Context()); err != nil || !bytes.Equal(v, p.Bytes("frame 0")) {
		t.Errorf("received %x, %v", v, err)
	}
	synctest.Wait()
	p.Is(notified, seen[notified])

	for _, name := range p.Names() {
		if ours := strings.HasPrefix(name, "air: ") || strings.HasPrefix(name, "ATT: "); ours && seen[name] == nil {
			t.Errorf("%q was not sent", name)
		}
	}
	data, sound := serviceData(p.Bytes("air: advertisement"), a.till.names.service)
	if !sound || !bytes.Equal(data, p.Bytes("service data")) {
		t.Errorf("service data %x", data)
	}
}
