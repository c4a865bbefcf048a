package testbed

import (
	"io"
	"sync"
	"time"
)

// Bench is an Air that follows the clock, and may be used by several hosts at
// a time. Use NewBench.
type Bench struct {
	mu    sync.Mutex
	air   *Air
	hosts []*Host
	timer *time.Timer
	shut  bool
}

// NewBench returns a bench with n controllers.
func NewBench(cfg Config, n int) *Bench {
	b := &Bench{}
	b.air = NewAir(cfg, time.Now(), func(controller int, packet []byte) { b.hosts[controller].put(packet) })
	b.timer = time.AfterFunc(time.Hour, b.tick)
	for range n {
		b.Add()
	}
	return b
}

// Host returns what the host of a controller reads and writes.
func (b *Bench) Host(controller int) *Host {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.hosts[controller]
}

// Add adds a controller and returns its number.
func (b *Bench) Add() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hosts = append(b.hosts, newHost(b, b.air.Add()))
	return len(b.hosts) - 1
}

// Do changes or reads the air at the present time.
func (b *Bench) Do(f func(a *Air)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.air.Advance(time.Now())
	f(b.air)
	b.plan()
}

// Close stops the clock and the hosts.
func (b *Bench) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shut = true
	b.timer.Stop()
	for _, h := range b.hosts {
		h.close()
	}
}

// tick lets happen what is due.
func (b *Bench) tick() { b.Do(func(*Air) {}) }

// plan sets the timer for what comes next.
func (b *Bench) plan() {
	if next, ok := b.air.Next(); ok && !b.shut {
		b.timer.Reset(time.Until(next))
	}
}

// Host is the host's side of one controller: Write gives it a packet, Read
// returns its next one. Both keep packet boundaries.
type Host struct {
	bench *Bench
	id    int

	mu     sync.Mutex
	wake   *sync.Cond
	queue  [][]byte
	closed bool
}

func newHost(b *Bench, id int) *Host {
	h := &Host{bench: b, id: id}
	h.wake = sync.NewCond(&h.mu)
	return h
}

// Read implements io.Reader. It returns io.EOF once the host is closed.
func (h *Host) Read(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.queue) == 0 && !h.closed {
		h.wake.Wait()
	}
	if h.closed {
		return 0, io.EOF
	}
	n := copy(p, h.queue[0])
	h.queue = h.queue[1:]
	return n, nil
}

// Write implements io.Writer.
func (h *Host) Write(p []byte) (int, error) {
	h.mu.Lock()
	closed := h.closed
	h.mu.Unlock()
	if closed {
		return 0, io.ErrClosedPipe
	}
	b := h.bench
	b.mu.Lock()
	defer b.mu.Unlock()
	b.air.Packet(time.Now(), h.id, p)
	b.plan()
	return len(p), nil
}

// Close implements io.Closer: the host is gone, as when its program was killed.
// The controller goes on as it was.
func (h *Host) Close() error {
	h.close()
	return nil
}

func (h *Host) put(packet []byte) {
	h.mu.Lock()
	h.queue = append(h.queue, packet)
	h.mu.Unlock()
	h.wake.Signal()
}

func (h *Host) close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.wake.Broadcast()
}
