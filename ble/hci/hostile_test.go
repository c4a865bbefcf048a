//go:build !race

package hci

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/testbed"
)

// attack is a link on virtual controllers: 0 has dialled 1.
type attack struct {
	*testing.T
	bench         *testbed.Bench
	till, wallet  *Radio
	central, peri link.Link
}

func newAttack(t *testing.T) *attack {
	b, radios := benchRadios(t, testbed.Config{}, 2)
	a := &attack{T: t, bench: b, till: radios[0], wallet: radios[1]}
	a.central, a.peri = a.link(7)
	return a
}

// link makes a link, advertised as n.
func (a *attack) link(n byte) (c, p link.Link) {
	a.Helper()
	ctx, cancel := context.WithTimeout(a.Context(), 10*time.Second)
	defer cancel()
	adv := link.Advertisement{On: true, ServiceData: link.Beacon{Version: 1, EID: link.EID{n}, BaseHandle: link.DefaultBaseHandle}.Encode()}
	a.ok(a.wallet.Advertise(ctx, adv))
	a.ok(a.till.Scan(ctx, true))
	for {
		s, err := a.till.NextSighting(ctx)
		a.ok(err)
		if string(s.ServiceData) != string(adv.ServiceData) {
			continue
		}
		c, err = a.till.Dial(ctx, s.Address, false)
		a.ok(err)
		p, err = a.wallet.Accept(ctx)
		a.ok(err)
		return c, p
	}
}

func (a *attack) ok(err error) {
	a.Helper()
	if err != nil {
		a.Fatal(err)
	}
}

// inject gives controller 0 or 1's host an L2CAP packet on its link.
func (a *attack) inject(controller int, packets ...[]byte) {
	a.Helper()
	a.bench.Do(func(air *testbed.Air) {
		handles := air.Handles(controller)
		if len(handles) == 0 {
			a.Errorf("controller %d has no link", controller)
			return
		}
		for _, p := range packets {
			air.Inject(controller, acl(handles[0], p))
		}
	})
}

// acl is the first fragment of an L2CAP packet.
func acl(handle uint16, data []byte) []byte {
	p := []byte{2}
	p = binary.LittleEndian.AppendUint16(p, handle|2<<12)
	p = binary.LittleEndian.AppendUint16(p, uint16(len(data)))
	return append(p, data...)
}

// onATT is an L2CAP packet with an ATT PDU.
func onATT(pdu []byte) []byte {
	return append([]byte{byte(len(pdu)), byte(len(pdu) >> 8), 4, 0}, pdu...)
}

// TestHostilePDU sends what makes go-ble panic or hang over HCI: the link ends,
// it is counted, and the same two radios link again at once.
func TestHostilePDU(t *testing.T) {
	for _, tt := range []struct {
		name       string
		controller int // the victim: 0 has dialled
		pdu        string
		times      int
	}{
		{"P4 write of an empty subscription", 1, "12 1300", 1},
		{"P5 execute without prepare", 1, "18 01", 1},
		{"P6 prepare of 1 byte", 1, "16", 1},
		{"P7 prepare of 3 bytes", 1, "16 1500", 1},
		{"B7 subscription to both", 1, "12 1300 0300", 1},
		{"P10 empty PDU from a server", 0, "", 1},
		{"P11 half a notification", 0, "1b", 1},
		{"P12 items of no length", 0, "11 00 0100 0b00", 1},
		{"H4 responses to nothing", 0, "13", 40},
		{"empty PDU from a client", 1, "", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAttack(t)
			victim, end := a.till, a.central
			if tt.controller == 1 {
				victim, end = a.wallet, a.peri
			}
			var all [][]byte
			for range tt.times {
				all = append(all, onATT(unhex(t, tt.pdu)))
			}
			begin := time.Now()
			a.inject(tt.controller, all...)
			select {
			case <-end.Done():
			case <-time.After(5 * time.Second):
				t.Fatal("the link does not end")
			}
			if len(victim.Refused()) != 1 {
				t.Errorf("counted %v", victim.Refused())
			}
			a.served(begin)
		})
	}
}

// served checks that both radios are well and link again within 2 s.
func (a *attack) served(begin time.Time) {
	a.Helper()
	for _, r := range []*Radio{a.till, a.wallet} {
		a.ok(r.Err())
	}
	for _, g := range []link.Link{a.central, a.peri} {
		select {
		case <-g.Done():
		case <-time.After(5 * time.Second):
			a.Fatal("a link stays")
		}
	}
	c, p := a.link(8)
	a.ok(c.Send(a.Context(), []byte("again")))
	if v, err := p.Receive(a.Context()); err != nil || string(v) != "again" {
		a.Errorf("%q, %v", v, err)
	}
	if d := time.Since(begin); d > 2*time.Second {
		a.Errorf("service is back after %s", d)
	}
}

// TestHarmless sends what has made go-ble hang, panic or freeze, and is taken
// without the end of the connection.
func TestHarmless(t *testing.T) {
	t.Parallel()
	b, radios := benchRadios(t, testbed.Config{Paced: true}, 1+1)
	wallet := radios[1]
	a := &attack{T: t, bench: b, till: radios[0], wallet: wallet}
	adv := link.Advertisement{On: true, ServiceData: link.Beacon{Version: 1, BaseHandle: link.DefaultBaseHandle}.Encode(), ReadValue: []byte("v")}
	a.ok(radios[0].Close())
	a.ok(wallet.Advertise(t.Context(), adv))
	s := newStranger(t, b, b.Add(), wallet.Status().Address)
	for range 60 {
		s.send(t, onATT(unhex(t, "0a 1700"))) // H5: valid reads, all at once
	}
	s.send(t, onATT(unhex(t, "10 1100 ffff 0028")))           // P8: services from a characteristic on
	b.Do(func(air *testbed.Air) { air.RequestEncryption(1) }) // H2
	s.send(t, onATT(unhex(t, "12 1300 0100")))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	p, err := wallet.Accept(ctx)
	a.ok(err)
	for i := range 50 {
		s.send(t, onATT(unhex(t, "0a 1700")), onATT([]byte{0x52, 0x15, 0, byte(i)}))
		a.ok(p.Send(ctx, make([]byte, 20)))
		if v, err := p.Receive(ctx); err != nil || len(v) != 1 || v[0] != byte(i) {
			t.Fatalf("value %d: %x, %v", i, v, err)
		}
	}
	if n := wallet.Refused(); len(n) != 0 || !s.linked() {
		t.Errorf("refused: %v", n)
	}
}

// TestIdleCentral holds the only place of a customer without subscribing: it
// is put out, and others are served.
func TestIdleCentral(t *testing.T) {
	t.Parallel()
	b, radios := benchRadios(t, testbed.Config{}, 2)
	a := &attack{T: t, bench: b, till: radios[0], wallet: radios[1]}
	adv := link.Advertisement{On: true, ServiceData: link.Beacon{Version: 1, BaseHandle: link.DefaultBaseHandle}.Encode()}
	a.ok(a.wallet.Advertise(t.Context(), adv))
	newStranger(t, b, b.Add(), a.wallet.Status().Address)
	a.link(3)
	if n := a.wallet.Refused()["no subscription"]; n != 1 {
		t.Errorf("counted %v", a.wallet.Refused())
	}
}

// TestHostileAdvertisement floods a scanner with fields that go-ble's parser
// spins or panics on (P13, H1).
func TestHostileAdvertisement(t *testing.T) {
	t.Parallel()
	b, radios := benchRadios(t, testbed.Config{}, 2)
	a := &attack{T: t, bench: b, till: radios[0], wallet: radios[1]}
	a.ok(a.till.Scan(t.Context(), true))
	for _, data := range []string{"ff21", "0403010203", "03210102", "03010606", "02ff", ""} {
		d := unhex(t, data)
		report := append([]byte{4, 0x3e, byte(12 + len(d)), 2, 1, 0, 1, 1, 2, 3, 4, 5, 0xc6, byte(len(d))}, d...)
		b.Do(func(air *testbed.Air) {
			for range 50 {
				air.Inject(0, append(report, 0xc0))
			}
		})
	}
	a.link(9)
}

// TestSendWhileEnding sends values to a link that ends meanwhile (H6, H7): no buffer of
// the controller is lost, so links after it can send.
func TestSendWhileEnding(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	for i := range 12 {
		c, p := a.central, a.peri
		sent := make(chan bool)
		go func() {
			defer close(sent)
			for p.Send(a.Context(), make([]byte, 100)) == nil {
			}
		}()
		for range 5 {
			if _, err := c.Receive(a.Context()); err != nil {
				t.Fatal(err)
			}
		}
		c.Close("test")
		<-sent
		<-p.Done()
		a.central, a.peri = a.link(byte(20 + i))
	}
	if free, total := a.wallet.tx.free(), a.wallet.tx.total; free < total-1 {
		t.Errorf("%d of %d buffers are left", free, total)
	}
}

// TestSilentController: the radio fails soon after its controller hangs (H8).
func TestSilentController(t *testing.T) {
	t.Parallel()
	b, radios := benchRadios(t, testbed.Config{}, 1)
	b.Do(func(air *testbed.Air) { air.Mute(0) })
	begin := time.Now()
	<-radios[0].Done()
	if d := time.Since(begin); d > 4*time.Second || reasonOf(radios[0].Err()) != reasonTimeout {
		t.Errorf("after %s: %v", d, radios[0].Err())
	}
}
