package testbed

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"
	"time"
)

// rig is an air with two controllers, and what their hosts were given.
type rig struct {
	*testing.T
	air *Air
	now time.Time
	got [2][][]byte
}

func newRig(t *testing.T, cfg Config) *rig {
	r := &rig{T: t, now: time.Unix(1_700_000_000, 0)}
	r.air = NewAir(cfg, r.now, func(c int, p []byte) { r.got[c] = append(r.got[c], p) })
	r.air.Add()
	r.air.Add()
	return r
}

func (r *rig) host(c int, packet string) {
	r.Helper()
	b, err := hex.DecodeString(packet)
	if err != nil {
		r.Fatal(err)
	}
	r.air.Packet(r.now, c, b)
}

func (r *rig) pass(d time.Duration) {
	r.now = r.now.Add(d)
	r.air.Advance(r.now)
}

// take returns what host c was given since, in hex.
func (r *rig) take(c int) []string {
	var list []string
	for _, p := range r.got[c] {
		list = append(list, hex.EncodeToString(p))
	}
	r.got[c] = nil
	return list
}

func (r *rig) gets(c int, want ...string) {
	r.Helper()
	if got := r.take(c); !slices.Equal(got, want) {
		r.Errorf("host %d got\n%q, want\n%q", c, got, want)
	}
}

// connect links controller 0 to controller 1, interval 15 ms, supervision 2 s.
func (r *rig) connect() {
	r.Helper()
	r.host(1, "010620"+"0f"+"a000a000000000000000000000"+"0700")
	r.host(1, "010a200101")
	r.host(0, "010d2019"+"6000300000"+"00"+"01000001aa00"+"00"+"0c000c000000c80000000000")
	r.pass(time.Second)
	if len(r.air.Handles(0)) != 1 || len(r.air.Handles(1)) != 1 {
		r.Fatalf("no link: %q %q", r.take(0), r.take(1))
	}
	r.take(0)
	r.take(1)
}

// TestTrace follows a link from its begin to its end.
func TestTrace(t *testing.T) {
	var seen []string
	r := newRig(t, Config{Group: 0x0102, Trace: func(p Passage) {
		seen = append(seen, fmt.Sprint(p.What, p.From, p.To, " ", hex.EncodeToString(p.Data)))
	}})
	if got := r.air.Address(1); got != "00:AA:01:01:02:01" {
		t.Errorf("address %s", got)
	}
	r.host(1, "010520"+"06"+"060504030241")
	r.host(1, "010620"+"0f"+"a000a0000001000000000000000700")
	if got := r.air.Shown(1); got != "" {
		t.Errorf("silent, and shows %s", got)
	}
	r.host(1, "010a200101")
	if got := r.air.Shown(1); got != "41:02:03:04:05:06" {
		t.Errorf("shows %s", got)
	}
	r.host(0, "010d2019"+"6000300000"+"01"+"060504030241"+"00"+"0c000c000000c80000000000")
	r.pass(time.Second)
	r.host(0, "02"+"4020"+"0700"+"03000400"+"0a0300")
	r.host(1, "010604"+"03"+"500013")
	want := []string{"1 0 1 ", "3 0 1 030004000a0300", "2 1 0 ", "2 0 1 "}
	if !slices.Equal(seen, want) {
		t.Errorf("saw %q, want %q", seen, want)
	}
}

func TestReset(t *testing.T) {
	r := newRig(t, Config{})
	r.host(0, "01030c00")
	r.host(0, "01091000")
	r.host(0, "01ff3f00")
	r.gets(0, "040e0401030c00", "040e0a01091000000000"+"01aa00", "040e0401ff3f01")
}

func TestScan(t *testing.T) {
	r := newRig(t, Config{})
	r.host(1, "010620"+"0f"+"a000a000000000000000000000"+"0700")
	r.host(1, "010820"+"20"+"03020106"+"00000000000000000000000000000000000000000000000000000000")
	r.host(1, "010a200101")
	r.host(0, "010b2007"+"00600060000000")
	r.host(0, "010c20020100")
	r.take(0)
	r.pass(250 * time.Millisecond)
	report := "043e0f" + "0201" + "0000" + "01000001aa00" + "03" + "020106" + "ce"
	r.gets(0, report, report)
	r.air.SetRange(0, 1, false)
	r.pass(time.Second)
	r.gets(0)
}

func TestLink(t *testing.T) {
	r := newRig(t, Config{})
	r.connect()
	r.host(0, "02"+"4020"+"0700"+"03000400"+"0a0300")
	r.gets(1, "02"+"5020"+"0700"+"03000400"+"0a0300")
	r.gets(0, "0413050140000100")
	r.host(0, "010604"+"03"+"400013")
	r.gets(0, "040f0400010604", "04050400400016")
	r.gets(1, "04050400500013")
	r.host(0, "02"+"4020"+"0100"+"00")
	r.gets(0) // dropped, and no buffer is given back
	if c := r.air.Counts(0); c.DeadHandle != 1 || c.Sent != 2 {
		t.Errorf("counts %+v", c)
	}
}

// TestPace lets a packet pass only at a connection event, cut to the length of
// air packets.
func TestPace(t *testing.T) {
	r := newRig(t, Config{Paced: true, PerEvent: 2})
	r.connect()
	long := hex.EncodeToString(bytes.Repeat([]byte{7}, 60))
	r.host(0, "02"+"4020"+"3c00"+long)
	r.host(0, "02"+"4020"+"0100"+"09")
	r.gets(1)
	r.pass(15 * time.Millisecond)
	r.gets(1, "0250201b00"+long[:54], "0250101b00"+long[:54], "0250100600"+long[:12])
	r.pass(15 * time.Millisecond)
	r.gets(1, "0250200100"+"09")
	r.gets(0, "0413050140000100", "0413050140000100")
}

func TestSupervision(t *testing.T) {
	r := newRig(t, Config{})
	r.connect()
	r.air.SetRange(0, 1, false)
	r.pass(time.Second)
	r.air.SetRange(0, 1, true)
	r.pass(5 * time.Second)
	r.gets(0)
	r.air.SetRange(0, 1, false)
	r.pass(2 * time.Second)
	r.gets(0, "04050400400008")
	r.gets(1, "04050400500008")
}

// TestPowerLoss: whoever is left finds out by the supervision timeout.
func TestPowerLoss(t *testing.T) {
	r := newRig(t, Config{})
	r.connect()
	r.host(1, "01030c00")
	r.take(1)
	r.gets(0)
	r.pass(2 * time.Second)
	r.gets(0, "04050400400008")
}

func TestCancel(t *testing.T) {
	r := newRig(t, Config{})
	r.host(0, "010e2000")
	r.gets(0, "040e04010e200c")
	r.host(0, "010d2019"+"6000300000"+"00"+"01000001aa00"+"00"+"0c000c000000c80000000000")
	r.host(0, "010e2000")
	r.gets(0, "040f0400010d20", "040e04010e2000", "043e130102"+"0000000000000000000000000000000000")
}
