//go:build vm

package main_test

import (
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"github.com/vipaso/vipasod/ble/testbed"
)

// A kind is what a message on the air is, told by its order and its length:
// the content is encrypted.
type kind string

const (
	hello   kind = "hello"
	request kind = "request"
	voucher kind = "voucher"
	receipt kind = "receipt"
	other   kind = "other" // Pending, and outcomes of earlier payments
)

// longMin is less than any request or voucher has, which carry certificates,
// and more than a Pending or a receipt.
const longMin = 300

// A message is the begin of one on the air.
type message struct {
	kind   kind
	length int // of the whole, in bytes
}

// A wiretap follows what passes between a till, controller 0, and its customer
// on their last link.
type wiretap struct {
	mu     sync.Mutex
	before func(message)
	now    tapped
}

// watch has f called for each message from now on, while its first frame is
// on the air, which stands still meanwhile. Nil ends that.
func (w *wiretap) watch(f func(message)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before = f
}

// tapped is what a wiretap has seen since the last link.
type tapped struct {
	linked   time.Time
	requests int // of ATT, each of which waits for its response
	frames   int // of ours
	messages []message
}

// ATT opcodes of values, and the channel of ATT.
const (
	attWriteCommand = 0x52
	attNotify       = 0x1b
	attChannel      = 4
)

// trace is for testbed.Config.
func (w *wiretap) trace(p testbed.Passage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.What == testbed.Linked {
		w.now = tapped{linked: time.Now()}
	}
	const header = 4 // of L2CAP: length and channel
	if p.What != testbed.Passed || len(p.Data) <= header || binary.LittleEndian.Uint16(p.Data[2:]) != attChannel {
		return
	}
	switch pdu := p.Data[header:]; {
	case pdu[0] == attWriteCommand || pdu[0] == attNotify:
		w.frame(p.From == 0, pdu[3:])
	case pdu[0]%2 == 0:
		w.now.requests++
	}
}

// frame takes the value of one frame.
func (w *wiretap) frame(fromTill bool, value []byte) {
	w.now.frames++
	const start, ack = 1, 4
	if value[0]&start == 0 {
		return
	}
	at := 2
	if value[0]&ack != 0 {
		at++
	}
	m := message{other, int(binary.LittleEndian.Uint16(value[at:]))}
	switch n := len(w.now.messages); {
	case n < 2:
		m.kind = hello
	case fromTill && m.length >= longMin:
		m.kind = request
	case !fromTill && m.length >= longMin:
		m.kind = voucher
	case fromTill && slices.ContainsFunc(w.now.messages, func(m message) bool { return m.kind == voucher }):
		m.kind = receipt
	}
	w.now.messages = append(w.now.messages, m)
	if w.before != nil {
		w.before(m)
	}
}

// since returns what was seen since the last link.
func (w *wiretap) since() tapped {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := w.now
	seen.messages = slices.Clone(seen.messages)
	return seen
}
