package backend

import (
	"testing"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
)

func TestGuaranteeIsNoMoreThanTheReserve(t *testing.T) {
	s := newStreet(t)
	s.guarantee(20_00)
	for _, tt := range []struct{ limit, want int64 }{{1, 1}, {1_00, 1_00}, {19_99, 19_99}, {20_00, 20_00}, {100_00, 20_00}} {
		if got := s.phone.preauthorize(s.card, tt.limit).cert.Body.Guarantee; got != tt.want {
			t.Errorf("%d set aside: guarantee is %d, want %d", tt.limit, got, tt.want)
		}
	}
}

// A till and a customer who collude claim clones of one voucher after
// another: the issuer loses no more than was set aside.
func TestCollusionCostsTheIssuerNoMoreThanTheReserve(t *testing.T) {
	s := newStreet(t)
	s.guarantee(20_00)
	w := s.phone.preauthorize(s.card, 1_00)
	var items []*backendv1.Item
	for range 21 {
		w.left = 1_00
		items = append(items, w.sale(s.till, 1_00).claim())
	}
	s.till.submit(items...)
	if got := s.owed(s.till.owner); got != 2_00 {
		t.Errorf("the shop is owed %d for a reserve of 100", got)
	}
	if got := s.balanceOfIssuer(); got != -1_00 {
		t.Errorf("the issuer is at %d", got)
	}
}

// What the issuer pays one till is no other till's loss, and is counted over
// all that the till claims.
func TestTheGuaranteeIsForEachTill(t *testing.T) {
	s := newStreet(t)
	s.guarantee(10_00)
	w := s.phone.preauthorize(s.card, 20_00)
	for _, one := range []struct {
		till *party
		want says
	}{
		{s.till, settled(16_00)},
		{s.till, says{"SETTLED", 14_00, 2_00, ""}}, // 4.00 were left, and 10.00 are guaranteed
		{s.other, says{"SETTLED", 10_00, 6_00, ""}},
		{s.till, exhausted(16_00)},
		{s.other, exhausted(16_00)},
	} {
		w.left = 20_00
		one.till.expect(w.sale(one.till, 16_00).claim(), one.want)
	}
}

func (s *street) preauthorizeOne() error {
	_, err := s.phone.calls.PreAuthorize(s.ctx, &backendv1.PreAuthorizeRequest{
		RequestId: randomID(s.t), InstrumentId: s.card[:], Amount: 1, Currency: "USD",
	})
	return err
}

func TestHowManyADeviceMayHave(t *testing.T) {
	s := newStreet(t)
	var last *wallet
	for range openMax {
		last = s.phone.preauthorize(s.card, 1)
	}
	wantReason(t, s.preauthorizeOne(), "LIMIT_COUNT")
	_, err := s.bound(s.till.ask(5_00), 5_00, "USD")
	wantReason(t, err, "") // that one can be paid once only
	s.void(last)
	wantReason(t, s.preauthorizeOne(), "")
	s.bench.phone(s.phone.owner).preauthorize(s.card, 1) // each device has its own
	s.advance(day + time.Millisecond)
	wantReason(t, s.preauthorizeOne(), "") // run out ones are not open
}

func TestHowManyADeviceMayVoid(t *testing.T) {
	s := newStreet(t)
	for range claimableMax {
		s.void(s.phone.preauthorize(s.card, 1))
	}
	wantReason(t, s.preauthorizeOne(), "LIMIT_COUNT")
	s.advance(15*day + time.Millisecond)
	must(t, s.server.Sweep(s.ctx))
	wantReason(t, s.preauthorizeOne(), "")
}

func (s *street) void(w *wallet) {
	s.t.Helper()
	_, err := w.d.calls.VoidPreAuthorization(s.ctx, &backendv1.VoidPreAuthorizationRequest{
		RequestId: randomID(s.t), PreauthId: w.cert.Body.PreauthId,
	})
	must(s.t, err)
}
