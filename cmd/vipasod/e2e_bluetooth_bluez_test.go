//go:build vm

package main_test

import (
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/vipaso/vipasod/ble/testbed"
)

// A stranger is a computer with a Bluetooth stack that has nothing of ours:
// the kernel's, used by the tools of BlueZ, on an adapter of its own.
type stranger struct {
	k          *testbed.Kernel
	controller int
	w          *world
	gone       chan time.Time // when a link of its ended
}

// The service as vipasod is configured by default.
const (
	serviceUUID = "8f11af12-7361-4e72-a216-930647831153"
	statusUUID  = "dbf8882b-260d-49ce-897e-dbdbd5afef4f"
	writeUUID   = "13a7f011-f733-4540-9845-0f1a96707a1c"
	readUUID    = "bd6c820a-439b-4df1-81d0-c9669b4cb143"
)

// trace is for testbed.Config.
func (s *stranger) trace(p testbed.Passage) {
	if p.What == testbed.Left && p.From == s.controller {
		select {
		case s.gone <- time.Now():
		default:
		}
	}
}

// btmgmt runs BlueZ's tool for adapters. It is over when it has said what is
// waited for, or ends.
func (s *stranger) btmgmt(t *testing.T, said string, args ...string) string {
	t.Helper()
	args = append([]string{"--index", strings.TrimPrefix(s.k.Names[s.controller], "hci")}, args...)
	p, _ := s.tool(t, "btmgmt", args...)
	defer p.kill()
	return p.await(t, said, func(l string) bool { return strings.Contains(l, said) }).text
}

// aborted is what the kernel says of a connection that is asked for before it
// has put away the one that has just ended. The next one is made.
const aborted = "Software caused connection abort"

// gatttool does one thing with BlueZ's GATT client.
func (s *stranger) gatttool(t *testing.T, victim string, args ...string) (out string, code int) {
	t.Helper()
	args = append([]string{"-i", s.k.Names[s.controller], "-b", victim, "-t", "random"}, args...)
	for range 10 {
		p, _ := s.tool(t, "gatttool", args...)
		code = p.exit(t)
		if out = p.out.text() + p.err.text(); !strings.Contains(out, aborted) {
			break
		}
	}
	return out, code
}

// connect starts BlueZ's GATT client, which then does what it is written.
func (s *stranger) connect(t *testing.T, victim string) (*process, io.Writer) {
	t.Helper()
	for {
		p, in := s.tool(t, "gatttool", "-i", s.k.Names[s.controller], "-b", victim, "-t", "random", "-I")
		say(t, in, "connect")
		answer := p.await(t, "a connection", func(l string) bool {
			return strings.Contains(l, "Connection successful") || strings.Contains(l, aborted)
		})
		if !strings.Contains(answer.text, aborted) {
			hurry(t, p)
			return p, in
		}
		p.kill()
	}
}

func (s *stranger) tool(t *testing.T, name string, args ...string) (*process, io.Writer) {
	t.Helper()
	cmd := exec.Command(name, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := spawn(t, "stranger: "+name+" "+strings.Join(args, " "), cmd)
	s.w.all = append(s.w.all, p)
	return p, in
}

// hurry lets a linked client run before all other programs from now on. Linux
// 6.1.192 stops a program with "list_del corruption" in hci_chan_del if it
// closes its socket after the kernel has forgotten the link that a peer has
// ended. Who runs first closes in time.
func hurry(t *testing.T, p *process) {
	t.Helper()
	const fifo = 1 // of sched(7)
	priority := int32(1)
	if _, _, err := syscall.Syscall(syscall.SYS_SCHED_SETSCHEDULER, uintptr(p.cmd.Process.Pid), fifo, uintptr(unsafe.Pointer(&priority))); err != 0 {
		t.Fatalf("%s before all others: %v", p.name, err)
	}
}

func say(t *testing.T, in io.Writer, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if _, err := io.WriteString(in, l+"\n"); err != nil {
			t.Fatal(err)
		}
	}
}

// finds returns the address at which BlueZ finds our service.
func (s *stranger) finds(t *testing.T) string {
	t.Helper()
	l := s.btmgmt(t, "dev_found", "find-service", "-l", "-u", serviceUUID)
	s.btmgmt(t, "iscovery", "stop-find", "-l") // stopped, or over already
	found := regexp.MustCompile(`dev_found: ([0-9A-F:]{17}) type LE Random`).FindStringSubmatch(l)
	if found == nil {
		t.Fatalf("BlueZ has found %q", l)
	}
	return found[1]
}

// advertised waits until a controller advertises, and returns its address.
func advertised(t *testing.T, k *testbed.Kernel, controller int) (address string) {
	t.Helper()
	eventually(t, patience, "an advertisement", func() (bool, string) {
		k.Do(func(air *testbed.Air) { address = air.Shown(controller) })
		return address != "", "silence"
	})
	return address
}

// TestVMBlueZ: a stack that is not ours reads our service as the protocol
// describes it, and then behaves badly. Customers pay right after.
func TestVMBlueZ(t *testing.T) {
	t.Parallel()
	z := &stranger{controller: 2, gone: make(chan time.Time, 1)}
	z.k = airwaves(t, 3, z.trace)
	s := newBluetoothShop(t, z.k, "ann")
	z.w = s.world
	ann := s.customers[0]
	ann.accepting(t)
	z.btmgmt(t, "powered", "power", "on")
	t.Run("reads", func(t *testing.T) { z.reads(t) })
	s.till.asks(t, "1.00")(t)
	soon := 0
	for _, v := range visits {
		t.Run(v.name, func(t *testing.T) {
			troubles := ann.troubles(t)
			v.does(t, z)
			asking := s.till.asks(t, "1.00")
			var left time.Time
			select {
			case left = <-z.gone:
			case <-time.After(patience):
				t.Fatal("the stranger is still linked")
			}
			asking(t)
			took := time.Since(left)
			said := ""
			eventually(t, patience, "a counter says "+v.counter, func() (bool, string) {
				said = troubles()
				return strings.Contains(said, v.counter), said
			})
			figure(t, "BlueZ "+v.name, "paid %s after it was gone; %s", milliseconds(took), said)
			if took <= 2*time.Second {
				soon++
			}
			if took > patience {
				t.Errorf("paid %s after the stranger was gone", took)
			}
			if !ann.daemon.running() || !s.till.daemon.running() {
				t.Error("a daemon is dead")
			}
		})
	}
	figure(t, "paid at most 2 s after BlueZ was gone", "%d of %d", soon, len(visits))
	ann.holds(t, "0.00", fmt.Sprintf("%d.00", 1+len(visits)), fmt.Sprintf("%d.00", 99-len(visits)))
}

// reads discovers the service, reads what can be read, and subscribes.
func (s *stranger) reads(t *testing.T) {
	victim := s.finds(t)
	if now := advertised(t, s.k, 1); now != victim {
		t.Errorf("BlueZ has found %s, the customer advertises %s", victim, now)
	}
	for _, look := range []struct {
		args []string
		want []string
	}{
		{[]string{"--primary"}, []string{`attr handle = 0x0010, end grp handle = 0xffff uuid: ` + serviceUUID}},
		{[]string{"--characteristics", "-s", "0x0010"}, []string{
			`char properties = 0x10, char value handle = 0x0012, uuid = ` + statusUUID,
			`char properties = 0x04, char value handle = 0x0015, uuid = ` + writeUUID,
			`char properties = 0x02, char value handle = 0x0017, uuid = ` + readUUID,
		}},
		{[]string{"--char-desc", "-s", "0x0010"}, []string{`handle = 0x0013, uuid = 00002902-`}},
		{[]string{"--char-read", "-a", "0x0017"}, []string{"descriptor: 01 01 "}}, // versions 1 to 1
		{[]string{"--char-read", "-u", readUUID}, []string{"handle: 0x0017", "value: 01 01 "}},
		{[]string{"--char-write-req", "-a", "0x0013", "-n", "0100"}, []string{"written successfully"}},
	} {
		out, code := s.gatttool(t, victim, look.args...)
		for _, want := range look.want {
			if code != 0 || !strings.Contains(out, want) {
				t.Errorf("gatttool %v: exit %d, without %q\n%s", look.args, code, want, out)
			}
		}
		s.leave(t, victim) // who stays too long without a subscription is cut off
	}
	figure(t, "BlueZ reads the service", "service, 3 characteristics, versions, subscription")
}

// leave ends the link at once. The kernel would keep it for a moment.
func (s *stranger) leave(t *testing.T, victim string) {
	t.Helper()
	s.btmgmt(t, "isconnect", "disconnect", "-t", "2", victim)
	select {
	case <-s.gone:
	case <-time.After(patience):
		t.Fatal("the stranger is still linked")
	}
}

// visits are what a stranger does. Each ends with its last link.
var visits = []struct {
	name    string
	counter string // what is refused, if anything is
	does    func(*testing.T, *stranger)
}{
	{"connects and is silent", "no subscription", func(t *testing.T, s *stranger) {
		s.connect(t, advertised(t, s.k, 1))
	}},
	{"subscribes and is silent", "handshake failed", func(t *testing.T, s *stranger) {
		p, in := s.connect(t, advertised(t, s.k, 1))
		subscribe(t, p, in)
	}},
	{"writes nonsense", "peer broke the protocol", func(t *testing.T, s *stranger) {
		p, in := s.connect(t, advertised(t, s.k, 1))
		subscribe(t, p, in)
		say(t, in, "char-write-cmd 0x0015 ffffffffffffffff", "char-write-cmd 0x0015 00")
	}},
	{"writes to wrong handles", "no subscription", func(t *testing.T, s *stranger) {
		p, in := s.connect(t, advertised(t, s.k, 1))
		handles := []string{"0x0001", "0x0003", "0x0012", "0x0015", "0x0017", "0x00ff", "0xffff"}
		for _, handle := range handles {
			say(t, in, "char-write-cmd "+handle+" 0102", "char-write-req "+handle+" 0102")
		}
		eventually(t, patience, "refusals", func() (bool, string) {
			out := p.out.text() + p.err.text()
			return strings.Count(out, "Write Request failed") == len(handles), out
		})
	}},
	{"writes what is too long", "malformed subscription", func(t *testing.T, s *stranger) {
		p, in := s.connect(t, advertised(t, s.k, 1))
		say(t, in, "mtu 247")
		p.await(t, "the MTU", func(l string) bool { return strings.Contains(l, "MTU was exchanged") })
		say(t, in, "char-write-req 0x0013 "+strings.Repeat("01", 240))
	}},
	{"connects and leaves 10 times", "", func(t *testing.T, s *stranger) {
		for range 10 {
			victim := advertised(t, s.k, 1)
			p, _ := s.connect(t, victim)
			p.kill()
			s.leave(t, victim)
		}
		victim := advertised(t, s.k, 1)
		p, _ := s.connect(t, victim)
		p.kill()
	}},
}

func subscribe(t *testing.T, p *process, in io.Writer) {
	t.Helper()
	say(t, in, "char-write-req 0x0013 0100")
	p.await(t, "a subscription", func(l string) bool { return strings.Contains(l, "written successfully") })
}
