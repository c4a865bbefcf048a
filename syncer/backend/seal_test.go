package backend

import (
	"bytes"
	"crypto/ecdh"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"

	"github.com/vipaso/vipasod/preauth/seal"
)

// sealing gives the backend a sealing key and returns how a device seals for
// it.
func (s *street) sealing() func(items ...*backendv1.Item) []byte {
	s.t.Helper()
	key, err := ecdh.X25519().NewPrivateKey(bytes.Repeat([]byte{7}, 32))
	must(s.t, err)
	s.server.authority.Sealing = key
	return func(items ...*backendv1.Item) []byte {
		s.t.Helper()
		plain, err := proto.Marshal(&backendv1.SubmitRequest{Items: items})
		must(s.t, err)
		sealed, err := seal.Seal(key.PublicKey().Bytes(), plain)
		must(s.t, err)
		return sealed
	}
}

// carry hands sealed items in and compares how many there are and how many
// are judged.
func (d *party) carry(sealed []byte, items, judged uint32) {
	d.b.t.Helper()
	resp, err := d.calls.SubmitSealed(d.b.ctx, &backendv1.SubmitSealedRequest{Sealed: sealed})
	must(d.b.t, err)
	want := &backendv1.SubmitSealedResponse{Items: items, Judged: judged, Time: &backendv1.SignedTime{ServerTimeMs: d.b.now().UnixMilli()}}
	if !proto.Equal(resp, want) {
		d.b.t.Errorf("the carrier is told %v, want %v", resp, want)
	}
}

// What is sealed settles as if its maker had come: it pays the till of the
// Request, once, whoever carries it how often, and its maker learns the same
// verdict later. The carrier is told counts, and may not ask for more.
func TestSealedIsPaidWhoeverCarriesItIn(t *testing.T) {
	s := newStreet(t)
	sealed := s.sealing()
	w := s.phone.preauthorize(s.card, 100_00)
	bob := s.bench.phone(s.customer("Bob"))
	must(t, s.admin.RevokeDevice(s.ctx, s.second.id))
	sold := map[*party]*deal{}
	for _, carrier := range []*party{s.till, s.second, s.other, s.phone, bob} {
		d := w.pay(s.till.ask(10_00), 1_00).take()
		sold[carrier] = d
		part := sealed(d.claim())
		carrier.carry(part, 1, 1)
		carrier.carry(part, 1, 1)
	}
	if got := s.owed(s.till.owner); got != 5*11_00 {
		t.Errorf("the shop is owed %d", got)
	}
	if got := s.owed(s.other.owner); got != 0 {
		t.Errorf("a carrier got %d", got)
	}
	for carrier, d := range sold {
		s.till.expect(d.claim(), settled(11_00))
		if carrier == s.other || carrier == bob {
			resp, err := carrier.calls.Query(s.ctx, &backendv1.QueryRequest{RequestHashes: [][]byte{d.request.Hash[:]}})
			must(t, err)
			if len(resp.Verdicts) > 0 {
				t.Error("a carrier was told the verdict on what it carried")
			}
		}
	}
}

// A seal proves nothing: what is in it is judged as if it had come openly.
func TestSealedItemsAreVerified(t *testing.T) {
	s := newStreet(t)
	sealed := s.sealing()
	w := s.phone.preauthorize(s.card, 100_00)
	good := w.sale(s.till, 10_00)

	forged := w.sale(s.till, 20_00)
	forged.request = signed(t, s.other.key, forged.request.Body)
	unsigned := s.other.ask(30_00)
	unsigned.cert, unsigned.voucher = good.cert, good.voucher
	ended := w.sale(s.till, 5_00).undo()
	s.till.carry(sealed(good.claim(), forged.claim(), unsigned.claim(), w.pay(s.till.ask(1_00), 0).claim(), ended.claim(), ended.cancelled()), 6, 3)
	if got, other := s.owed(s.till.owner), s.owed(s.other.owner); got != 10_00 || other != 0 {
		t.Errorf("the shops are owed %d and %d", got, other)
	}
	s.till.expect(ended.claim(), cancelled)

	s.hasUsed(s.till, idleRequest, 0)
	late := s.till.ask(5_00).undo().cancelled()
	s.other.carry(sealed(late), 1, 0)
	s.till.expect(late, putOff)

	end := time.UnixMilli(w.cert.Body.SettleByMs)
	over := w.sale(s.till, 10_00)
	s.advance(end.Sub(s.now()) + time.Second)
	s.till.connect()
	s.till.carry(sealed(over.claim()), 1, 1)
	s.till.expect(over.claim(), says{"REJECTED", 0, 10_00, "TOO_LATE"})
}

func TestSealInvalid(t *testing.T) {
	s := newStreet(t)
	item := s.till.ask(1_00).undo().cancelled()
	submit := func(sealed []byte) string {
		_, err := s.other.calls.SubmitSealed(s.ctx, &backendv1.SubmitSealedRequest{Sealed: sealed})
		return reasonOf(err)
	}
	if got := submit([]byte{1}); got != "SEAL_INVALID" {
		t.Errorf("by a backend without a key: %q", got)
	}
	sealed := s.sealing()
	part := sealed(item)
	other, err := ecdh.X25519().NewPrivateKey(bytes.Repeat([]byte{8}, 32))
	must(t, err)
	foreign, err := seal.Seal(other.PublicKey().Bytes(), []byte{})
	must(t, err)
	junk, err := seal.Seal(s.server.authority.Sealing.PublicKey().Bytes(), []byte("junk"))
	must(t, err)
	for name, bad := range map[string][]byte{
		"cut": part[:len(part)-1], "bent": append(bytes.Clone(part[:len(part)-1]), part[len(part)-1]^1), "too short": {1},
		"sealed for another backend": foreign, "no payments": junk,
		"more than a call takes": sealed(slices.Repeat([]*backendv1.Item{item}, 101)...),
	} {
		if got := submit(bad); got != "SEAL_INVALID" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := submit(nil); got != "FIELD_INVALID" {
		t.Errorf("nothing: %q", got)
	}
	s.count(t, "requests", `SELECT count(*) FROM requests`, 0)
	s.other.carry(part, 1, 1)
	s.other.carry(sealed(), 0, 0)

	nobody := backendv1.NewSettlementServiceClient(s.dial(nil, nil))
	_, err = nobody.SubmitSealed(s.ctx, &backendv1.SubmitSealedRequest{Sealed: part})
	wantReason(t, err, "NOT_ENROLLED")
}
