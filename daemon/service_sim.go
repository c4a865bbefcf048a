package daemon

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	radiov1 "github.com/vipaso/vipasod/proto/vipaso/radio/v1"
	simv1 "github.com/vipaso/vipasod/proto/vipaso/sim/v1"
)

// simService is vipaso.sim.v1: it makes trouble on purpose.
type simService struct {
	simv1.UnimplementedSimServiceServer
	d       *Device
	offline atomic.Bool // as it was last told
}

func newSimService(d *Device) simv1.SimServiceServer { return &simService{d: d} }

// air returns the simulated air. The error wraps errNoRadio with a real one.
func (s *simService) air() (Air, error) {
	if s.d.opt.Air == nil {
		return nil, fmt.Errorf("simulated air: %w", errNoRadio)
	}
	return s.d.opt.Air, nil
}

// ListPeers implements simv1.SimServiceServer.
func (s *simService) ListPeers(ctx context.Context, _ *simv1.ListPeersRequest) (*simv1.ListPeersResponse, error) {
	air, err := s.air()
	if err != nil {
		return nil, err
	}
	report, err := air.Peers(ctx)
	if err != nil {
		return nil, err
	}
	resp := &simv1.ListPeersResponse{}
	for _, p := range report.GetPeers() {
		resp.Peers = append(resp.Peers, &simv1.Peer{
			Name: p.GetName(), Address: p.GetAddress(), Advertising: p.GetAdvertising(),
			Scanning: p.GetScanning(), Links: p.GetLinks(), Rssi: p.GetRssi(),
		})
	}
	slices.SortFunc(resp.Peers, func(a, b *simv1.Peer) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Address, b.Address))
	})
	return resp, nil
}

// SetConditions implements simv1.SimServiceServer.
func (s *simService) SetConditions(ctx context.Context, req *simv1.SetConditionsRequest) (*simv1.SetConditionsResponse, error) {
	air, err := s.air()
	if err != nil {
		return nil, err
	}
	var latency *time.Duration
	if req.GetLatency() != nil {
		l := req.GetLatency().AsDuration()
		latency = &l
	}
	call, err := newCall(methodConditions, req)
	if err != nil {
		return nil, err
	}
	if err := s.d.once(ctx, call, func() error {
		_, err := air.SetConditions(ctx, req.LossPerMille, latency)
		return err
	}); err != nil {
		return nil, err
	}
	report, err := air.Peers(ctx)
	if err != nil {
		return nil, err
	}
	return &simv1.SetConditionsResponse{LossPerMille: report.GetLossPerMille(), Latency: latencyOf(report)}, nil
}

func latencyOf(r *radiov1.SimReport) *durationpb.Duration {
	return durationpb.New(time.Duration(r.GetLatencyMs()) * time.Millisecond)
}

// DropLink implements simv1.SimServiceServer.
func (s *simService) DropLink(ctx context.Context, req *simv1.DropLinkRequest) (*simv1.DropLinkResponse, error) {
	air, err := s.air()
	if err != nil {
		return nil, err
	}
	call, err := newCall(methodDropLink, req)
	if err != nil {
		return nil, err
	}
	if err := s.d.once(ctx, call, func() error {
		_, err := air.DropLinks(ctx)
		return err
	}); err != nil {
		return nil, err
	}
	return &simv1.DropLinkResponse{}, nil
}

// SetOffline implements simv1.SimServiceServer.
func (s *simService) SetOffline(ctx context.Context, req *simv1.SetOfflineRequest) (*simv1.SetOfflineResponse, error) {
	call, err := newCall(methodOffline, req)
	if err != nil {
		return nil, err
	}
	if err := s.d.once(ctx, call, func() error {
		s.offline.Store(req.GetOffline())
		s.d.sync.SetOffline(req.GetOffline())
		s.d.changed.fire()
		return nil
	}); err != nil {
		return nil, err
	}
	return &simv1.SetOfflineResponse{Offline: s.offline.Load()}, nil
}
