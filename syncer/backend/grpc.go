package backend

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"buf.build/go/protovalidate"
	validate "github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/protovalidate"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
)

// requestMax bounds a call: a hundred items of six small objects.
const requestMax = 1 << 20

// GRPC returns a gRPC server with both services and health on it, to be
// served on one port with the given server certificate.
func (s *Server) GRPC(certificate tls.Certificate) (*grpc.Server, error) {
	validator, err := protovalidate.New()
	if err != nil {
		return nil, fmt.Errorf("validator: %w", err)
	}
	g := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(s.TLSConfig(certificate))),
		grpc.MaxRecvMsgSize(requestMax),
		grpc.MaxConcurrentStreams(32),
		grpc.ConnectionTimeout(20*time.Second),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 20 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionIdle: 15 * time.Minute, Time: 2 * time.Minute, Timeout: 20 * time.Second,
		}),
		grpc.ChainUnaryInterceptor(
			s.silenced, translate, s.logged,
			recovery.UnaryServerInterceptor(recovery.WithRecoveryHandlerContext(s.recovered)),
			s.paced,
			validate.UnaryServerInterceptor(validator),
			s.Identify,
		),
	)
	backendv1.RegisterEnrollmentServiceServer(g, s)
	backendv1.RegisterSettlementServiceServer(g, s)
	h := health.NewServer()
	h.SetServingStatus("", healthv1.HealthCheckResponse_SERVING)
	healthv1.RegisterHealthServer(g, h)
	return g, nil
}

// silenced keeps every answer back once a commit has failed, until the
// connection is cut: whether a call did what it was asked is then unknown, and
// what others read may not last.
func (s *Server) silenced(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	resp, err := next(ctx, req)
	if s.store.isLost() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return resp, err
}

// logged logs each call once, with its reason if it failed.
func (s *Server) logged(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	start := s.now()
	resp, err := next(ctx, req)
	attrs := []slog.Attr{slog.String("method", info.FullMethod), slog.Duration("took", s.now().Sub(start))}
	switch {
	case err == nil:
		s.log.LogAttrs(ctx, slog.LevelDebug, "call answered", attrs...)
	case internal(err):
		s.log.LogAttrs(ctx, slog.LevelError, "call failed", append(attrs, slog.Any("error", err))...)
	default:
		s.log.LogAttrs(ctx, slog.LevelInfo, "call refused", append(attrs, slog.String("reason", Reason(err)), slog.Any("error", err))...)
	}
	return resp, err
}

func (s *Server) recovered(ctx context.Context, p any) error {
	s.log.ErrorContext(ctx, "panic in a call", "panic", p, "stack", string(debug.Stack()))
	return fmt.Errorf("panic: %v", p)
}

// paced is the interceptor that keeps more callers than the database can
// serve from queueing up here.
func (s *Server) paced(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	leave, wait := s.pace.enter()
	if leave == nil {
		return nil, overloaded{wait}
	}
	defer leave()
	return next(ctx, req)
}
