package link

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

func TestRingKeepsTheNewest(t *testing.T) {
	r := NewSightingRing()
	for i := range ringLen + 10 {
		r.Push(Sighting{RSSI: i})
	}
	for i := 10; i < ringLen+10; i++ {
		if s, err := r.Next(t.Context()); err != nil || s.RSSI != i {
			t.Fatalf("got %d, %v, want %d", s.RSSI, err, i)
		}
	}
	r.Push(Sighting{})
	r.Clear()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := r.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %+v, %v from an empty ring", s, err)
	}
}

// TestRingWakesAll lets several wait before anything is heard.
func TestRingWakesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewSightingRing()
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if _, err := r.Next(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		for i := range 5 {
			r.Push(Sighting{RSSI: i})
		}
		wg.Wait()
	})
}

func TestRingClose(t *testing.T) {
	r := NewSightingRing()
	errs := make(chan error)
	go func() {
		_, err := r.Next(context.Background())
		errs <- err
	}()
	r.Close()
	r.Close()
	if err := <-errs; !errors.Is(err, ErrClosed) {
		t.Errorf("waiting: %v", err)
	}
	if _, err := r.Next(context.Background()); !errors.Is(err, ErrClosed) {
		t.Errorf("afterwards: %v", err)
	}
}
