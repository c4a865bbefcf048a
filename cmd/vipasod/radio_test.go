package main

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vipaso/vipasod/ble/link"
)

// used is a radio as it is seen from outside.
type used struct {
	done chan struct{}
	mu   sync.Mutex
	is   link.Status
}

func (u *used) Done() <-chan struct{} { return u.done }

func (u *used) Status() link.Status {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.is
}

func (u *used) set(s link.Status) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.is = s
}

// TestRecycle: a radio process ends when it is six hours old, but neither under
// a payment nor while others are near.
func TestRecycle(t *testing.T) {
	const minute = time.Minute
	for _, tt := range []struct {
		name   string
		use    func(r *used) // in a goroutine of its own
		cancel time.Duration // 0: never
		after  time.Duration
	}{
		{"idle", func(*used) {}, 0, recycleAge},
		{"a link at that time", func(r *used) {
			<-time.After(recycleAge - minute)
			r.set(link.Status{Up: true, Links: 1, LastPeer: time.Now()})
			<-time.After(10 * minute)
			r.set(link.Status{Up: true, LastPeer: time.Now().Add(-10 * minute)})
		}, 0, recycleAge + 9*minute},
		{"a link long before", func(r *used) {
			<-time.After(time.Hour)
			r.set(link.Status{Up: true, Links: 2, LastPeer: time.Now()})
			<-time.After(time.Hour)
			r.set(link.Status{Up: true, LastPeer: time.Now()})
		}, 0, recycleAge},
		{"somebody was near", func(r *used) {
			<-time.After(recycleAge - minute/2)
			r.set(link.Status{Up: true, LastPeer: time.Now()})
		}, 0, recycleAge + minute/2},
		{"somebody stays near", func(r *used) {
			for end := time.Now().Add(8 * time.Hour); time.Now().Before(end); <-time.After(minute / 2) {
				r.set(link.Status{Up: true, LastPeer: time.Now()})
			}
		}, 0, 8*time.Hour + minute/2},
		{"it fails", func(r *used) { <-time.After(time.Hour); close(r.done) }, 0, time.Hour},
		{"the process is stopped", func(*used) {}, 2 * time.Hour, 2 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				if tt.cancel > 0 {
					time.AfterFunc(tt.cancel, stop)
				}
				r := &used{done: make(chan struct{}), is: link.Status{Up: true}}
				begin := time.Now()
				go tt.use(r)
				awaitEnd(ctx, r, slog.New(slog.DiscardHandler))
				if d := time.Since(begin); d < tt.after || d > tt.after+2*recycleEvery {
					t.Errorf("ended after %s, want %s", d, tt.after)
				}
			})
		})
	}
}
