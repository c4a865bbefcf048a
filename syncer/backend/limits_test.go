package backend

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth/money"
)

func TestDefaultLimits(t *testing.T) {
	s := newStreet(t)
	c := mustOpen(t, s.till.cert)
	if in := c.Caps[0]; in.Currency != "USD" || in.PaymentMax != 50_00 || in.TotalMax != 500_00 ||
		in.CounterpartyMax+in.EmergencyPaymentMax+in.EmergencyTotalMax != 0 {
		t.Errorf("caps %v", in)
	}
	if c.StoredCountMax != 100 || c.OfflineMaxMs+c.VelocityMs+c.EmergencyMaxMs != 0 || c.VelocityMax != 0 {
		t.Errorf("certificate %v", c)
	}
}

// Limits that the operator sets are in the next certificate, which a device
// gets when it asks; whoever asks again gets the same one.
func TestSetLimits(t *testing.T) {
	s := newStreet(t)
	before, err := s.till.calls.Renew(s.ctx, &backendv1.RenewRequest{})
	must(t, err)
	if !bytes.Equal(before.DeviceCert, s.till.cert) {
		t.Error("another certificate with the same limits")
	}
	epoch := s.refresh(s.till).Epoch()
	must(t, s.admin.SetLimits(s.ctx, "JPY", func(all *peerv1.DeviceCert, in *peerv1.Cap) {
		if in.PaymentMax != 50 || in.TotalMax != 500 {
			t.Errorf("defaults in yen: %v", in)
		}
		in.PaymentMax, in.TotalMax, in.CounterpartyMax, in.EmergencyPaymentMax, in.EmergencyTotalMax = 7000, 70000, 9000, 8000, 80000
		all.StoredCountMax, all.OfflineMaxMs = 20, (48 * time.Hour).Milliseconds()
		all.VelocityMax, all.VelocityMs, all.EmergencyMaxMs = 10, time.Hour.Milliseconds(), (8 * time.Hour).Milliseconds()
	}))
	if got := s.refresh(s.till).Epoch(); got != epoch+1 {
		t.Errorf("epoch %d after %d: no device would look", got, epoch)
	}
	after, err := s.till.calls.Renew(s.ctx, &backendv1.RenewRequest{})
	must(t, err)
	c := mustOpen(t, after.DeviceCert)
	yen := c.Caps[len(capCurrencies)]
	want := &peerv1.Cap{Currency: "JPY", PaymentMax: 7000, TotalMax: 70000, CounterpartyMax: 9000, EmergencyPaymentMax: 8000, EmergencyTotalMax: 80000}
	if fmt.Sprint(yen) != fmt.Sprint(want) || c.StoredCountMax != 20 || c.OfflineMaxMs != 48*3600e3 || c.VelocityMax != 10 ||
		c.VelocityMs != 3600e3 || c.EmergencyMaxMs != 8*3600e3 || c.Caps[0].PaymentMax != 50_00 {
		t.Errorf("certificate %v", c)
	}
	again, err := s.till.calls.Renew(s.ctx, &backendv1.RenewRequest{})
	must(t, err)
	if !bytes.Equal(again.DeviceCert, after.DeviceCert) {
		t.Error("another certificate, though nothing has changed")
	}
	all, err := s.admin.Limits(s.ctx)
	if err != nil || !bytes.Equal(limitsIn(all), limitsIn(c)) {
		t.Errorf("shown %v: %v", all, err)
	}
}

func TestSetLimitsIsRefused(t *testing.T) {
	s := newStreet(t)
	before, err := s.admin.Limits(s.ctx)
	must(t, err)
	for name, tt := range map[string]struct {
		currency string
		change   func(*peerv1.DeviceCert, *peerv1.Cap)
		want     error
	}{
		"no currency":                   {"XXX", func(*peerv1.DeviceCert, *peerv1.Cap) {}, money.ErrCurrency},
		"an emergency below the normal": {"USD", func(_ *peerv1.DeviceCert, in *peerv1.Cap) { in.EmergencyPaymentMax = 49_99 }, ErrInvalid},
		"a payment above the total":     {"USD", func(_ *peerv1.DeviceCert, in *peerv1.Cap) { in.PaymentMax = 500_01 }, ErrInvalid},
		"an emergency payment above it": {"USD", func(_ *peerv1.DeviceCert, in *peerv1.Cap) { in.EmergencyPaymentMax = 500_01 }, ErrInvalid},
		"and above the emergency's": {"USD", func(_ *peerv1.DeviceCert, in *peerv1.Cap) {
			in.EmergencyPaymentMax, in.EmergencyTotalMax = 600_01, 600_00
		}, ErrInvalid},
		"one counterparty above it":       {"USD", func(_ *peerv1.DeviceCert, in *peerv1.Cap) { in.CounterpartyMax = 500_01 }, ErrInvalid},
		"a total below a payment":         {"USD", func(_ *peerv1.DeviceCert, in *peerv1.Cap) { in.TotalMax = 49_99 }, ErrInvalid},
		"a velocity without time":         {"", func(all *peerv1.DeviceCert, _ *peerv1.Cap) { all.VelocityMax = 1 }, ErrInvalid},
		"an emergency of more than a day": {"", func(all *peerv1.DeviceCert, _ *peerv1.Cap) { all.EmergencyMaxMs = 24*3600e3 + 1 }, ErrInvalid},
	} {
		if err := s.admin.SetLimits(s.ctx, tt.currency, tt.change); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after, err := s.admin.Limits(s.ctx); err != nil || !bytes.Equal(limitsIn(after), limitsIn(before)) {
		t.Errorf("changed to %v: %v", after, err)
	}
}

// Pre-authorizations follow: what may be paid at once also in an emergency,
// and how much may be set aside.
func TestPreauthorizationsFollowTheLimits(t *testing.T) {
	s := newStreet(t)
	must(t, s.admin.SetLimits(s.ctx, "USD", func(_ *peerv1.DeviceCert, in *peerv1.Cap) {
		in.PaymentMax, in.TotalMax, in.EmergencyPaymentMax = 20_00, 150_00, 60_00
	}))
	if w := s.phone.preauthorize(s.card, 100_00); w.cert.Body.PaymentMax != 60_00 {
		t.Errorf("at most %d at once", w.cert.Body.PaymentMax)
	}
	_, err := s.phone.calls.PreAuthorize(s.ctx, &backendv1.PreAuthorizeRequest{
		RequestId: randomID(t), InstrumentId: s.card[:], Amount: 50_01, Currency: "USD",
	})
	wantReason(t, err, "LIMIT_TOTAL")
}

// What was allowed on a device is kept, the newest of each device and kind,
// with who and why as it was told first; it may end earlier than was told.
func TestAudit(t *testing.T) {
	s := newStreet(t)
	allowed := func(n int, until time.Duration, reason string) *backendv1.Allowance {
		return &backendv1.Allowance{
			Kind: "OWN_LIMITS", Reason: reason, By: "ann", SinceMs: s.since(time.Duration(n) * time.Second),
			UntilMs: s.since(time.Duration(n)*time.Second + until),
		}
	}
	tell := func(d *party, all ...*backendv1.Allowance) {
		t.Helper()
		_, err := d.calls.Refresh(s.ctx, &backendv1.RefreshRequest{Allowances: all})
		must(t, err)
	}
	tell(s.till, allowed(0, time.Hour, "the line\nis \u202edown"))
	tell(s.till, allowed(0, time.Minute, "nothing"))
	all, err := s.admin.Audit(s.ctx)
	must(t, err)
	if len(all) != 1 || all[0].Device != s.till.id || all[0].Reason != "the line?is ?down" || all[0].Person != "ann" || all[0].Until.Sub(all[0].Since) != time.Minute {
		t.Errorf("audit %+v", all)
	}
	tell(s.phone, allowed(1, time.Hour, "x"))
	emergency := allowed(1, time.Hour, "a fire")
	emergency.Kind = "EMERGENCY"
	tell(s.till, emergency)
	for n := range allowancesKept {
		tell(s.till, allowed(n+2, time.Hour, "again"))
	}
	all, err = s.admin.Audit(s.ctx)
	must(t, err)
	last := all[len(all)-1]
	if len(all) != allowancesKept+2 || last.Device != s.phone.id || !all[0].Since.After(all[1].Since) {
		t.Errorf("%d kept, last %+v", len(all), last)
	}
	if first := all[len(all)-2]; first.Kind != "EMERGENCY" {
		t.Errorf("what lies under many others: %+v", first)
	}
	_, err = s.till.calls.Refresh(s.ctx, &backendv1.RefreshRequest{Allowances: []*backendv1.Allowance{{Kind: "MORE"}}})
	wantReason(t, err, "FIELD_INVALID")
}
