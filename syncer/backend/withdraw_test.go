package backend

import (
	"bytes"
	"crypto/ecdsa"
	"errors"
	"strings"
	"testing"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// present is the issuer key that signs now.
func (r *rotor) present() preauth.PublicKey {
	r.t.Helper()
	k, err := r.admin.SigningIssuer(r.ctx)
	must(r.t, err)
	return k
}

// withdraws takes a key back, with a spare at hand.
func (r *rotor) withdraws(key preauth.PublicKey) (w Withdrawal, spare preauth.PublicKey) {
	r.t.Helper()
	spare = r.add()
	w, err := r.admin.WithdrawIssuer(r.ctx, r.find, key.KeyID(), spare, "stolen")
	must(r.t, err)
	if w.Key != key || w.Reason != "stolen" || !w.At.Equal(r.now()) || w.Signs != r.present() || w.Made != (w.Signs == spare) {
		r.t.Errorf("withdrawn: %+v", w)
	}
	return w, spare
}

// The only key that there is can be withdrawn: a new one signs at once, and no
// bundle lists the one before.
func TestAnIssuerKeyIsWithdrawn(t *testing.T) {
	r := newRotor(t)
	stolen := r.present()
	before := r.wantIssuers("before", 1)
	r.admin.By = "olga"
	first, spare := r.withdraws(stolen)
	after := r.wantIssuers("at once", 1)
	if first.Signs != spare || first.By != "olga" || preauth.PublicKey(after.Bundle.Body.Issuers[0].PublicKey) != spare || after.Epoch() != before.Epoch()+1 {
		t.Errorf("%+v, epoch %d after %d", first, after.Epoch(), before.Epoch())
	}
	r.advance(time.Hour)
	r.admin.By = "somebody else"
	again, err := r.admin.WithdrawIssuer(r.ctx, r.find, stolen.KeyID(), r.add(), "again")
	must(t, err)
	first.Made = false // that time
	if again != first {
		t.Errorf("again: %+v, not %+v", again, first)
	}
	must(t, r.server.Sweep(r.ctx))
	if got := r.wantIssuers("again", 1); got.Epoch() != after.Epoch() {
		t.Errorf("epoch %d after it was done again", got.Epoch())
	}
	keys, err := r.admin.IssuerKeys(r.ctx)
	must(t, err)
	if len(keys) != 2 || keys[0].Public != spare || !keys[0].Signs || keys[1].Listed || keys[1].By != "olga" || keys[1].Reason != "stolen" || !keys[1].Withdrawn.Equal(start) {
		t.Errorf("keys: %+v", keys)
	}
	r.restart()
	if got := r.present(); got != spare {
		t.Errorf("started again: key %x signs", got.KeyID())
	}
	for _, reason := range []string{"", "two\nlines", strings.Repeat("a", reasonBytes+1)} {
		if _, err := r.admin.WithdrawIssuer(r.ctx, r.find, spare.KeyID(), r.add(), reason); !errors.Is(err, ErrInvalid) {
			t.Errorf("for %q: %v", reason, err)
		}
	}
	if _, err := r.admin.WithdrawIssuer(r.ctx, r.find, [8]byte{1}, r.add(), "unknown"); !errors.Is(err, ErrNotFound) {
		t.Errorf("an unknown key: %v", err)
	}
}

// What a withdrawn key has signed for honest devices they get anew, with the
// same bodies, so that vouchers of before and after settle alike.
func TestWhatAWithdrawnKeySignedIsSignedAnew(t *testing.T) {
	r := newRotor(t)
	stolen := r.authority.Issuer
	w := r.phone.preauthorize(r.card, 50_00)
	voided := r.phone.preauthorize(r.card, 10_00)
	_, err := r.phone.calls.VoidPreAuthorization(r.ctx, &backendv1.VoidPreAuthorizationRequest{RequestId: randomID(t), PreauthId: voided.cert.Body.PreauthId})
	must(t, err)
	early, late := w.sale(r.till, 10_00), w.sale(r.till, 5_00)
	r.till.expect(early.claim(), settled(10_00))
	now, _ := r.withdraws(preauth.PublicKeyOf(&stolen.PublicKey))

	trust := r.trust()
	if _, err := trust.PreauthCert(w.cert.Bytes, r.now()); !errors.Is(err, preauth.ErrIssuer) {
		t.Errorf("the certificate of before: %v", err)
	}
	resp, err := r.phone.calls.Refresh(r.ctx, &backendv1.RefreshRequest{})
	must(t, err)
	if len(resp.PreauthCerts) != 1 {
		t.Fatalf("%d certificates anew, want the one that can be spent", len(resp.PreauthCerts))
	}
	fresh, err := trust.PreauthCert(resp.PreauthCerts[0], r.now())
	if err != nil || fresh.KeyID() != now.Signs.KeyID() || fresh.Hash != w.cert.Hash {
		t.Errorf("anew by key %x, %v", fresh.KeyID(), err)
	}
	r.till.expect(late.claim(), settled(5_00)) // taken before the till knew
	w.cert = fresh
	r.till.expect(w.sale(r.till, 7_00).claim(), settled(7_00))

	got, err := r.till.calls.Query(r.ctx, &backendv1.QueryRequest{RequestHashes: [][]byte{early.request.Hash[:]}})
	must(t, err)
	if v, err := trust.Verdict(got.Verdicts[0]); err != nil || v.Body.Amount != 10_00 {
		t.Errorf("the verdict of before: %v", err)
	}
	for _, d := range []*party{r.till, r.phone} {
		renewed, err := d.calls.Renew(r.ctx, &backendv1.RenewRequest{})
		must(t, err)
		if c, err := trust.GenuineDevice(renewed.DeviceCert); err != nil || c.KeyID() != now.Signs.KeyID() {
			t.Errorf("certificate of device %s: %v", d.id, err)
		}
		again, err := d.calls.Renew(r.ctx, &backendv1.RenewRequest{})
		must(t, err)
		if !bytes.Equal(again.DeviceCert, renewed.DeviceCert) {
			t.Errorf("device %s is certified anew each time", d.id)
		}
	}
	w.cert.Body.Limit, w.cert.Body.PaymentMax = 400_00, 400_00
	w.cert, err = preauth.Sign(stolen, w.cert.Body)
	must(t, err)
	r.till.expect(w.sale(r.till, 200_00).claim(), says{outcome: "UNJUDGED", reason: "PREAUTH_NOT_FOUND"})
	r.advance(preauthLife)
	if resp, err = r.phone.calls.Refresh(r.ctx, &backendv1.RefreshRequest{}); err != nil || len(resp.PreauthCerts) != 0 {
		t.Errorf("after spend_by: %d certificates anew, %v", len(resp.PreauthCerts), err)
	}
}

// A call that is repeated after the withdrawal gets what can be verified then.
func TestRepeatedCallsAreAnsweredByThePresentKey(t *testing.T) {
	r := newRotor(t)
	code, err := r.admin.EnrollCode(r.ctx, Party{Customer: r.phone.owner}, time.Hour)
	must(t, err)
	tablet := &party{b: r.bench, key: newKey(t), noise: random32(t), owner: r.phone.owner}
	enroll := backendv1.NewEnrollmentServiceClient(r.dial(nil, nil))
	ask := &backendv1.PreAuthorizeRequest{RequestId: randomID(t), InstrumentId: r.card[:], Amount: 20_00, Currency: "USD"}
	for range 2 {
		enrolled, err := enroll.Enroll(r.ctx, tablet.enrollment(code, peerv1.Role_ROLE_CUSTOMER))
		must(t, err)
		tablet.accept(enrolled)
		issued, err := tablet.calls.PreAuthorize(r.ctx, ask)
		must(t, err)
		trust := r.trust()
		if c, err := trust.GenuineDevice(enrolled.DeviceCert); err != nil || preauth.ID(c.Body.DeviceId) != tablet.id {
			t.Errorf("enrolled: %v", err)
		}
		if _, err := trust.GenuinePreauth(issued.PreauthCert); err != nil {
			t.Errorf("pre-authorized: %v", err)
		}
		r.withdraws(r.present())
	}
}

// Whoever has an issuer key can write enrollment tokens, for anybody, until it
// is withdrawn.
func TestATokenOfAWithdrawnKeyEnrollsNobody(t *testing.T) {
	r := newRotor(t)
	thief := &party{b: r.bench, key: newKey(t), noise: random32(t)}
	public := preauth.PublicKeyOf(&thief.key.PublicKey)
	enroll := backendv1.NewEnrollmentServiceClient(r.dial(nil, nil))
	by := func(issuer *ecdsa.PrivateKey) error {
		token, err := EnrollToken(issuer, Party{Customer: r.phone.owner}, public, r.now().Add(time.Hour))
		must(t, err)
		req := thief.enrollment(token, peerv1.Role_ROLE_CUSTOMER)
		req.Credential = &backendv1.EnrollRequest_Token{Token: token}
		_, err = enroll.Enroll(r.ctx, req)
		return err
	}
	_, spare := r.withdraws(preauth.PublicKeyOf(&r.authority.Issuer.PublicKey))
	wantReason(t, by(r.authority.Issuer), "CODE_INVALID")
	must(t, by(r.keys[spare]))
}

// A key that is listed already and waits takes over at once: devices with an
// older bundle know it.
func TestAWaitingKeyTakesOver(t *testing.T) {
	r := newRotor(t)
	stolen := r.issuer(0) // beside an earlier key, which must not sign again
	soon, later := r.issuer(IssuerOverlap), r.issuer(2*IssuerOverlap)
	known := r.wantIssuers("before", 4)
	w, _ := r.withdraws(stolen)
	if w.Signs != soon || w.Made {
		t.Errorf("key %x signs, not %x: made %v", w.Signs.KeyID(), soon.KeyID(), w.Made)
	}
	fresh := r.phone.preauthorize(r.card, 10_00)
	if _, err := known.PreauthCert(fresh.cert.Bytes, r.now()); err != nil || fresh.cert.Body.MinEpoch > known.Epoch() {
		t.Errorf("with the bundle of before: epoch %d asked, %v", fresh.cert.Body.MinEpoch, err)
	}
	r.wantIssuers("then", 3)
	r.advance(2 * IssuerOverlap)
	must(t, r.server.Sweep(r.ctx))
	if got := r.present(); got != later {
		t.Errorf("afterwards key %x signs", got.KeyID())
	}
	r.till.expect(fresh.sale(r.till, 1_00).claim(), settled(1_00))
}

// Keys that do not sign can be withdrawn, too: one that waits, and one that
// signs no more but is listed still.
func TestWithdrawnKeysThatDoNotSign(t *testing.T) {
	r := newRotor(t)
	first, waits := r.present(), r.issuer(IssuerOverlap)
	if w, _ := r.withdraws(waits); w.Signs != first {
		t.Errorf("key %x signs instead of %x", w.Signs.KeyID(), first.KeyID())
	}
	r.advance(2 * IssuerOverlap)
	must(t, r.server.Sweep(r.ctx))
	keys, err := r.admin.IssuerKeys(r.ctx)
	must(t, err)
	if r.present() != first || !keys[1].Until.Equal(r.authority.IssuerUntil) {
		t.Errorf("when the other would have begun: key %x signs, %+v", r.present().KeyID(), keys)
	}
	next := r.issuer(0)
	must(t, r.server.Sweep(r.ctx))
	old := r.wantIssuers("replaced", 2)
	if w, _ := r.withdraws(first); w.Signs != next {
		t.Errorf("key %x signs instead of %x", w.Signs.KeyID(), next.KeyID())
	}
	if got := r.wantIssuers("replaced and withdrawn", 1); got.Epoch() != old.Epoch()+1 {
		t.Errorf("epoch %d after %d", got.Epoch(), old.Epoch())
	}
}

// A rotation that is to count at once does, also while a key waits.
func TestAnImmediateRotationWaitsForNobody(t *testing.T) {
	r := newRotor(t)
	first, waits := r.present(), r.issuer(IssuerOverlap)
	now := r.issuer(0)
	if got := r.present(); got != now {
		t.Errorf("key %x signs, not %x", got.KeyID(), now.KeyID())
	}
	if again := r.issuer(0); r.present() != again {
		t.Errorf("key %x signs, not %x", r.present().KeyID(), again.KeyID())
	}
	r.wantIssuers("then", 3)
	r.advance(2 * IssuerOverlap)
	must(t, r.server.Sweep(r.ctx))
	keys, err := r.admin.IssuerKeys(r.ctx)
	must(t, err)
	for _, k := range keys {
		switch k.Public {
		case waits:
			if k.Listed || k.Signs || !strings.Contains(k.Reason, "replaced") {
				t.Errorf("the one that waited: %+v", k)
			}
		case first, now:
			if end := start.Add(certLife); k.Signs || k.Until.Before(end) || k.Until.After(end.AddDate(0, 2, 0)) {
				t.Errorf("one that is replaced: %+v", k)
			}
		}
	}
	r.issuer(2 * IssuerOverlap)
	sooner := r.issuer(IssuerOverlap)
	if r.advance(IssuerOverlap); r.present() != sooner {
		t.Errorf("key %x signs, not the one that was made to", r.present().KeyID())
	}
}

// Books that no server has used yet have no keys to replace or to list.
func TestKeysOfBooksThatNobodyUsed(t *testing.T) {
	r := newRotor(t)
	store, err := Open(t.Context(), "sqlite:"+t.TempDir()+"/new.db")
	must(t, err)
	a := Admin{Store: store, Now: r.now}
	if _, err := a.RotateIssuer(t.Context(), r.add(), 0); !errors.Is(err, ErrNotFound) {
		t.Errorf("rotate: %v", err)
	}
	if _, err := a.SigningIssuer(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Errorf("sign: %v", err)
	}
	for what, list := range map[string]func() ([]Key, error){
		"issuer": func() ([]Key, error) { return a.IssuerKeys(t.Context()) },
		"root":   func() ([]Key, error) { return a.RootKeys(t.Context()) },
	} {
		if keys, err := list(); err != nil || len(keys) != 0 {
			t.Errorf("%s keys: %v, %v", what, keys, err)
		}
	}
	must(t, store.Close())
}

func TestRootKeysAreListed(t *testing.T) {
	r := newRotor(t)
	first := preauth.PublicKeyOf(&r.authority.Root.PublicKey)
	r.advance(time.Hour)
	for range preauth.HandoversMax + 1 {
		r.root()
	}
	keys, err := r.admin.RootKeys(r.ctx)
	must(t, err)
	if n := preauth.HandoversMax + 2; len(keys) != n || keys[n-1].Public != first || !keys[n-1].From.Equal(start) || !keys[0].From.Equal(r.now()) {
		t.Fatalf("keys: %+v", keys)
	}
	for i, k := range keys {
		if k.Signs != (i == 0) || k.Listed != (i <= preauth.HandoversMax) {
			t.Errorf("key %d: %+v", i, k)
		}
	}
}

// forge certifies the device of an honest till, with a key of the thief's own,
// by an issuer key that somebody else has.
func (r *rotor) forge(by *ecdsa.PrivateKey, honest *party) *party {
	r.t.Helper()
	f := &party{b: r.bench, key: newKey(r.t), id: honest.id, owner: honest.owner}
	genuine, err := preauth.Open[*peerv1.DeviceCert](honest.cert)
	must(r.t, err)
	public, noise := preauth.PublicKeyOf(&f.key.PublicKey), random32(r.t)
	genuine.Body.SigningKey, genuine.Body.NoiseKey = public[:], noise[:]
	forged, err := preauth.Sign(by, genuine.Body)
	must(r.t, err)
	f.cert = forged.Bytes
	return f
}

// TestAForgedTillTakesNothing: whoever has an issuer key can certify a till of
// an honest business. Nothing that till asks for is taken into the books, so
// that it uses up nothing of what the honest one is owed either.
func TestAForgedTillTakesNothing(t *testing.T) {
	r := newRotor(t)
	thief := r.forge(r.authority.Issuer, r.till)
	w := r.phone.preauthorize(r.card, 50_00)
	honest := w.sale(r.till, 40_00)
	for range 3 {
		r.phone.expect(w.sale(thief, 1_00).claim(), says{outcome: "UNJUDGED", reason: reasonTill})
	}
	bound := thief.ask(5_00)
	_, err := r.phone.calls.PreAuthorize(r.ctx, &backendv1.PreAuthorizeRequest{
		RequestId: randomID(t), InstrumentId: r.card[:], Amount: 5_00, Currency: "USD", BoundRequest: bound.request.Bytes,
	})
	if got := reasonOf(err); got != "REQUEST_INVALID" {
		t.Errorf("set aside for a forged till: %v", err)
	}
	r.till.expect(honest.claim(), settled(40_00))
	if n := r.owed(r.till.owner); n != 40_00 {
		t.Errorf("the till is owed %d", n)
	}
}

// TestAWaitingKeyWithoutItsFileIsPassedOver: the first key in waiting cannot
// take over from the one that is withdrawn, because its private half is lost.
func TestAWaitingKeyWithoutItsFileIsPassedOver(t *testing.T) {
	r := newRotor(t)
	lost := r.issuer(time.Hour)
	delete(r.keys, lost)
	spare := r.add()
	w, err := r.admin.WithdrawIssuer(r.ctx, r.find, r.present().KeyID(), spare, "stolen")
	must(t, err)
	if !w.Made || w.Signs != spare {
		t.Errorf("%x signs, want the spare %x", w.Signs.KeyID(), spare.KeyID())
	}
	r.phone.preauthorize(r.card, 5_00)
}
