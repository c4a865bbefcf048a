package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/vipaso/vipasod/daemon/catalogue"
)

// healthEvery is how often a watched health is looked at without a change.
const healthEvery = 10 * time.Second

var errNoHealth = errors.New("no such health name")

// overdue is the share of the time between the making of the oldest unsettled
// money and its deadline, in per cent, after which somebody must see to it.
const overdue = 80

// health answers the gRPC health protocol by looking. Being offline is normal
// and never red; only a store without writes is, and money that nobody has
// handed in for too long.
type health struct {
	healthv1.UnimplementedHealthServer
	d        *Device
	services func() map[string]grpc.ServiceInfo
}

func newHealth(d *Device, s *grpc.Server) *health { return &health{d: d, services: s.GetServiceInfo} }

// Check returns how a part of the device is. The error's reason is NOT_FOUND
// for a name that there is not.
func (h *health) Check(ctx context.Context, req *healthv1.HealthCheckRequest) (*healthv1.HealthCheckResponse, error) {
	s, err := h.status(ctx, req.GetService())
	if err != nil {
		return nil, err
	}
	if s == healthv1.HealthCheckResponse_SERVICE_UNKNOWN {
		return nil, fmt.Errorf("%.64q: %w", req.GetService(), errNoHealth)
	}
	return &healthv1.HealthCheckResponse{Status: s}, nil
}

// List returns how every part is.
func (h *health) List(ctx context.Context, _ *healthv1.HealthListRequest) (*healthv1.HealthListResponse, error) {
	all := map[string]*healthv1.HealthCheckResponse{}
	names := []string{"", "radio", "store", "sync"}
	for name := range h.services() {
		names = append(names, name)
	}
	for _, name := range names {
		s, err := h.status(ctx, name)
		if err != nil {
			return nil, err
		}
		all[name] = &healthv1.HealthCheckResponse{Status: s}
	}
	return &healthv1.HealthListResponse{Statuses: all}, nil
}

// Watch returns how a part is, again whenever that differs.
func (h *health) Watch(req *healthv1.HealthCheckRequest, stream grpc.ServerStreamingServer[healthv1.HealthCheckResponse]) error {
	last := healthv1.HealthCheckResponse_ServingStatus(-1)
	for {
		changed := h.d.changed.wait()
		s, err := h.status(stream.Context(), req.GetService())
		if err != nil {
			return err
		}
		if s != last {
			if err := stream.Send(&healthv1.HealthCheckResponse{Status: s}); err != nil {
				return err
			}
			last = s
		}
		if err := waitFor(stream.Context(), changed, healthEvery); err != nil {
			return err
		}
	}
}

// status looks at one part.
func (h *health) status(ctx context.Context, name string) (healthv1.HealthCheckResponse_ServingStatus, error) {
	var ok bool
	var err error
	switch name {
	case "":
		ok, err = h.whole(ctx)
	case "radio":
		ok = h.d.radioUsable() == nil
	case "store":
		ok, err = h.stored(ctx)
	case "sync":
		if ok, err = h.inTime(ctx); ok {
			ok = !refusedBy(h.d.sync.State().Reason)
		}
	default:
		if _, known := h.services()[name]; !known {
			return healthv1.HealthCheckResponse_SERVICE_UNKNOWN, nil
		}
		if ok, err = h.whole(ctx); name == h.d.otherService() {
			ok = false
		}
	}
	if ctx.Err() != nil {
		return healthv1.HealthCheckResponse_UNKNOWN, ctx.Err()
	}
	if !ok || err != nil { // a store that cannot be asked is no store
		return healthv1.HealthCheckResponse_NOT_SERVING, nil
	}
	return healthv1.HealthCheckResponse_SERVING, nil
}

// whole reports whether payments are safe here.
func (h *health) whole(ctx context.Context) (bool, error) {
	ok, err := h.stored(ctx)
	if !ok || err != nil {
		return false, err
	}
	return h.inTime(ctx)
}

// stored reports whether the store takes writes.
func (h *health) stored(ctx context.Context) (bool, error) {
	s, err := h.d.store.Stats(ctx)
	return s.Writable, err
}

// inTime reports whether no money is in danger of missing its deadline.
func (h *health) inTime(ctx context.Context) (bool, error) {
	_, oldest, deadline, err := h.d.store.Unsettled(ctx)
	return !lateAt(oldest, deadline, h.d.now()), err
}

// lateAt reports whether money made at one time, with a deadline, ought to
// have been handed in at now.
func lateAt(made, deadline, now time.Time) bool {
	if made.IsZero() || deadline.IsZero() {
		return false
	}
	return now.Sub(made) > deadline.Sub(made)/100*overdue
}

// refusedBy reports whether the last answer of the backend means that it will
// have nothing to do with this device.
func refusedBy(reason string) bool {
	switch reason {
	case "", catalogue.Offline, catalogue.Overloaded, catalogue.NotEnrolled, catalogue.Cancelled, catalogue.Deadline:
		return false
	}
	return true
}
