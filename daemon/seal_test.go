package daemon

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/seal"
	"github.com/vipaso/vipasod/store"
	"github.com/vipaso/vipasod/syncer/outbox"
)

// sealingKey is that of the backend of every bench.
func sealingKey() *ecdh.PrivateKey {
	k, err := ecdh.X25519().NewPrivateKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		panic(err) // the length is a constant
	}
	return k
}

// sealed asks for all that is owed and opens it, as the backend would.
func (b *bench) sealed() (items []*backendv1.Item, parts []int) {
	b.t.Helper()
	stream, err := b.device(manager).SealPayments(b.t.Context(), &devicev1.SealPaymentsRequest{})
	for _, m := range drain(b.t, stream, err) {
		plain, err := seal.Open(sealingKey(), m.GetSealed())
		must(b.t, err)
		var req backendv1.SubmitRequest
		must(b.t, proto.Unmarshal(plain, &req))
		if int(m.GetItems()) != len(req.Items) {
			b.t.Errorf("a part of %d items has %d", m.GetItems(), len(req.Items))
		}
		items, parts = append(items, req.Items...), append(parts, len(req.Items))
	}
	return items, parts
}

// What is sealed is what the outbox would hand in, in parts of a batch each,
// and sealing it changes nothing.
func TestSealPayments(t *testing.T) {
	b := withHistory(t, asTill, payment.Settled, payment.Open, payment.Awaiting)
	for n := range 120 {
		b.sold(n+3, payment.Provisional)
	}
	before, commits := numberOf(t, b), b.store.Commits()
	items, parts := b.sealed()
	if len(parts) != 2 || parts[0] != 100 || parts[1] != 21 {
		t.Errorf("parts of %v", parts)
	}
	due, err := b.Due(t.Context(), farFuture, 1000)
	must(t, err)
	want := map[preauth.Hash]outbox.Item{}
	for _, it := range due {
		want[it.Key.Request] = it
	}
	for _, it := range items {
		r, _, err := requestOf(it.Request)
		must(t, err)
		own := want[r.Hash]
		delete(want, r.Hash)
		if !proto.Equal(it, &backendv1.Item{Request: own.Request, PreauthCert: own.PreauthCert, Voucher: own.Voucher, Receipt: own.Receipt}) {
			t.Errorf("sealed %v, owed %+v", it, own)
		}
	}
	if len(want) > 0 {
		t.Errorf("%d items are not sealed", len(want))
	}
	if after := numberOf(t, b); after != before || b.store.Commits() != commits {
		t.Errorf("%d items owed after, %d before, %d commits", after, before, b.store.Commits()-commits)
	}
}

func numberOf(t testing.TB, b *bench) int {
	t.Helper()
	n, err := b.store.OutboxSize(t.Context())
	must(t, err)
	return n
}

// Whatever keeps a device from paying does not keep it from saving what it
// has.
func TestSealPaymentsOfADeviceThatMayNothingElse(t *testing.T) {
	for name, broken := range map[string]func(*bench) *bench{
		"locked": func(b *bench) *bench {
			id := b.self.Load().Identity
			id.Locked = true
			b.change(&store.Change{Identity: &id})
			must(t, b.store.Close())
			return reopen(t, b)
		},
		"expired": func(b *bench) *bench {
			b.clock.Hear(time.Now().AddDate(1, 0, 0))
			return b
		},
		"revoked": func(b *bench) *bench {
			p := newPapers(asTill, b.opt.Keys, time.Now())
			p.bundle.Epoch, p.bundle.RevokedDevices = 2, [][]byte{p.cert.DeviceId}
			id := p.sign(t)
			b.change(&store.Change{Identity: &id})
			must(t, b.store.Close())
			return reopen(t, b)
		},
	} {
		b := broken(withHistory(t, asTill, payment.Provisional))
		if _, err := b.enrolled(); err == nil {
			t.Errorf("%s: may sign", name)
		}
		if items, _ := b.sealed(); len(items) != 1 {
			t.Errorf("%s: %d items", name, len(items))
		}
	}
}

// A question moves nothing and stays: a customer's voucher without the till's
// receipt.
func TestSealLeavesQuestions(t *testing.T) {
	b := withHistory(t, asCustomer, payment.Authorized)
	if items, parts := b.sealed(); len(items) != 0 || len(parts) != 0 || numberOf(t, b) != 1 {
		t.Errorf("sealed %v", items)
	}
}

func TestSealPaymentsRefused(t *testing.T) {
	for want, change := range map[string]func(*Options, *papers){
		"NOT_ENROLLED":     notEnrolled,
		"SEAL_UNAVAILABLE": func(_ *Options, p *papers) { p.bundle.SealingKey = nil },
	} {
		stream, err := newBench(t, asTill, change).device(manager).SealPayments(t.Context(), &devicev1.SealPaymentsRequest{})
		must(t, err)
		_, err = stream.Recv()
		wantStatus(t, want, err, codes.FailedPrecondition, want)
	}
}

// Parts stay as small as a batch, however large their items, and what cannot
// be handed in does not keep the rest back.
func TestPartsAreBounded(t *testing.T) {
	b := withHistory(t, asTill, payment.Provisional)
	due, err := b.Due(t.Context(), farFuture, 1)
	must(t, err)
	var items []outbox.Item
	for n := range 20 {
		it := due[0]
		if it.PreauthCert = make([]byte, 100<<10); n == 7 {
			it.Request = nil
		} else {
			r := b.signRequest(n+1, b.self.Load().DeviceCert)
			it.Key.Request, it.Request, it.Voucher = r.Hash, r.Bytes, b.signVoucher(n+1, r).Bytes
		}
		items = append(items, it)
	}
	sealed := 0
	must(t, b.sealItems(sealingKey().PublicKey().Bytes(), items, func(p seal.Part) error {
		sealed += int(p.Items)
		if size := proto.Size(&devicev1.CarrySealedRequest{Sealed: p.Sealed}); size > sealedMax || size > 1<<20 {
			t.Errorf("a part of %d bytes", size)
		}
		return nil
	}))
	if sealed != 19 {
		t.Errorf("%d items are sealed", sealed)
	}
}

// A part passes the bound that holds for other calls.
func TestCarrySealedTakesLargeParts(t *testing.T) {
	b := newBench(t, asTill, nil)
	carry := func(size int) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := b.device(manager).CarrySealed(ctx, &devicev1.CarrySealedRequest{Sealed: make([]byte, size)})
		return err
	}
	wantStatus(t, "a batch", carry(outbox.BatchBytes+4096), codes.Unavailable, "OFFLINE")
	wantStatus(t, "more than any batch", carry(sealedMax), codes.InvalidArgument, "MESSAGE_TOO_LARGE")
	wantStatus(t, "nothing", carry(0), codes.InvalidArgument, "FIELD_INVALID")
}
