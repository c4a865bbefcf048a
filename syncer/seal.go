package syncer

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"

	"github.com/vipaso/vipasod/preauth/seal"
	"github.com/vipaso/vipasod/syncer/outbox"
)

// handIn is the call that hands items in.
func handIn(items []outbox.Item) *backendv1.SubmitRequest {
	req := &backendv1.SubmitRequest{Items: make([]*backendv1.Item, len(items))}
	for i, it := range items {
		req.Items[i] = &backendv1.Item{
			Request: it.Request, PreauthCert: it.PreauthCert, Voucher: it.Voucher,
			Charge: it.Charge, Receipt: it.Receipt, Cancel: it.Cancel,
		}
	}
	return req
}

// Seal makes one part of the items, at most outbox.BatchItems, for the holder
// of a sealing key of the trust bundle: handed in by whomever, it says the
// same as a Submit of this device.
//
// The error wraps seal.ErrKey.
func Seal(key []byte, items []outbox.Item) (seal.Part, error) {
	plain, err := proto.Marshal(handIn(items))
	if err != nil {
		return seal.Part{}, fmt.Errorf("seal %d items: %w", len(items), err)
	}
	sealed, err := seal.Seal(key, plain)
	return seal.Part{Items: uint32(len(items)), Sealed: sealed}, err
}

// Carried is what the backend says of a part: how much, never whose.
type Carried struct {
	Items  int // in it
	Judged int // of them have a verdict now
}

// Carry hands in what another device, or this one, has sealed. Again is
// harmless.
//
// The error is one of those of ask.
func (s *Syncer) Carry(ctx context.Context, sealed []byte) (Carried, error) {
	resp, _, err := ask(ctx, s, batchLimit, func(ctx context.Context, c backendv1.SettlementServiceClient) (*backendv1.SubmitSealedResponse, error) {
		return c.SubmitSealed(ctx, &backendv1.SubmitSealedRequest{Sealed: sealed})
	})
	return Carried{Items: int(resp.GetItems()), Judged: int(resp.GetJudged())}, err
}
