package daemon

import (
	"context"
	"testing"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// vouched is a customer's voucher over 12.00 USD for a till's request, with its
// certificate, and the row of the request.
func vouched(t testing.TB, b *bench) (store.Ask, voucherAnswer) {
	t.Helper()
	request, customer := requested(t, "sale"), preauth.PublicKeyOf(&fixedKey("customer").PublicKey)
	auth := setAside(t, b, "auth", namedID("card"), func(c *peerv1.PreauthCert) { c.Spender = customer[:] })
	r, err := preauth.Open[*peerv1.Request](request.RequestBytes)
	if err != nil {
		t.Fatal(err)
	}
	body, err := auth.Draw(r, 0, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ask := store.Ask{Ask: payment.Ask{Request: r.Hash}, Customer: namedID("phone"), RequestBytes: r.Bytes, Currency: "USD"}
	return ask, voucherAnswer{signedBy(t, "customer", body).Bytes, auth.Cert.Bytes}
}

// A till that waits for the verdict gives nothing away before it: what it may
// have out unsettled does not matter, and nothing is guaranteed. Any other
// payment meets the limits.
func TestLimitsWhereAVerdictIsAwaited(t *testing.T) {
	for _, tt := range []struct {
		policy store.Policy
		change func(*papers)
		want   payment.BusinessEvent
		code   string
	}{
		{store.ForceOffline, func(*papers) {}, payment.Paid, ""},
		{store.ForceOffline, func(p *papers) { p.cert.Caps[0].PaymentMax = 11_99 }, payment.Refuse, "LIMIT_PAYMENT"},
		{store.PreferOnline, func(p *papers) { p.cert.StoredCountMax = 0 }, payment.Refuse, "LIMIT_COUNT"},
		{store.RequireOnline, func(p *papers) { p.cert.StoredCountMax = 0 }, payment.PaidOnline, ""},
		{store.RequireOnline, func(p *papers) { p.cert.Caps = nil }, payment.PaidOnline, ""},
	} {
		b := newBench(t, asTill, func(_ *Options, p *papers) { tt.change(p) })
		ask, v := vouched(t, b)
		in, err := v.judge(t.Context(), b.Device, b.self.Load(), nil, store.Sale{Policy: tt.policy}, &ask)
		if err != nil || in.Event != tt.want || in.Code != tt.code {
			t.Errorf("%s: %s %s, %v; want %s %s", tt.policy, in.Event, in.Code, err, tt.want, tt.code)
		}
		if guaranteed := map[payment.BusinessEvent]int64{payment.Paid: 12_00}[in.Event]; in.Guaranteed != guaranteed || ask.Guaranteed != guaranteed {
			t.Errorf("%s: %d guaranteed, %d stored", tt.policy, in.Guaranteed, ask.Guaranteed)
		}
	}
}

// A device that the till learns to be revoked after the handshake does not pay.
func TestRevokedSinceTheHandshake(t *testing.T) {
	phone := namedID("phone")
	b := newBench(t, asTill, func(_ *Options, p *papers) { p.bundle.RevokedDevices = [][]byte{phone[:]} })
	ask, v := vouched(t, b)
	in, err := v.judge(t.Context(), b.Device, b.self.Load(), nil, store.Sale{}, &ask)
	if err != nil || in.Event != payment.Refuse || in.Code != "DEVICE_REVOKED" {
		t.Errorf("%s %s, %v", in.Event, in.Code, err)
	}
}

// fickle is a context that has ended when it was asked so many times.
type fickle struct {
	context.Context
	left int
}

func (f *fickle) Err() error {
	if f.left--; f.left < 0 {
		return context.Canceled
	}
	return nil
}

// What the store could not say, because the session ended meanwhile, is no
// reason to refuse a voucher for good, and none to count it as not guaranteed:
// nothing is decided.
func TestNothingIsDecidedOnWhatWasNotRead(t *testing.T) {
	b := newBench(t, asTill, nil)
	ask, v := vouched(t, b)
	unread := 0
	for n := 0; ; n++ {
		ctx, row := &fickle{t.Context(), n}, ask
		in, err := v.judge(ctx, b.Device, b.self.Load(), nil, store.Sale{}, &row)
		if err != nil {
			unread++
			continue
		}
		if in.Event != payment.Paid || in.Guaranteed != 12_00 {
			t.Errorf("ended after %d: %s %s, %d guaranteed", n, in.Event, in.Code, in.Guaranteed)
		}
		if ctx.left >= 0 { // it lasted to the end
			break
		}
	}
	if unread < 3 {
		t.Errorf("%d reads failed", unread)
	}
}
