package syncer

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"errors"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"

	"github.com/vipaso/vipasod/preauth/seal"
	"github.com/vipaso/vipasod/syncer/outbox"
)

// sealingKey is the fake backend's.
func sealingKey(t testing.TB) *ecdh.PrivateKey {
	t.Helper()
	k, err := ecdh.X25519().NewPrivateKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (b *fakeBackend) SubmitSealed(ctx context.Context, r *backendv1.SubmitSealedRequest) (*backendv1.SubmitSealedResponse, error) {
	plain, err := seal.Open(sealingKey(b.t), r.Sealed)
	if err != nil {
		return nil, refusal(codes.InvalidArgument, "SEAL_INVALID", 0)
	}
	var req backendv1.SubmitRequest
	if err := proto.Unmarshal(plain, &req); err != nil {
		return nil, err
	}
	resp, err := b.Submit(ctx, &req)
	return &backendv1.SubmitSealedResponse{Items: uint32(len(req.Items)), Judged: uint32(len(resp.GetResults())), Time: signedNow()}, err
}

// A part says what a Submit of the same items says, and another's device
// hands it in.
func TestCarry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		items := []outbox.Item{d.owe(1), d.owe(2)}
		part, err := Seal(sealingKey(t).PublicKey().Bytes(), items)
		if err != nil || part.Items != 2 {
			t.Fatalf("part of %d: %v", part.Items, err)
		}
		for range 2 {
			got, err := d.s.Carry(t.Context(), part.Sealed)
			if err != nil || got != (Carried{Items: 2, Judged: 2}) {
				t.Errorf("carried %+v: %v", got, err)
			}
		}
		for _, it := range items {
			if n := d.b.settled[it.Key.Request]; n != 1 {
				t.Errorf("request %s was settled %d times", it.Key.Request, n)
			}
		}
		if d.left() != 2 {
			t.Error("the carrier's own items are touched")
		}
		_, err = d.s.Carry(t.Context(), part.Sealed[1:])
		if Reason(err) != "SEAL_INVALID" {
			t.Errorf("a bent part: %v", err)
		}
	})
}

func TestCarryOffline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		if _, err := newDevice(t).s.Carry(t.Context(), []byte{1}); !errors.Is(err, ErrOffline) {
			t.Errorf("%v", err)
		}
	})
}

func TestSealWithoutAKey(t *testing.T) {
	if _, err := Seal(nil, nil); !errors.Is(err, seal.ErrKey) {
		t.Errorf("%v", err)
	}
}
