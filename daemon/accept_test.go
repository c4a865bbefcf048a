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
