package backend

import (
	"bytes"
	"testing"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// anew is the only certificate that a device gets with another signature.
func (r *rotor) anew(d *party) []byte {
	r.t.Helper()
	resp, err := d.calls.Refresh(r.ctx, &backendv1.RefreshRequest{})
	must(r.t, err)
	if len(resp.PreauthCerts) != 1 {
		r.t.Fatalf("%d certificates anew, want one", len(resp.PreauthCerts))
	}
	return resp.PreauthCerts[0]
}

// A certificate whose issuer key was withdrawn is signed anew once: whoever
// asks gets it from the books from then on, as often as they ask, also when
// another key signs since. With each of its signatures it is the same one.
func TestAHoldIsSignedAnewOnce(t *testing.T) {
	r := newRotor(t)
	root := preauth.PublicKeyOf(&r.authority.Root.PublicKey)
	ask := &backendv1.PreAuthorizeRequest{RequestId: randomID(t), InstrumentId: r.card[:], Amount: 50_00, Currency: "USD"}
	issued, err := r.phone.calls.PreAuthorize(r.ctx, ask)
	must(t, err)
	w := r.phone.wallet(issued.PreauthCert)
	early := w.sale(r.till, 10_00)
	resp, err := r.phone.calls.Refresh(r.ctx, &backendv1.RefreshRequest{})
	must(t, err)
	if len(resp.PreauthCerts) != 0 {
		t.Errorf("%d certificates anew, all as they were", len(resp.PreauthCerts))
	}

	r.withdraws(r.present())
	first := r.anew(r.phone) // the answer got lost
	second := r.issuer(0)
	if again := r.anew(r.phone); !bytes.Equal(again, first) {
		t.Error("signed anew when it was asked for again")
	}
	again, err := r.phone.calls.PreAuthorize(r.ctx, ask)
	must(t, err)
	if !bytes.Equal(again.PreauthCert, first) {
		t.Error("signed anew when the call was repeated")
	}
	if c := r.phone.preauthorize(r.card, 5_00).cert; c.KeyID() != second.KeyID() {
		t.Errorf("a new one is signed by key %x", c.KeyID())
	}
	r.anew(r.phone) // not the new one

	thief, err := preauth.Open[*peerv1.PreauthCert](first)
	must(t, err)
	w.cert = thief
	middle := w.sale(r.till, 10_00)
	_, err = r.admin.WithdrawIssuer(r.ctx, r.find, thief.KeyID(), r.add(), "stolen, too")
	must(t, err)
	last, err := r.trust().PreauthCert(r.anew(r.phone), r.now())
	if err != nil || last.KeyID() != second.KeyID() || last.Hash != w.cert.Hash {
		t.Errorf("withdrawn again: by key %x, %v", last.KeyID(), err)
	}
	w.cert = last
	for _, d := range []*deal{early, middle, w.sale(r.till, 10_00)} {
		r.till.expect(d.claim(), settled(10_00))
	}
	r.till.submit(w.sale(r.other, 30_00).claim())
	if _, got := r.exported(t, root); got.Kind != preauth.OverLimit || got.Total != 60_00 {
		t.Errorf("proven: %s of %d", got.Kind, got.Total)
	}
}

// A call that is repeated after the withdrawal stores the new signature, too.
func TestARepeatedCallIsSignedAnewOnce(t *testing.T) {
	r := newRotor(t)
	ask := &backendv1.PreAuthorizeRequest{RequestId: randomID(t), InstrumentId: r.card[:], Amount: 50_00, Currency: "USD"}
	_, err := r.phone.calls.PreAuthorize(r.ctx, ask)
	must(t, err)
	r.withdraws(r.present())
	first, err := r.phone.calls.PreAuthorize(r.ctx, ask)
	must(t, err)
	r.issuer(0)
	if got := r.anew(r.phone); !bytes.Equal(got, first.PreauthCert) {
		t.Error("signed anew again")
	}
}

// An answer may be read from a state of the books that others have left behind
// meanwhile. Settlement forgets no issuer key by that.
func TestAnOlderStateForgetsNoIssuer(t *testing.T) {
	r := newRotor(t)
	d := r.phone.preauthorize(r.card, 10_00).sale(r.till, 10_00)
	r.till.expect(d.claim(), settled(10_00))
	verdict := r.standing(d)
	r.withdraws(r.present())
	var later *deal
	must(t, r.store.Read(r.ctx, func(tx Tx) error {
		issued, err := r.server.reissuer(tx, r.now())
		must(t, err)
		r.withdraws(r.present())
		later = r.phone.preauthorize(r.card, 10_00).sale(r.till, 10_00)
		_, err = reissued[*peerv1.Verdict](issued, verdict)
		return err
	}))
	r.till.expect(later.claim(), settled(10_00))
}

// A call that began before an issuer key was withdrawn, or a clock that was set
// back since, does not have a key sign that no device knows any more.
func TestAKeyThatIsOverNeverSignsAgain(t *testing.T) {
	r := newRotor(t)
	first := r.present()
	r.issuer(0)
	must(t, r.server.Sweep(r.ctx))
	must(t, r.store.Write(r.ctx, func(tx Tx) error { return tx.unlistIssuer(issuerKey{public: first}) })) // months later
	_, spare := r.withdraws(r.present())
	r.advance(-time.Second)
	c := r.phone.preauthorize(r.card, 10_00).cert
	if _, err := r.trust().GenuinePreauth(c.Bytes); err != nil || c.KeyID() != spare.KeyID() {
		t.Errorf("key %x signs, the first one is %x: %v", c.KeyID(), first.KeyID(), err)
	}
}
