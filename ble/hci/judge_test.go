package hci

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/vipaso/vipasod/ble/link"
)

// ours is the layout of our own server.
var ours = func() handles {
	h := handlesAt(link.DefaultBaseHandle)
	h.changed, h.services = 15, []uint16{1, 12, 16}
	return h
}()

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestFromCentral shows what a central may send to our server. The hostile rows
// have made go-ble panic, hang or grow.
func TestFromCentral(t *testing.T) {
	for _, tt := range []struct {
		name, pdu string
		act       act
		out       string // what goes on, if it is not the PDU itself
	}{
		{"a subscription", "12 1300 0100", pass, ""},
		{"its end", "12 1300 0000", pass, ""},
		{"indications of the GATT service", "12 0f00 0200", pass, ""},
		{"a value", "52 1500 aabbcc", value, "aabbcc"},
		{"an empty value", "52 1500", value, ""},
		{"a read", "0a 1700", pass, ""},
		{"an MTU", "02 6400", pass, ""},
		{"an MTU beyond ours is lowered", "02 0502", pass, "02 f700"},
		{"services", "10 0100 ffff 0028", pass, ""},
		{"services from the middle of one", "10 0200 ffff 0028", pass, "10 0c00 ffff 0028"},
		{"services behind the last", "10 1100 ffff 0028", answer, "01 10 1100 0a"},
		{"secondary services", "10 0100 ffff 0128", answer, "01 10 0100 0a"},
		{"a write to another value", "12 0300 41", answer, "01 12 0300 06"},
		{"a command to another value", "52 0300 41", drop, ""},
		{"a signed command", "d2 1500 000000000000000000000000", drop, ""},
		{"a confirmation of nothing", "1e", drop, ""},
		{"a response to nothing", "0b 00", drop, ""},
		{"several values at once", "0e 0300 0500", answer, "01 0e 0000 06"},
		{"a request of a later version", "20 0300 0500", answer, "01 20 0000 06"},
		{"hostile: nothing", "", refuse, ""},
		{"hostile: an empty subscription", "12 1300", refuse, ""},
		{"hostile: half a subscription", "12 1300 01", refuse, ""},
		{"hostile: half an indication", "12 0f00 02", refuse, ""},
		{"hostile: both notify and indicate", "12 1300 0300", refuse, ""},
		{"hostile: execute without prepare", "18 01", refuse, ""},
		{"hostile: prepare, 1 byte", "16", refuse, ""},
		{"hostile: prepare, 3 bytes", "16 1500", refuse, ""},
		{"hostile: prepare in full", "16 1500 0000 41", refuse, ""},
		{"hostile: half an MTU", "02 01", refuse, ""},
		{"hostile: an MTU of 0", "02 0000", refuse, ""},
		{"hostile: half a read", "0a 17", refuse, ""},
		{"hostile: half a listing", "10 1100", refuse, ""},
		{"hostile: a listing backwards", "10 0500 0100 0028", refuse, ""},
		{"hostile: half a write", "52 15", refuse, ""},
		{"hostile: a value that is too long", "52 1500" + strings.Repeat("00", 513), refuse, ""},
	} {
		j := judge{role: peripheral, handles: ours, mtu: 247}
		in := unhex(t, tt.pdu)
		want := tt.out
		if want == "" && tt.act == pass {
			want = tt.pdu
		}
		got := j.take(in)
		if got.act != tt.act || hex.EncodeToString(got.pdu) != strings.ReplaceAll(want, " ", "") || (got.what != "") != (got.act == refuse) {
			t.Errorf("%s: %+v (%x)", tt.name, got, got.pdu)
		}
	}
}

// TestFromPeripheral shows what a server may send to our client after a
// request.
func TestFromPeripheral(t *testing.T) {
	for _, tt := range []struct {
		name, request, pdu string
		act                act
		out                string
	}{
		{"a value", "", "1b 1200 aabb", value, "aabb"},
		{"another notification", "", "1b 2200 aabb", drop, ""},
		{"an indication", "", "1d 1200 aabb", drop, ""},
		{"an MTU", "02 f700", "03 0302", pass, ""},
		{"an error", "12 1300 0100", "01 12 1300 0a", pass, ""},
		{"the end of a write", "12 1300 0100", "13", pass, ""},
		{"services", "10 0100 ffff 0028", "11 06 0100 0b00 0018 0c00 0f00 0118", pass, ""},
		{"the last service", "10 1000 ffff 0028", "11 14 1000 ffff 000102030405060708090a0b0c0d0e0f", pass, ""},
		{"characteristics", "08 1000 ffff 0328", "09 15 1100 10 1200 000102030405060708090a0b0c0d0e0f", pass, ""},
		{"descriptors", "04 1300 1300", "05 01 1300 0229", pass, ""},
		{"a request", "", "0a 0300", answer, "01 0a 0000 06"},
		{"an MTU request", "", "02 f700", answer, "01 02 0000 06"},
		{"hostile: nothing", "02 f700", "", refuse, ""},
		{"hostile: half a notification", "", "1b", refuse, ""},
		{"hostile: almost a notification", "", "1b 12", refuse, ""},
		{"hostile: half an MTU request", "", "02 01", refuse, ""},
		{"hostile: a response to nothing", "", "13", refuse, ""},
		{"hostile: a response to something else", "12 1300 0100", "0b 00", refuse, ""},
		{"hostile: an error of something else", "12 1300 0100", "01 0a 1300 0a", refuse, ""},
		{"hostile: half an error", "12 1300 0100", "01 12", refuse, ""},
		{"hostile: an MTU of 3", "02 f700", "03 0300", refuse, ""},
		{"hostile: items of no length", "10 0100 ffff 0028", "11 00 0100 0b00", refuse, ""},
		{"hostile: items of 1 byte", "10 0100 ffff 0028", "11 01 0100 0b00", refuse, ""},
		{"hostile: characteristics of no length", "08 1000 ffff 0328", "09 00 1100 1012 00", refuse, ""},
		{"hostile: half an item", "10 0100 ffff 0028", "11 06 0100 0b00 0018 0c00", refuse, ""},
		{"hostile: the same services again", "10 0c00 ffff 0028", "11 06 0100 0b00 0018", refuse, ""},
		{"hostile: a service that ends before it begins", "10 0100 ffff 0028", "11 06 0500 0100 0018", refuse, ""},
		{"hostile: the same characteristic again", "08 1300 ffff 0328", "09 07 1100 10 1200 0018", refuse, ""},
		{"hostile: a value before its characteristic", "08 1000 ffff 0328", "09 07 1100 10 1000 0018", refuse, ""},
		{"hostile: the same descriptor again", "04 1400 ffff", "05 01 1300 0229", refuse, ""},
		{"hostile: descriptors of no known format", "04 1300 1300", "05 03 1300 0229", refuse, ""},
	} {
		j := judge{role: central, handles: handlesAt(16), mtu: 247}
		j.sent(unhex(t, tt.request))
		want := tt.out
		if tt.act == pass {
			want = tt.pdu
		}
		got := j.take(unhex(t, tt.pdu))
		if got.act != tt.act || hex.EncodeToString(got.pdu) != strings.ReplaceAll(want, " ", "") {
			t.Errorf("%s: %+v (%x)", tt.name, got, got.pdu)
		}
	}
}

// TestSecondResponse: one request has one response.
func TestSecondResponse(t *testing.T) {
	j := judge{role: central, mtu: 247}
	j.sent(unhex(t, "12 1300 0100"))
	j.sent(unhex(t, "52 1500 00")) // no request
	if v := j.take([]byte{opWriteResponse}); v.act != pass {
		t.Errorf("first: %+v", v)
	}
	if v := j.take([]byte{opWriteResponse}); v.act != refuse {
		t.Errorf("second: %+v", v)
	}
}

func FuzzJudge(f *testing.F) {
	f.Add(false, []byte{0x12, 0x13, 0, 1, 0}, []byte{})
	f.Add(true, []byte{0x11, 6, 1, 0, 11, 0, 0, 0x18}, []byte{0x10, 1, 0, 0xff, 0xff, 0, 0x28})
	f.Fuzz(func(t *testing.T, dialled bool, pdu, request []byte) {
		j := judge{role: peripheral, handles: ours, mtu: 247}
		if dialled {
			j = judge{role: central, handles: handlesAt(16), mtu: 247}
		}
		j.sent(request)
		v := j.take(pdu)
		if v.act == pass && len(v.pdu) == 0 || v.act == refuse && v.what == "" || len(v.pdu) > max(len(pdu), 5) {
			t.Errorf("%x after %x: %+v", pdu, request, v)
		}
	})
}

func TestServiceData(t *testing.T) {
	service := []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	good := advertisement(service, []byte("0123456789"))
	if len(good) != 31 {
		t.Errorf("advertisement of %d bytes", len(good))
	}
	for _, tt := range []struct {
		name  string
		adv   []byte
		want  string
		sound bool
	}{
		{"ours", good, "0123456789", true},
		{"the scan response", scanResponse(service), "", true},
		{"nothing", nil, "", true},
		{"padding", unhex(t, "0201 06 0000"), "", true},
		{"another's name, list and data", unhex(t, "0409 616263 0503 0f18 0a18 0516 0f18 64 00"), "", true},
		{"hostile: a field of 255 bytes", unhex(t, "0201 06 ff21"), "", false},
		{"hostile: a field of no length", unhex(t, "00 0201 06"), "", false},
		{"hostile: a field beyond the end", good[:30], "", false},
		{"hostile: service data shorter than its UUID", unhex(t, "0321 0102"), "", false},
		{"hostile: UUIDs of 3 bytes", unhex(t, "0403 010203"), "", false},
		{"hostile: flags of 2 bytes", unhex(t, "0301 0606"), "", false},
	} {
		if got, sound := serviceData(tt.adv, service); string(got) != tt.want || sound != tt.sound {
			t.Errorf("%s: %x, %v", tt.name, got, sound)
		}
	}
}

func FuzzServiceData(f *testing.F) {
	service := []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	f.Add(advertisement(service, []byte("0123456789")))
	f.Add([]byte{0xff, 0x21})
	f.Fuzz(func(t *testing.T, adv []byte) {
		data, sound := serviceData(adv, service)
		if data != nil && (!sound || len(data)+len(service)+2 > len(adv)) {
			t.Errorf("%x in %x, %v", data, adv, sound)
		}
	})
}
