package daemon

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/store"
)

// A locked device that cannot hand in what it has tries once a minute, and not
// as fast as a backend that is busy can say so.
func TestUnlockTriesOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		tries := 0
		o := &office{t: t, refuses: func() error {
			if tries++; tries == 20 {
				stop()
			}
			s, err := status.New(codes.Unavailable, "busy").WithDetails(
				&errdetails.ErrorInfo{Domain: errorDomain, Reason: "OVERLOADED"},
				&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)},
			)
			must(t, err)
			return s.Err()
		}}
		b := o.at(asTill, payment.Provisional)
		id := b.self.Load().Identity
		id.Locked = true
		b.mu.Lock()
		must(t, b.become(ctx, id, &store.Change{}))
		b.mu.Unlock()
		if _, err := b.sync.SyncNow(ctx, nil); err == nil || !b.sync.Online() {
			t.Fatalf("handed in: %v", err)
		}
		done := make(chan error, 1)
		go func() { done <- b.unlock(ctx) }()
		select {
		case <-time.After(2*unlockEvery + unlockEvery/2):
		case <-ctx.Done():
		}
		stop()
		<-done
		b.SetOffline(true) // which closes the connection
		if tries != 1+3 {
			t.Errorf("tried %d times", tries-1)
		}
	})
}
