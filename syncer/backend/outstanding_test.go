package backend

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/vipaso/vipasod/preauth"
)

// Of a lost device the operator sees what is held, and until when vouchers of
// before may arrive: they are settled, and nothing new is.
func TestOutstanding(t *testing.T) {
	s := newStreet(t)
	first := s.phone.preauthorize(s.card, 100_00)
	s.advance(time.Hour)
	second := s.phone.preauthorize(s.card, 50_00)
	s.till.expect(first.sale(s.till, 30_00).claim(), settled(30_00))
	late := first.sale(s.till, 20_00)
	want := func(d *party, until time.Time, holds ...OpenHold) {
		t.Helper()
		got, err := s.admin.Outstanding(s.ctx, d.id)
		if err != nil || got.Device.ID != d.id || !got.Until.Equal(until) || !slices.EqualFunc(got.Holds, holds, func(a, b OpenHold) bool {
			return a.ID == b.ID && a.Currency == b.Currency && a.Limit == b.Limit && a.Held == b.Held && a.SettleBy.Equal(b.SettleBy)
		}) {
			t.Errorf("%+v, want %+v until %s: %v", got, holds, until, err)
		}
	}
	open := func(w *wallet, held int64) OpenHold {
		return OpenHold{ID: preauth.ID(w.cert.Body.PreauthId), Currency: "USD", Limit: w.cert.Body.Limit, Held: held, SettleBy: time.UnixMilli(w.cert.Body.SettleByMs)}
	}
	end := open(second, 0).SettleBy
	must(t, s.admin.RevokeDevice(s.ctx, s.phone.id))
	want(s.phone, end, open(first, 70_00), open(second, 50_00))
	want(s.till, end)
	s.other.expect(late.claim(), settled(20_00))
	want(s.phone, end, open(first, 50_00), open(second, 50_00))
	if bundle := s.refresh(s.till); !bundle.Revoked(s.phone.id) || !slices.Contains(bundle.Bundle.Body.RevokedSerials, first.cert.Body.Serial) {
		t.Error("tills are not told")
	}

	s.advance(end.Sub(s.now()) + time.Second)
	must(t, s.server.Sweep(s.ctx))
	want(s.phone, time.Time{})
	want(s.till, time.Time{})
	if got := s.free(s.card); got != 450_00 {
		t.Errorf("the card has %d", got)
	}
	if _, err := s.admin.Outstanding(s.ctx, preauth.ID{1}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a device that is none: %v", err)
	}
}
