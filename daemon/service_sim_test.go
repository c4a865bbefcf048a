package daemon

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	radiov1 "github.com/vipaso/vipasod/proto/vipaso/radio/v1"
	simv1 "github.com/vipaso/vipasod/proto/vipaso/sim/v1"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/syncer"
)

// weather is an air that says what it was told.
type weather struct {
	report  *radiov1.SimReport
	dropped int
	err     error
}

func (w *weather) Peers(context.Context) (*radiov1.SimReport, error) { return w.report, w.err }

func (w *weather) SetConditions(_ context.Context, loss *uint32, latency *time.Duration) (*radiov1.SimReport, error) {
	if loss != nil {
		w.report.LossPerMille = *loss
	}
	if latency != nil {
		w.report.LatencyMs = uint32(latency.Milliseconds())
	}
	return w.report, w.err
}

func (w *weather) DropLinks(context.Context) (*radiov1.SimReport, error) {
	w.dropped++
	return w.report, w.err
}

func simOf(t testing.TB, air Air) simv1.SimServiceClient {
	return simv1.NewSimServiceClient(newBench(t, asTill, func(o *Options, _ *papers) { o.Air = air }).serve(manager))
}

func TestSimPeers(t *testing.T) {
	client := simOf(t, &weather{report: &radiov1.SimReport{Peers: []*radiov1.SimPeer{
		{Name: "till", Address: "02", Scanning: true, Links: 2, Rssi: -40},
		{Name: "phone", Address: "03", Advertising: true, Rssi: -50},
		{Name: "phone", Address: "01"},
	}}})
	got, err := client.ListPeers(t.Context(), &simv1.ListPeersRequest{})
	must(t, err)
	wantMessage(t, "peers by name", got, &simv1.ListPeersResponse{Peers: []*simv1.Peer{
		{Name: "phone", Address: "01"},
		{Name: "phone", Address: "03", Advertising: true, Rssi: -50},
		{Name: "till", Address: "02", Scanning: true, Links: 2, Rssi: -40},
	}})
}

// What is not set stays as it is.
func TestSimConditions(t *testing.T) {
	client := simOf(t, &weather{report: &radiov1.SimReport{LossPerMille: 1, LatencyMs: 2}})
	loss, none := uint32(100), uint32(0)
	for _, tt := range []struct {
		set  *simv1.SetConditionsRequest
		want *simv1.SetConditionsResponse
	}{
		{&simv1.SetConditionsRequest{}, &simv1.SetConditionsResponse{LossPerMille: 1, Latency: durationpb.New(2 * time.Millisecond)}},
		{&simv1.SetConditionsRequest{LossPerMille: &loss}, &simv1.SetConditionsResponse{LossPerMille: 100, Latency: durationpb.New(2 * time.Millisecond)}},
		{&simv1.SetConditionsRequest{Latency: durationpb.New(time.Second)}, &simv1.SetConditionsResponse{LossPerMille: 100, Latency: durationpb.New(time.Second)}},
		{&simv1.SetConditionsRequest{LossPerMille: &none, Latency: durationpb.New(0)}, &simv1.SetConditionsResponse{Latency: durationpb.New(0)}},
	} {
		tt.set.RequestId = namedID(tt.set.String()).String()
		got, err := client.SetConditions(t.Context(), tt.set)
		must(t, err)
		wantMessage(t, tt.set.String(), got, tt.want)
	}
}

func TestSimDropLink(t *testing.T) {
	air := &weather{}
	_, err := simOf(t, air).DropLink(t.Context(), &simv1.DropLinkRequest{RequestId: namedID("drop").String()})
	if err != nil || air.dropped != 1 {
		t.Errorf("dropped %d times (%v)", air.dropped, err)
	}
}

func TestSimWithoutAnAir(t *testing.T) {
	for name, client := range map[string]simv1.SimServiceClient{
		"a real radio": simOf(t, nil), "an air that is away": simOf(t, &weather{err: &link.AdapterError{Reason: "ADAPTER_DOWN"}}),
	} {
		_, err := client.ListPeers(t.Context(), &simv1.ListPeersRequest{})
		wantStatus(t, name, err, codes.Unavailable, "ADAPTER_DOWN")
		_, err = client.SetConditions(t.Context(), &simv1.SetConditionsRequest{RequestId: namedID("set").String()})
		wantStatus(t, name, err, codes.Unavailable, "ADAPTER_DOWN")
		_, err = client.DropLink(t.Context(), &simv1.DropLinkRequest{RequestId: namedID("drop").String()})
		wantStatus(t, name, err, codes.Unavailable, "ADAPTER_DOWN")
	}
}

// SetOffline cuts this device's backend, and says so to those who watch.
func TestSimSetOffline(t *testing.T) {
	b := withHistory(t, asTill, payment.Provisional)
	client := simv1.NewSimServiceClient(b.serve(manager))
	for i, offline := range []bool{true, false, true} {
		changed := b.changed.wait()
		got, err := client.SetOffline(t.Context(), &simv1.SetOfflineRequest{RequestId: namedID(fmt.Sprint(i)).String(), Offline: offline})
		if err != nil || got.GetOffline() != offline {
			t.Errorf("offline %t: %v (%v)", offline, got, err)
		}
		<-changed
	}
	if s := b.sync.State(); s.Online || s.Reason != "OFFLINE" {
		t.Errorf("state %+v", s)
	}
	if _, err := b.sync.SyncNow(t.Context(), nil); !errors.Is(err, syncer.ErrOffline) {
		t.Errorf("cut off: %v", err)
	}
}
