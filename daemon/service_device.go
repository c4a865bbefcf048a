package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/ble/link"
)

const (
	scanFor = 5 * time.Second // how long ScanRadio listens if it is not told
	scanMax = 1000            // addresses that one scan tells of
)

// deviceService is vipaso.device.v1: what operators and user interfaces of
// either role ask of the daemon itself.
type deviceService struct {
	devicev1.UnimplementedDeviceServiceServer
	d       *Device
	level   *logLevel
	copying sync.Mutex // one copy of the store at a time
}

func newDeviceService(d *Device) devicev1.DeviceServiceServer {
	return &deviceService{d: d, level: newLogLevel(d.opt.LogLevel)}
}

// WatchAuthenticationState implements devicev1.DeviceServiceServer.
func (s *deviceService) WatchAuthenticationState(_ *devicev1.WatchAuthenticationStateRequest, stream grpc.ServerStreamingServer[devicev1.WatchAuthenticationStateResponse]) error {
	return s.d.watchIdentity(stream.Context(), func(id *devicev1.Identity) error {
		return stream.Send(&devicev1.WatchAuthenticationStateResponse{Identity: id})
	})
}

// GetStatus implements devicev1.DeviceServiceServer.
func (s *deviceService) GetStatus(ctx context.Context, _ *devicev1.GetStatusRequest) (*devicev1.GetStatusResponse, error) {
	st, err := s.d.status(ctx)
	if err != nil {
		return nil, err
	}
	return &devicev1.GetStatusResponse{Status: st}, nil
}

// WatchStatus implements devicev1.DeviceServiceServer.
func (s *deviceService) WatchStatus(_ *devicev1.WatchStatusRequest, stream grpc.ServerStreamingServer[devicev1.WatchStatusResponse]) error {
	return s.d.watchStatus(stream.Context(), func(st *devicev1.Status) error {
		return stream.Send(&devicev1.WatchStatusResponse{Status: st})
	})
}

// Diagnose implements devicev1.DeviceServiceServer.
func (s *deviceService) Diagnose(ctx context.Context, _ *devicev1.DiagnoseRequest) (*devicev1.DiagnoseResponse, error) {
	return &devicev1.DiagnoseResponse{Checks: s.d.diagnose(ctx)}, nil
}

// WatchEvents implements devicev1.DeviceServiceServer. The headers say that
// the watch has begun, however long the first event takes.
func (s *deviceService) WatchEvents(req *devicev1.WatchEventsRequest, stream grpc.ServerStreamingServer[devicev1.WatchEventsResponse]) error {
	if err := stream.SendHeader(metadata.MD{}); err != nil {
		return err
	}
	return s.d.hub.watch(stream.Context(), req.GetAfterSequence(), func(e *paymentv1.Event) error {
		return stream.Send(&devicev1.WatchEventsResponse{Event: e})
	})
}

// SyncNow implements devicev1.DeviceServiceServer.
func (s *deviceService) SyncNow(ctx context.Context, _ *devicev1.SyncNowRequest) (*devicev1.SyncNowResponse, error) {
	resp := &devicev1.SyncNowResponse{}
	summary, err := s.d.syncNow(ctx, func(v *paymentv1.SyncVerdict) { resp.Verdicts = append(resp.Verdicts, v) })
	if err != nil {
		return nil, err
	}
	resp.Summary = summary
	return resp, nil
}

// logLevels are the levels by their names in the API.
var logLevels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

// SetLogLevel implements devicev1.DeviceServiceServer. The same call again
// neither undoes a later one nor begins its time anew.
func (s *deviceService) SetLogLevel(ctx context.Context, req *devicev1.SetLogLevelRequest) (*devicev1.SetLogLevelResponse, error) {
	level, ok := logLevels[req.GetLevel()]
	if !ok {
		return nil, fmt.Errorf("log level %q", req.GetLevel())
	}
	call, err := newCall(methodLogLevel, req)
	if err != nil {
		return nil, err
	}
	if err := s.d.once(ctx, call, func() error {
		s.level.set(level, req.GetFor().AsDuration())
		s.d.log.Warn("log level", "level", req.GetLevel(), "for", req.GetFor().AsDuration())
		return nil
	}); err != nil {
		return nil, err
	}
	return &devicev1.SetLogLevelResponse{Level: s.level.name()}, nil
}

// Allow implements devicev1.DeviceServiceServer.
func (s *deviceService) Allow(ctx context.Context, req *devicev1.AllowRequest) (*devicev1.AllowResponse, error) {
	call, err := newCall(methodAllow, req)
	if err != nil {
		return nil, err
	}
	a, err := s.d.allow(ctx, call, callerOf(ctx).name(), req)
	if err != nil {
		return nil, err
	}
	return &devicev1.AllowResponse{Allowance: allowanceProto(a)}, nil
}

// EndAllowance implements devicev1.DeviceServiceServer.
func (s *deviceService) EndAllowance(ctx context.Context, req *devicev1.EndAllowanceRequest) (*devicev1.EndAllowanceResponse, error) {
	call, err := newCall(methodEndAllowance, req)
	if err != nil {
		return nil, err
	}
	if err := s.d.endAllowance(ctx, call, callerOf(ctx).name(), kindOf(req.GetKind())); err != nil {
		return nil, err
	}
	return &devicev1.EndAllowanceResponse{}, nil
}

// ScanRadio implements devicev1.DeviceServiceServer. Each address is told
// once. A till that looks for customers meanwhile is not disturbed.
func (s *deviceService) ScanRadio(req *devicev1.ScanRadioRequest, stream grpc.ServerStreamingServer[devicev1.ScanRadioResponse]) error {
	during := scanFor
	if req.GetFor() != nil {
		during = req.GetFor().AsDuration()
	}
	return s.d.lookAround(stream.Context(), during, func(seen *devicev1.ScanRadioResponse) error { return stream.Send(seen) })
}

// lookAround calls send with every device that is heard for a while, once
// each. The error wraps link.ErrAdapter if nothing can be heard.
func (d *Device) lookAround(ctx context.Context, during time.Duration, send func(*devicev1.ScanRadioResponse) error) error {
	if err := d.radioUsable(); err != nil {
		return err
	}
	ear, err := d.ears.open(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err := d.ears.close(ctx, ear); err != nil {
			d.log.Warn("scan not stopped", "error", err)
		}
	}()
	until, cancel := context.WithTimeout(ctx, during)
	defer cancel()
	told := make(map[string]bool)
	for {
		seen, err := ear.next(until)
		if err != nil {
			// The end of the time is the end of the scan; a radio that was
			// lost meanwhile is told, since silence would mean nobody is there.
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return d.radioUsable()
		}
		b, err := link.DecodeBeacon(seen.ServiceData)
		if err != nil || told[seen.Address] || len(told) == scanMax {
			continue
		}
		told[seen.Address] = true
		if err := send(&devicev1.ScanRadioResponse{
			Address: seen.Address, Rssi: int32(seen.RSSI), Version: uint32(b.Version), Resume: b.Resume,
		}); err != nil {
			return err
		}
	}
}
