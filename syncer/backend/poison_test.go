package backend

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mattn/go-sqlite3"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
)

// One item that cannot be judged gets its own reason, and the others of the
// batch are settled.
func TestOneBadItemDoesNotSpoilTheBatch(t *testing.T) {
	tests := []struct {
		name string
		bad  func(*street) *backendv1.Item
		want string
	}{
		{"a charge of a till", func(s *street) *backendv1.Item {
			d := s.till.ask(12_00, online)
			s.register(d)
			d.charge = signed(s.t, s.other.key, &peerv1.Charge{
				InstrumentRef: s.card[:], RequestHash: d.request.Hash[:], Amount: 12_00, Currency: "USD", CustomerDeviceId: s.other.id[:],
			})
			return d.take().claim()
		}, "WRONG_ROLE"},
		{"a charge of nobody", func(s *street) *backendv1.Item {
			d := s.till.ask(12_00, online)
			s.register(d)
			d.charge = signed(s.t, newKey(s.t), &peerv1.Charge{
				InstrumentRef: s.card[:], RequestHash: d.request.Hash[:], Amount: 12_00, Currency: "USD", CustomerDeviceId: randomID(s.t),
			})
			return d.take().claim()
		}, "SIGNATURE_INVALID"},
		{"a till these books do not know", func(s *street) *backendv1.Item {
			return s.stranger(func(*peerv1.DeviceCert) {}).ask(5_00).undo().cancelled()
		}, "NOT_FOUND"},
		{"a claim of a till these books do not know", func(s *street) *backendv1.Item {
			return s.phone.preauthorize(s.card, 50_00).sale(s.stranger(func(*peerv1.DeviceCert) {}), 5_00).claim()
		}, "NOT_FOUND"},
		{"a till of another business than the books say", func(s *street) *backendv1.Item {
			return s.stranger(func(c *peerv1.DeviceCert) { c.DeviceId = s.other.id[:] }).ask(5_00).undo().cancelled()
		}, "NOT_FOUND"},
		{"a charge whose sum no verdict can name", func(s *street) *backendv1.Item {
			d := s.charge(s.till.ask(12_00, online), 0)
			s.register(d)
			item := d.claim()
			item.Charge = raw(s.t, s.phone, "charge", &peerv1.Charge{
				InstrumentRef: s.card[:], RequestHash: d.request.Hash[:], Amount: 12_00, Tip: money.MaxMinor,
				Currency: "USD", CustomerDeviceId: s.phone.id[:],
			})
			return item
		}, "PEER_PROTOCOL"},
		{"a voucher whose sum no verdict can name", func(s *street) *backendv1.Item {
			d := s.phone.preauthorize(s.card, 50_00).sale(s.till, 5_00)
			body := proto.CloneOf(d.voucher.Body)
			body.Tip = money.MaxMinor
			item := d.claim()
			item.Voucher = raw(s.t, s.phone, "voucher", body)
			return item
		}, "PEER_PROTOCOL"},
		{"what breaks a rule of the database", func(s *street) *backendv1.Item {
			d := s.phone.preauthorize(s.card, 50_00).sale(s.till, 5_00)
			must(s.t, s.store.Write(s.ctx, func(t Tx) error {
				return t.exec(fmt.Sprintf(`CREATE TRIGGER no_such_request BEFORE INSERT ON requests WHEN NEW.hash = x'%x'
					BEGIN SELECT RAISE(ABORT, 'not this one'); END`, d.request.Hash[:]))
			}))
			return d.claim()
		}, "INTERNAL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStreet(t)
			w := s.phone.preauthorize(s.card, 100_00)
			got := s.till.submit(w.sale(s.till, 10_00).claim(), tt.bad(s), w.sale(s.till, 20_00).claim())
			if want := (says{outcome: "UNJUDGED", reason: tt.want}); got[0] != settled(10_00) || got[1] != want || got[2] != settled(20_00) {
				t.Errorf("got %+v, want %+v between the settled ones", got, want)
			}
			if got := s.owed(s.till.owner); got != 30_00 {
				t.Errorf("the shop is owed %d", got)
			}
		})
	}
}

// stranger is a till with a genuine certificate that was never enrolled here.
func (s *street) stranger(change func(*peerv1.DeviceCert)) *party {
	s.t.Helper()
	d := &party{b: s.bench, key: newKey(s.t), id: preauth.ID(randomID(s.t)), owner: s.till.owner}
	body := proto.CloneOf(mustOpen(s.t, s.till.cert))
	public := preauth.PublicKeyOf(&d.key.PublicKey)
	body.DeviceId, body.SigningKey = d.id[:], public[:]
	change(body)
	d.id = preauth.ID(body.DeviceId)
	cert, err := preauth.Sign(s.authority.Issuer, body)
	must(s.t, err)
	d.cert = cert.Bytes
	return d
}

// raw signs a body that preauth.Sign refuses to.
func raw(t *testing.T, by *party, kind string, body proto.Message) []byte {
	t.Helper()
	encode := func(m proto.Message) []byte {
		b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		must(t, err)
		return b
	}
	sig, err := preauth.SignMessage(by.key, kind, encode(body))
	must(t, err)
	id := preauth.PublicKeyOf(&by.key.PublicKey).KeyID()
	return encode(&peerv1.Signed{Body: encode(body), KeyId: id[:], Sig: sig})
}

func TestRawIsWhatSignMakes(t *testing.T) {
	s := newStreet(t)
	d := s.charge(s.till.ask(12_00, online), 1_00)
	if string(raw(t, s.phone, "charge", d.charge.Body)) != string(d.charge.Bytes) {
		t.Error("a test that signs by itself signs something else")
	}
}

func TestSubmitFailsWithTheDatabase(t *testing.T) {
	s := newStreet(t)
	d := s.phone.preauthorize(s.card, 100_00).sale(s.till, 10_00)
	ctx := s.till.admitted()
	must(t, s.store.writer.Close())
	if _, err := s.server.Submit(ctx, &backendv1.SubmitRequest{Items: []*backendv1.Item{d.claim()}}); !broken(err) {
		t.Errorf("without a database: %v", err)
	}
	s.close()
	s.open(Options{})
}

func TestBroken(t *testing.T) {
	for _, err := range []error{
		errTransaction, context.Canceled, context.DeadlineExceeded, sqlite3.Error{Code: sqlite3.ErrFull},
		sqlite3.Error{Code: sqlite3.ErrIoErr}, fmt.Errorf("settle: %w", sqlite3.Error{Code: sqlite3.ErrBusy}),
	} {
		if !broken(err) {
			t.Errorf("%v is not about the database", err)
		}
	}
	for _, err := range []error{nil, preauth.ErrDecode, errors.New("odd"), sqlite3.Error{Code: sqlite3.ErrConstraint}, errColumn} {
		if broken(err) {
			t.Errorf("%v is about the database", err)
		}
	}
}
