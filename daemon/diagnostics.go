package daemon

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/daemon/catalogue"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/store"
)

// bundleEvents is how many events, the newest ones, a diagnostics bundle has.
const bundleEvents = 5000

// CreateDiagnosticsBundle implements devicev1.DeviceServiceServer. What goes
// into the file is named field by field: what is added to a message later
// stays out until somebody decides otherwise.
func (s *deviceService) CreateDiagnosticsBundle(_ *devicev1.CreateDiagnosticsBundleRequest, stream grpc.ServerStreamingServer[devicev1.CreateDiagnosticsBundleResponse]) error {
	zip := gzip.NewWriter(chunks{func(b []byte) error {
		return stream.Send(&devicev1.CreateDiagnosticsBundleResponse{Chunk: b})
	}})
	file := tar.NewWriter(zip)
	if err := s.d.bundle(stream.Context(), file); err != nil {
		return err
	}
	return errors.Join(file.Close(), zip.Close())
}

// bundle writes every part of a diagnostics bundle.
func (d *Device) bundle(ctx context.Context, file *tar.Writer) error {
	for _, part := range []struct {
		name    string
		content func(context.Context) ([]byte, error)
	}{
		{"version.json", d.versionPart},
		{"status.json", d.statusPart},
		{"doctor.json", d.doctorPart},
		{"payments.json", d.statesPart},
		{"events.jsonl", d.eventsPart},
	} {
		b, err := part.content(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		if n := len(b); n > 0 && b[n-1] != '\n' {
			b = append(b, '\n')
		}
		if err := file.WriteHeader(&tar.Header{Name: part.name, Mode: 0o600, Size: int64(len(b)), ModTime: time.Now()}); err != nil {
			return err
		}
		if _, err := file.Write(b); err != nil {
			return err
		}
	}
	return nil
}

func (d *Device) versionPart(ctx context.Context) ([]byte, error) {
	stats, err := d.store.Stats(ctx)
	if err != nil {
		return nil, err
	}
	return json.MarshalIndent(map[string]any{
		"version": d.opt.Version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH,
		"schema": stats.SchemaVersion, "started": d.started.UTC(), "created": time.Now().UTC(),
	}, "", "  ")
}

// statusPart is the status without names, ids, places and amounts.
func (d *Device) statusPart(ctx context.Context) ([]byte, error) {
	st, err := d.status(ctx)
	if err != nil {
		return nil, err
	}
	r, b := st.Radio, st.Backend
	bare := &devicev1.Status{
		Version: st.Version, Role: st.Role, StartedAt: st.StartedAt, TrustedTime: st.TrustedTime,
		Identity: &devicev1.Identity{State: st.Identity.State, ValidUntil: st.Identity.ValidUntil},
		Radio: &devicev1.RadioStatus{
			Driver: r.Driver, Ready: r.Ready, Reason: r.Reason, Scanning: r.Scanning, Advertising: r.Advertising,
			Links: r.Links, LastPeer: r.LastPeer, Restarts: r.Restarts,
		},
		Backend: &devicev1.BackendStatus{
			Online: b.Online, Since: b.Since, LastAnswer: b.LastAnswer, NextTry: b.NextTry,
			LastError: d.sync.State().Reason, BundleEpoch: b.BundleEpoch, BundleTime: b.BundleTime,
		},
		Store: st.Store, OldestUnsynced: st.OldestUnsynced, UnsyncedDeadline: st.UnsyncedDeadline, Outbox: st.Outbox,
	}
	for _, u := range st.Unsynced {
		bare.Unsynced = append(bare.Unsynced, &devicev1.Unsynced{Currency: u.Currency, Count: u.Count})
	}
	return protojson.MarshalOptions{Multiline: true, UseProtoNames: true}.Marshal(bare)
}

// doctorPart is what the doctor found, without the details: they have names
// and amounts.
func (d *Device) doctorPart(ctx context.Context) ([]byte, error) {
	bare := &devicev1.DiagnoseResponse{}
	for _, c := range d.diagnose(ctx) {
		bare.Checks = append(bare.Checks, &devicev1.Check{Name: c.Name, Result: c.Result, Reason: known(c.Reason), NextStep: nextOf(c.Reason)})
	}
	return protojson.MarshalOptions{Multiline: true, UseProtoNames: true}.Marshal(bare)
}

// statesPart counts the payments by state.
func (d *Device) statesPart(ctx context.Context) ([]byte, error) {
	count := map[payment.State]int{}
	note := func(s payment.State) error {
		count[s]++
		return nil
	}
	var err error
	if d.business() {
		list := func(f store.Filter) ([]store.Sale, string, error) { return d.store.Sales(ctx, f) }
		err = backwards(false, list, func(v store.Sale) payment.State { return v.State }, note)
	} else {
		list := func(f store.Filter) ([]store.Attempt, string, error) { return d.store.Attempts(ctx, f) }
		err = backwards(false, list, func(v store.Attempt) payment.State { return v.State }, note)
	}
	if err != nil {
		return nil, err
	}
	return json.MarshalIndent(map[string]any{"states": count}, "", "  ")
}

// bundleEvent is what a diagnostics bundle says of an event.
type bundleEvent struct {
	Sequence uint64    `json:"sequence"`
	Time     time.Time `json:"time"`
	Type     string    `json:"type"`
	Payment  string    `json:"payment,omitempty"` // the last 8 hex digits
	Reason   string    `json:"reason,omitempty"`  // no free text
}

// eventsPart lists the newest events, oldest first, one a line.
func (d *Device) eventsPart(ctx context.Context) ([]byte, error) {
	after := d.hub.Head()
	after -= min(after, bundleEvents)
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	for {
		events, err := d.store.Events(ctx, after, readMax)
		if err != nil || len(events) == 0 {
			return lines.Bytes(), err
		}
		for _, e := range events {
			if err := enc.Encode(bareEvent(e)); err != nil {
				return nil, err
			}
			after = e.GetSequence()
		}
	}
}

// bareEvent takes from an event what says nothing about anybody.
func bareEvent(e *paymentv1.Event) bundleEvent {
	b := bundleEvent{Sequence: e.GetSequence(), Time: e.GetTime().AsTime()}
	m := e.ProtoReflect()
	which := m.WhichOneof(m.Descriptor().Oneofs().ByName("event"))
	if which == nil {
		return b
	}
	b.Type = string(which.Name())
	inner := m.Get(which).Message()
	text := func(name protoreflect.Name) string {
		if f := inner.Descriptor().Fields().ByName(name); f != nil {
			return inner.Get(f).String()
		}
		return ""
	}
	if id := text("payment_id"); len(id) > 8 {
		b.Payment = id[len(id)-8:]
	}
	b.Reason = firstOf(known(text("reason")), text("what"))
	return b
}

// known returns a reason if the catalogue has it: others may be the words of a
// customer.
func known(reason string) string {
	if _, ok := catalogue.Lookup(reason); ok {
		return reason
	}
	return ""
}
