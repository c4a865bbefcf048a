package daemon

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"

	"github.com/vipaso/vipasod/daemon/catalogue"
	"github.com/vipaso/vipasod/syncer/outbox"
)

// messageMax is the largest message of a call, in bytes: a certificate file
// fits. grpc itself reads somewhat more, so that the answer can say why.
const messageMax = 128 << 10

// sealedMax is that of what another device sealed: a batch of payments fits.
const sealedMax = outbox.BatchBytes + messageMax

var errTooLarge = errors.New("message is too large")

// guard is what every call passes: who may make it, whether the device has the
// role for it, what its errors look like, and the log.
type guard struct {
	log *slog.Logger
	may func(ctx context.Context, method string) error
}

func (g guard) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	start := time.Now()
	resp, err := func() (resp any, err error) {
		defer recovered(&err)
		if err := g.may(ctx, info.FullMethod); err != nil {
			return nil, err
		}
		if err := bounded(req); err != nil {
			return nil, err
		}
		return next(ctx, req)
	}()
	return resp, g.done(ctx, info.FullMethod, start, err)
}

func (g guard) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	start := time.Now()
	err := func() (err error) {
		defer recovered(&err)
		if err := g.may(ss.Context(), info.FullMethod); err != nil {
			return err
		}
		return next(srv, boundedStream{ss})
	}()
	return g.done(ss.Context(), info.FullMethod, start, err)
}

// done makes err what the caller gets, and logs the call: at debug, and an
// error that the caller is not told at error, once, under its incident id.
func (g guard) done(ctx context.Context, method string, start time.Time, err error) error {
	if err == nil {
		g.log.DebugContext(ctx, "call", "method", method, "took", time.Since(start))
		return nil
	}
	if reason, _ := reasonOf(err); reason == catalogue.Internal && ctx.Err() != nil {
		err = ctx.Err() // whatever else went wrong followed from that
	}
	id := incident()
	out, hidden := toStatus(err, id)
	if hidden {
		g.log.ErrorContext(ctx, "call failed", "method", method, "incident", id, "error", err)
	}
	g.log.DebugContext(ctx, "call", "method", method, "took", time.Since(start), "error", err)
	return out
}

// recovered makes a panic of a call an error of that call.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
	}
}

// incident returns a short name for one failure.
func incident() string {
	var b [6]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// bounded refuses a message above its bound.
func bounded(m any) error {
	p, ok := m.(proto.Message)
	if !ok {
		return nil
	}
	most := messageMax
	if _, ok := m.(*devicev1.CarrySealedRequest); ok {
		most = sealedMax
	}
	if n := proto.Size(p); n > most {
		return fmt.Errorf("%d bytes of at most %d: %w", n, most, errTooLarge)
	}
	return nil
}

// boundedStream applies bounded to what comes in.
type boundedStream struct{ grpc.ServerStream }

func (s boundedStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	return bounded(m)
}
