package daemon

import (
	"errors"
	"testing"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// A voucher is never drawn on what the device got from an earlier backend, nor
// on what the newest bundle revokes, though nothing else is wrong with it.
func TestDrawOnWhatTillsTake(t *testing.T) {
	b := newBench(t, asCustomer, func(_ *Options, p *papers) { p.bundle.RevokedSerials = []uint64{7} })
	sooner := func(c *peerv1.PreauthCert) { c.SpendByMs -= 1000 }
	foreign := setAside(t, b, "foreign", namedID("card"), sooner)
	foreign.Cert = signedBy(t, "earlier issuer", foreign.Cert.Body)
	revoked := setAside(t, b, "revoked", namedID("card"), func(c *peerv1.PreauthCert) { sooner(c); c.Serial = 7 })
	draw := func() (preauth.Authorization, error) {
		r, err := preauth.Open[*peerv1.Request](requested(t, "payment").RequestBytes)
		if err != nil {
			t.Fatal(err)
		}
		auth, _, _, err := b.draw(t.Context(), b.self.Load(), r, card("card"), 0)
		return auth, err
	}
	b.change(&store.Change{Put: []store.Authorization{foreign}})
	if auth, err := draw(); !errors.Is(err, preauth.ErrNotAvailable) {
		t.Errorf("drew on %v of another backend: %v", auth.Cert.Body, err)
	}
	b.change(&store.Change{Put: []store.Authorization{revoked}})
	if auth, err := draw(); !errors.Is(err, preauth.ErrVoided) {
		t.Errorf("drew on %v, which is revoked: %v", auth.Cert.Body, err)
	}
	b.change(&store.Change{Put: []store.Authorization{setAside(t, b, "good", namedID("card"), nil)}})
	if auth, err := draw(); err != nil || auth.ID() != namedID("good") {
		t.Errorf("drew on %v, %v", auth.Cert.Body, err)
	}
}

// Nothing is signed any more for a device that was logged out while its backend
// was asked for something to pay with; what is signed stays so.
func TestAcceptOfADeviceThatWasLoggedOut(t *testing.T) {
	b := newBench(t, asCustomer, nil)
	b.change(&store.Change{
		Instruments: []store.Instrument{card("card")}, Put: []store.Authorization{setAside(t, b, "auth", namedID("card"), nil)},
	})
	who, asked := b.self.Load(), map[string]store.Attempt{"before": b.ask("before"), "after": b.ask("after")}
	accept := func(name string) (store.Attempt, error) {
		r, err := preauth.Open[*peerv1.Request](asked[name].RequestBytes)
		must(t, err)
		a, _, err := b.storeAccept(t.Context(), who, r, card("card"), acceptance{call: store.Call{RequestID: namedID(name), Method: methodAccept}})
		return a, err
	}
	before, err := accept("before")
	must(t, err)
	must(t, b.logout(t.Context(), store.Call{RequestID: namedID("logout"), Method: methodLogout}, true))
	if a, err := accept("after"); !errors.Is(err, errNotEnrolled) || !a.Attempt.Voucher.Zero() {
		t.Errorf("accepted as %s, %v", a.Attempt.Voucher, err)
	}
	if a, err := accept("before"); err != nil || a.Attempt.Voucher != before.Attempt.Voucher {
		t.Errorf("accepted before as %s, now %s, %v", before.Attempt.Voucher, a.Attempt.Voucher, err)
	}
}
