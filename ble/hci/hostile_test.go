//go:build !race

package hci

import (
	"encoding/binary"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/testbed"
)

// attack is a till and a customer on virtual controllers, 0 and 1, and once
// there is one their link. Go-ble runs in a bubble of testing/synctest: waiting
// takes no time, and limits in time are exact.
type attack struct {
	*testing.T
	bench         *testbed.Bench
	till, wallet  *Radio
	central, peri link.Link
}

func newAttack(t *testing.T, cfg testbed.Config) *attack {
	b, radios := benchRadios(t, cfg, 2)
	// In a bubble an hour without an end passes at once.
	limit := time.AfterFunc(time.Hour, func() { panic("the test waits for what does not come") })
	t.Cleanup(func() { limit.Stop() })
	return &attack{T: t, bench: b, till: radios[0], wallet: radios[1]}
}

// each runs f for each case, in a bubble of its own.
func each[T any](t *testing.T, cases []T, name func(T) string, f func(*testing.T, T)) {
	for _, tt := range cases {
		t.Run(name(tt), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, tt) })
		})
	}
}

// advertise lets the customer advertise as n, its service at base.
func (a *attack) advertise(n byte, base uint16) {
	a.Helper()
	adv := link.Advertisement{On: true, ServiceData: link.Beacon{Version: 1, EID: link.EID{n}, BaseHandle: base}.Encode(), ReadValue: []byte("v")}
	a.ok(a.wallet.Advertise(a.Context(), adv))
}

// see returns the till's next sighting of whoever advertises as n.
func (a *attack) see(n byte) link.Sighting {
	a.Helper()
	a.ok(a.till.Scan(a.Context(), true))
	for {
		s, err := a.till.NextSighting(a.Context())
		a.ok(err)
		if b, err := link.DecodeBeacon(s.ServiceData); err == nil && b.EID == (link.EID{n}) {
			return s
		}
	}
}

// link makes a link, advertised as n.
func (a *attack) link(n byte) (c, p link.Link) {
	a.Helper()
	a.advertise(n, link.DefaultBaseHandle)
	c, err := a.till.Dial(a.Context(), a.see(n).Address, false)
	a.ok(err)
	p, err = a.wallet.Accept(a.Context())
	a.ok(err)
	return c, p
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

// counted checks what a radio has refused, by what was wrong with it.
func (a *attack) counted(r *Radio, want map[string]uint64) {
	a.Helper()
	if got := r.Status().Refused; !maps.Equal(got, want) {
		a.Errorf("%s has refused %v, want %v", r.adapter, got, want)
	}
}

// TestHostilePDU sends what makes go-ble panic or hang over HCI: the link ends,
// it is counted, and the same two radios link again at once.
func TestHostilePDU(t *testing.T) {
	type hostile struct {
		name       string
		controller int // the victim: 0 has dialled
		pdu        string
		times      int
		counter    string
	}
	each(t, []hostile{
		{"P4 write of an empty subscription", 1, "12 1300", 1, "malformed subscription"},
		{"P4 write of half a subscription", 1, "12 1300 01", 1, "malformed subscription"},
		{"P4 the one that every GATT service has", 1, "12 0f00", 1, "malformed subscription"},
		{"P5 execute without prepare", 1, "18 01", 1, "prepared write"},
		{"P6 prepare of 1 byte", 1, "16", 1, "prepared write"},
		{"P7 prepare of 3 bytes", 1, "16 1500", 1, "prepared write"},
		{"B7 subscription to both", 1, "12 1300 0300", 1, "malformed subscription"},
		{"B8 prepare in full", 1, "16 1500 0000 41", 1, "prepared write"},
		{"P10 empty PDU from a server", 0, "", 1, "empty PDU"},
		{"P11 half a notification", 0, "1b", 1, "malformed notification"},
		{"P11 almost a notification", 0, "1b 12", 1, "malformed notification"},
		{"H4 responses to nothing", 0, "13", 40, "response to nothing"},
		{"H9 half an MTU request from a server", 0, "02 01", 1, "malformed request"},
		{"empty PDU from a client", 1, "", 1, "empty PDU"},
	}, func(tt hostile) string { return tt.name }, func(t *testing.T, tt hostile) {
		a := newAttack(t, testbed.Config{})
		a.central, a.peri = a.link(7)
		victim, other := a.till, a.wallet
		if tt.controller == 1 {
			victim, other = a.wallet, a.till
		}
		begin := time.Now()
		a.inject(tt.controller, repeatedPDU(unhex(t, tt.pdu), tt.times)...)
		<-a.central.Done()
		<-a.peri.Done()
		a.counted(victim, map[string]uint64{tt.counter: 1})
		a.counted(other, map[string]uint64{})
		a.served(begin)
	})
}

func repeatedPDU(pdu []byte, times int) (all [][]byte) {
	for range times {
		all = append(all, onATT(pdu))
	}
	return all
}

// served checks that both radios are well and link again within 2 s.
func (a *attack) served(begin time.Time) {
	a.Helper()
	for _, r := range []*Radio{a.till, a.wallet} {
		a.ok(r.Err())
	}
	c, p := a.link(8)
	a.ok(c.Send(a.Context(), []byte("again")))
	if v, err := p.Receive(a.Context()); err != nil || string(v) != "again" {
		a.Errorf("%q, %v", v, err)
	}
	if d := time.Since(begin); d > 2*time.Second {
		a.Errorf("service is back after %s", d)
	}
	a.ok(c.Close("test"))
	<-p.Done()
}

// TestHarmless sends what has made go-ble hang, panic or freeze, and is taken
// without the end of the connection: it is valid, or the controller keeps it.
func TestHarmless(t *testing.T) { synctest.Test(t, testHarmless) }

func testHarmless(t *testing.T) {
	a := newAttack(t, testbed.Config{Paced: true})
	a.ok(a.till.Close())
	a.advertise(1, link.DefaultBaseHandle)
	s := newStranger(t, a.bench, a.bench.Add(), a.wallet.Status().Address)
	for range 60 {
		s.send(t, onATT(unhex(t, "0a 1700"))) // H5: valid reads, all at once
	}
	s.send(t, onATT(unhex(t, "10 1100 ffff 0028")))                 // P8: services from a characteristic on
	a.bench.Do(func(air *testbed.Air) { air.RequestEncryption(1) }) // H2
	for handle := range byte(24) {                                  // P9: every value, whole and from an offset on
		s.send(t, onATT([]byte{0x0a, handle, 0}), onATT([]byte{0x0c, handle, 0, 0, 0}))
		<-time.After(100 * time.Millisecond)
	}
	s.send(t, onATT(unhex(t, "12 1300 0100")))
	p, err := a.wallet.Accept(t.Context())
	a.ok(err)
	for i := range 50 {
		s.send(t, onATT(unhex(t, "0a 1700")), onATT([]byte{0x52, 0x15, 0, byte(i)}))
		a.ok(p.Send(t.Context(), make([]byte, 20)))
		if v, err := p.Receive(t.Context()); err != nil || len(v) != 1 || v[0] != byte(i) {
			t.Fatalf("value %d: %x, %v", i, v, err)
		}
	}
	a.counted(a.wallet, map[string]uint64{})
	if !s.linked() {
		t.Error("the connection has ended")
	}
}

// TestManyRequests pipelines more valid requests than there is room for (H5,
// B8): the connection ends, the adapter does not.
func TestManyRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttack(t, testbed.Config{Paced: true})
		a.central, a.peri = a.link(7)
		begin := time.Now()
		a.inject(1, repeatedPDU(unhex(t, "0a 1700"), 2*attMax)...)
		<-a.peri.Done()
		a.counted(a.wallet, map[string]uint64{"too many PDUs at once": 1})
		<-a.central.Done()
		a.served(begin)
	})
}

// TestIdleCentral holds the only place of a customer without subscribing: it
// is put out, and others are served.
func TestIdleCentral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttack(t, testbed.Config{})
		a.advertise(1, link.DefaultBaseHandle)
		begin := time.Now()
		newStranger(t, a.bench, a.bench.Add(), a.wallet.Status().Address)
		a.link(3)
		if d := time.Since(begin); d < subscribeLimit || d > subscribeLimit+time.Second {
			t.Errorf("served after %s", d)
		}
		a.counted(a.wallet, map[string]uint64{"no subscription": 1})
	})
}

// TestHostileAdvertisement floods a scanner with fields that go-ble's parser
// spins or panics on: they are counted, and who is honest is still heard.
func TestHostileAdvertisement(t *testing.T) {
	type hostile struct{ name, data, counter string }
	each(t, []hostile{
		{"H1 a field of 255 bytes", "ff21", "malformed advertisement"},
		{"H1 behind another field", "020106 ff21", "malformed advertisement"},
		{"P13 a searched field of 255 bytes", "ff07", "malformed advertisement"},
		{"P13 services of 3 bytes", "0403010203", "malformed advertisement"},
		{"P13 services of 15 bytes", "1007" + "000102030405060708090a0b0c0d0e", "malformed advertisement"},
		{"P13 service data shorter than its UUID", "03210102", "malformed advertisement"},
		{"P13 flags of 2 bytes", "03010606", "malformed advertisement"},
		{"a field without content at the end", "02ff", "malformed advertisement"},
		{"our service with too little", "1521" + "53118347 0693 16a2 724e 6173 12af118f" + "10010203", "malformed beacon"},
	}, func(tt hostile) string { return tt.name }, func(t *testing.T, tt hostile) {
		a := newAttack(t, testbed.Config{})
		a.ok(a.till.Scan(t.Context(), true))
		d := unhex(t, tt.data)
		report := append([]byte{4, 0x3e, byte(12 + len(d)), 2, 1, 0, 1, 1, 2, 3, 4, 5, 0xc6, byte(len(d))}, d...)
		a.bench.Do(func(air *testbed.Air) {
			for range 50 {
				air.Inject(0, append(report, 0xc0))
			}
		})
		a.link(9)
		a.counted(a.till, map[string]uint64{tt.counter: 50})
	})
}
