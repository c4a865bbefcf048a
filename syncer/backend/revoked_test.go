package backend

import (
	"context"
	"testing"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"

	"github.com/vipaso/vipasod/preauth"
)

// admitted is the context of a call that Identify has let in.
func (d *party) admitted() context.Context {
	d.b.t.Helper()
	var c caller
	must(d.b.t, d.b.store.Read(d.b.ctx, func(t Tx) (err error) {
		if c.device, _, err = t.device(d.id); err != nil {
			return err
		}
		c.key, _, err = t.deviceKey(preauth.PublicKeyOf(&d.key.PublicKey))
		return err
	}))
	return context.WithValue(d.b.ctx, callerKey{}, c)
}

func TestRevokedWhileItsCallWaits(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 20_00)
	phone, till := s.phone.admitted(), s.till.admitted()
	for _, d := range []*party{s.phone, s.till} {
		must(t, s.admin.RevokeDevice(s.ctx, d.id))
	}
	_, err := s.server.PreAuthorize(phone, &backendv1.PreAuthorizeRequest{RequestId: randomID(t), InstrumentId: s.card[:], Amount: 50_00, Currency: "USD"})
	wantReason(t, toStatus(err), "DEVICE_REVOKED")
	_, err = s.server.VoidPreAuthorization(phone, &backendv1.VoidPreAuthorizationRequest{RequestId: randomID(t), PreauthId: w.cert.Body.PreauthId})
	wantReason(t, toStatus(err), "DEVICE_REVOKED")
	_, err = s.server.RegisterPayment(till, &backendv1.RegisterPaymentRequest{PaymentId: randomID(t)})
	wantReason(t, toStatus(err), "DEVICE_REVOKED")
	s.advance(60 * day) // its certificate is due
	for _, ctx := range []context.Context{phone, till} {
		_, err = s.server.Renew(ctx, &backendv1.RenewRequest{})
		wantReason(t, toStatus(err), "DEVICE_REVOKED")
	}
	s.count(t, "pre-authorizations", `SELECT count(*) FROM preauths`, 1)
	s.count(t, "voided ones", `SELECT count(*) FROM preauths WHERE voided_ms IS NOT NULL`, 0)
	s.count(t, "registered payments", `SELECT count(*) FROM payment_windows`, 0)
}

// The calls queue behind the transaction that revokes their device.
func TestPreAuthorizeQueuesBehindTheRevocation(t *testing.T) {
	s := newStreet(t)
	started, hold, done := make(chan struct{}), make(chan struct{}), make(chan error, 5)
	ctx := s.phone.admitted()
	go func() {
		done <- s.store.Write(s.ctx, func(tx Tx) error {
			close(started)
			<-hold
			return revoke(tx, s.phone.id, "LOST", s.now())
		})
	}()
	<-started
	for range 4 {
		id := randomID(t)
		go func() {
			_, err := s.server.PreAuthorize(ctx, &backendv1.PreAuthorizeRequest{
				RequestId: id, InstrumentId: s.card[:], Amount: 50_00, Currency: "USD",
			})
			done <- err
		}()
	}
	close(hold)
	refused := 0
	for range 5 {
		if err := <-done; err != nil {
			wantReason(t, toStatus(err), "DEVICE_REVOKED")
			refused++
		}
	}
	if refused != 4 {
		t.Errorf("%d of 4 calls were refused", refused)
	}
	s.count(t, "pre-authorizations", `SELECT count(*) FROM preauths`, 0)
}

// A revoked device learns what became of the money it has to do with, also
// when its certificate has ended since, and of no other's.
func TestARevokedDeviceAsksWhatBecameOfItsMoney(t *testing.T) {
	s := newStreet(t)
	sale := s.phone.preauthorize(s.card, 100_00).sale(s.till, 10_00)
	s.second.expect(sale.claim(), settled(10_00))
	for _, d := range []*party{s.phone, s.till, s.other} {
		must(t, s.admin.RevokeDevice(s.ctx, d.id))
	}
	question := &backendv1.QueryRequest{RequestHashes: [][]byte{sale.request.Hash[:]}}
	for range 2 {
		for _, tt := range []struct {
			who  *party
			want int
		}{{s.phone, 1}, {s.till, 1}, {s.other, 0}} {
			resp, err := tt.who.calls.Query(s.ctx, question)
			must(t, err)
			if len(resp.Verdicts) != tt.want {
				t.Errorf("%d verdicts for %s, want %d", len(resp.Verdicts), tt.who.id, tt.want)
			}
		}
		s.advance(certLife)
	}
	_, err := s.till.calls.Refresh(s.ctx, &backendv1.RefreshRequest{})
	wantReason(t, err, "DEVICE_REVOKED")
}
