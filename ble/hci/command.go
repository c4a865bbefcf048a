package hci

import (
	"fmt"
	"time"

	"github.com/go-ble/ble/linux/hci"
	"github.com/go-ble/ble/linux/hci/cmd"

	"github.com/vipaso/vipasod/ble/link"
)

const (
	// commandLimit is how long a controller may take to answer a command. The
	// limit of go-ble is 10 s, and there is none after it was reached once.
	commandLimit = 1500 * time.Millisecond
	// watchEvery is how often an idle controller is asked whether it is well.
	watchEvery = 500 * time.Millisecond
	// commandTries is how often a command is repeated that go-ble refuses
	// because of an earlier event that it did not like.
	commandTries = 5
	// commandPause is between them, for another event.
	commandPause = 20 * time.Millisecond
	// leakTicks is how many times in a row buffers may be missing although no
	// connection is there to have them.
	leakTicks = 10
)

// send makes the controller carry out c. If there is no answer, the radio
// fails.
func (r *Radio) send(c hci.Command, answer hci.CommandRP) error {
	return r.command(fmt.Sprintf("command %#04x", c.OpCode()), func() error { return r.dev.Send(c, answer) })
}

// command runs f, which sends a command through go-ble.
func (r *Radio) command(what string, f func() error) error {
	for try := 1; ; try++ {
		err := r.within(commandLimit, what, f)
		switch {
		case err == nil || refusedBy(err):
			return err
		case r.Err() != nil:
			return r.Err()
		case try == commandTries:
			err = adapterError(err)
			r.fail(err)
			return err
		}
		<-time.After(commandPause)
	}
}

// within runs f, which may hang in go-ble, for no longer than limit.
func (r *Radio) within(limit time.Duration, what string, f func() error) error {
	answer := make(chan error, 1)
	go func() { answer <- f() }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-answer:
		return err
	case <-timer.C:
		err := timedOut(what)
		r.fail(err)
		return err
	}
}

// watching fails the radio when its controller is gone or hangs, which the
// silence of everything else would not show.
func (r *Radio) watching() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for missing := 0; ; {
		select {
		case <-r.dev.Done():
			r.fail(&link.AdapterError{Reason: reasonMissing, Detail: fmt.Sprint("the adapter is gone: ", r.dev.Error())})
			return
		case <-r.done:
			return
		case <-tick.C:
			if r.send(&cmd.ReadBDADDR{}, nil) != nil {
				return
			}
			r.again()
			if missing++; !r.leaking() {
				missing = 0
			}
			if missing >= leakTicks {
				r.fail(&link.AdapterError{Reason: reasonDown, Detail: "buffers of the controller are lost"})
				return
			}
		}
	}
}

// again repeats the wishes that the controller has refused: a controller that
// cannot scan while it dials, or advertise beside a connection that a peer does
// not let go of, can later.
func (r *Radio) again() {
	r.air.Lock()
	hushed := r.hushed
	if r.deaf {
		r.enableScan(true)
	}
	r.air.Unlock()
	if hushed {
		r.show()
	}
}

// leaking reports whether buffers are in use although nobody can have them:
// go-ble loses one when it sends in the moment a connection ends.
func (r *Radio) leaking() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.guards) == 0 && r.tx.free() < r.tx.total
}
