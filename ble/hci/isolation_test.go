//go:build !race

package hci

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/radio"
	"github.com/vipaso/vipasod/ble/testbed"
)

const (
	// packetsEnv makes the test binary play a radio process, with a stranger
	// that sends these L2CAP packets, in hex, as soon as it can.
	packetsEnv = "HCI_TEST_PACKETS"
	// doneEnv names a file: the stranger is there only until it exists.
	doneEnv = "HCI_TEST_DONE"
)

func TestMain(m *testing.M) {
	if os.Getenv(packetsEnv) == "" {
		os.Exit(m.Run())
	}
	if err := playRadioProcess(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// playRadioProcess is what vipasod radio does, on a virtual controller.
func playRadioProcess() error {
	conn, err := radio.Inherited()
	if err != nil {
		return err
	}
	b := testbed.NewBench(testbed.Config{}, 1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r, err := open(ctx, testNames, "hci0", noAdapter, through(b.Host(0)))
	if err != nil {
		return err
	}
	go func() {
		<-r.Done()
		cancel()
	}()
	if _, err := os.Stat(os.Getenv(doneEnv)); errors.Is(err, os.ErrNotExist) {
		go func() {
			if err := strike(b, r); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}()
	}
	return errors.Join(radio.Serve(ctx, conn, r, nil), r.Err())
}

// strike lets the stranger connect and send its packets.
func strike(b *testbed.Bench, r *Radio) error {
	for r.Status().Address == r.public { // the client's wish is not fulfilled yet
		<-time.After(10 * time.Millisecond)
	}
	s, err := appear(b, b.Add(), r.Status().Address)
	if err != nil {
		return err
	}
	if err := os.WriteFile(os.Getenv(doneEnv), nil, 0o600); err != nil {
		return err
	}
	for !r.guarding() { // what comes before go-ble knows the link is not read by anybody
		<-time.After(10 * time.Millisecond)
	}
	for { // who is not bothered by it the first time gets it again
		for text := range strings.FieldsSeq(os.Getenv(packetsEnv)) {
			p, err := hex.DecodeString(text)
			if err != nil {
				return err
			}
			if _, err := b.Host(s.controller).Write(acl(s.handle, p)); err != nil {
				return err
			}
		}
		<-time.After(5 * time.Second)
	}
}

// guarding reports whether there is a link.
func (r *Radio) guarding() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.guards) > 0
}

// TestProcessWall sends what kills or hangs go-ble below ATT, where nothing
// outside it can help: the radio process ends, which is counted, and another
// one serves.
func TestProcessWall(t *testing.T) {
	for _, tt := range []struct {
		name    string
		packets []string
	}{
		{"P1 a fragment of 2 bytes", []string{"0100"}},
		{"P2 a signal of 1 byte", []string{"0100050001"}},
		{"P3 a signal beyond its packet", []string{"040005000601ffff"}},
		{"H3 an ATT PDU that is too long, and 40 more", append([]string{"04020400" + strings.Repeat("00", 200)}, repeated("030004000a1700", 40)...)},
		{"D8 60 fragments that are never continued", repeated("6400040001", 60)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, done := attacked(t, tt.packets)
			appears(t, "the stranger", func() bool { _, err := os.Stat(done); return err == nil })
			begin := time.Now()
			appears(t, "another radio process", func() bool { s := c.Status(); return s.Up && s.Restarts > 0 })
			t.Logf("service is back after %s", time.Since(begin).Round(time.Millisecond))
		})
	}
}

// attacked runs a radio process to which a stranger sends packets, and returns
// its client and the file that exists once the stranger is there.
func attacked(t *testing.T, packets []string) (c *radio.Client, done string) {
	t.Helper()
	done = filepath.Join(t.TempDir(), "done")
	p := &radio.Process{Command: func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), packetsEnv+"="+strings.Join(packets, " "), doneEnv+"="+done, "LOGXI=*=OFF")
		return cmd
	}}
	c = radio.NewClient(radio.Options{Dial: p.Dial})
	t.Cleanup(func() { c.Close() })
	ran := make(chan error, 1)
	go func() { ran <- c.Run(t.Context()) }()
	adv := link.Advertisement{On: true, ServiceData: link.Beacon{Version: 1, BaseHandle: link.DefaultBaseHandle}.Encode()}
	if err := c.Advertise(t.Context(), adv); err != nil {
		t.Fatal(err)
	}
	return c, done
}

// TestCountersCross: what the radio process refuses is counted where it is
// shown, and the process stays.
func TestCountersCross(t *testing.T) {
	t.Parallel()
	c, _ := attacked(t, []string{"020004001801"}) // P5
	appears(t, "the count", func() bool { return c.Status().Refused["prepared write"] == 1 })
	if s := c.Status(); s.Restarts != 0 || !s.Up {
		t.Errorf("status %+v", s)
	}
}

func repeated(packet string, n int) (all []string) {
	for range n {
		all = append(all, packet)
	}
	return all
}

// appears waits until look sees something.
func appears(t *testing.T, what string, look func() bool) {
	t.Helper()
	limit := time.After(time.Minute)
	for !look() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-limit:
			t.Fatalf("%s does not appear", what)
		}
	}
}
