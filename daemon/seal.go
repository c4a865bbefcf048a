package daemon

import (
	"context"
	"errors"
	"math"
	"slices"

	"google.golang.org/grpc"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"

	"github.com/vipaso/vipasod/preauth/seal"
	"github.com/vipaso/vipasod/store"
	"github.com/vipaso/vipasod/syncer"
	"github.com/vipaso/vipasod/syncer/outbox"
)

// SealPayments implements devicev1.DeviceServiceServer.
func (s *deviceService) SealPayments(_ *devicev1.SealPaymentsRequest, stream grpc.ServerStreamingServer[devicev1.SealPaymentsResponse]) error {
	return s.d.sealOwed(stream.Context(), func(p seal.Part) error {
		return stream.Send(&devicev1.SealPaymentsResponse{Sealed: p.Sealed, Items: p.Items})
	})
}

// sealOwed calls send with all that the backend does not have, in parts that
// can each be handed in alone, the earliest deadline first. It only reads: it
// needs no network, no right to sign and no store that takes writes. What is
// owed is settled when it begins.
//
// The error wraps errNotEnrolled, or errNoSealing if the bundle names no key
// to seal for.
func (d *Device) sealOwed(ctx context.Context, send func(seal.Part) error) error {
	who := d.self.Load()
	if !who.Enrolled() {
		return errNotEnrolled
	}
	key := who.trust.Bundle.Body.GetSealingKey()
	if len(key) == 0 {
		return errNoSealing
	}
	// All of them: the counter of a store that contradicts itself may be less.
	rows, err := d.store.DueItems(ctx, farFuture, math.MaxInt32)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(rows, outbox.BatchItems) {
		items, err := d.filled(ctx, some)
		if err != nil {
			return err
		}
		if err := d.sealItems(key, items, send); err != nil {
			return err
		}
	}
	return nil
}

// sealItems seals what can be handed in. A question is left out: to whom it is
// carried learns nothing by it, and without the till's receipt nothing moves.
func (d *Device) sealItems(key []byte, items []outbox.Item, send func(seal.Part) error) error {
	for first := true; ; first = false {
		batch := outbox.Compose(items)
		if first {
			for _, b := range batch.Broken {
				d.log.Error("outbox item cannot be sealed", "kind", b.Item.Key.Kind, "request", b.Item.Key.Request.String(), "error", b.Err)
			}
		}
		if len(batch.Submit) == 0 {
			return nil
		}
		part, err := syncer.Seal(key, batch.Submit)
		if err == nil {
			err = send(part)
		}
		if err != nil {
			return err
		}
		items = slices.DeleteFunc(items, func(it outbox.Item) bool {
			return slices.ContainsFunc(batch.Submit, func(sealed outbox.Item) bool { return sealed.Key == it.Key })
		})
	}
}

// CarrySealed implements devicev1.DeviceServiceServer. The carrier's own books
// have no part in it, so they need not take writes.
func (s *deviceService) CarrySealed(ctx context.Context, req *devicev1.CarrySealedRequest) (*devicev1.CarrySealedResponse, error) {
	got, err := s.d.sync.Carry(ctx, req.GetSealed())
	if err != nil && !errors.Is(err, store.ErrReadOnly) && !errors.Is(err, store.ErrFull) {
		return nil, err
	}
	return &devicev1.CarrySealedResponse{Items: uint32(got.Items), Judged: uint32(got.Judged)}, nil
}
