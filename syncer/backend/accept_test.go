package backend

import (
	"os"
	"testing"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// put puts an older copy of the books back, accepts it and serves from it.
func (s *street) put(early []byte) {
	s.t.Helper()
	s.close()
	overwrite(s.t, s.path, string(early))
	cupboard{s.t, s.path}.accept(true)
	s.open(Options{})
	for _, p := range []*party{s.till, s.second, s.other, s.phone} {
		p.connect()
	}
}

// copied closes the books and returns the whole of them.
func (s *street) copied() []byte {
	s.t.Helper()
	s.close()
	b, err := os.ReadFile(s.path)
	must(s.t, err)
	s.open(Options{})
	for _, p := range []*party{s.till, s.second, s.other, s.phone} {
		p.connect()
	}
	return b
}

func (d *party) epoch() uint64 {
	d.b.t.Helper()
	resp, err := d.calls.Refresh(d.b.ctx, &backendv1.RefreshRequest{})
	must(d.b.t, err)
	bundle, err := preauth.Open[*peerv1.TrustBundle](resp.TrustBundle)
	must(d.b.t, err)
	return bundle.Body.Epoch
}

// TestDevicesGoOnAfterAnAcceptedCopy: what the copy has forgotten comes in
// again, once; and whatever is numbered since is numbered after all that the
// lost books gave away, so that devices take it. The same copy may be put back
// again.
func TestDevicesGoOnAfterAnAcceptedCopy(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 100_00)
	early := s.copied()
	for range 2 {
		kept, reversed, another := w.sale(s.till, 20_00), w.sale(s.till, 10_00), w.sale(s.till, 5_00)
		s.till.expect(kept.claim(), settled(20_00))
		s.till.expect(reversed.claim(), settled(10_00))
		s.till.expect(reversed.undo().cancelled(), cancelled)
		_, to := s.till.changed(0)
		lost := s.phone.preauthorize(s.card, 50_00)
		s.void(lost)
		epoch := s.till.epoch()

		s.put(early)
		if got := s.till.epoch(); got <= epoch {
			t.Errorf("bundle %d after %d", got, epoch)
		}
		if got := s.phone.preauthorize(s.card, 50_00).cert.Body.Serial; got <= lost.cert.Body.Serial {
			t.Errorf("serial %d after %d", got, lost.cert.Body.Serial)
		}
		s.till.expect(reversed.claim(), settled(10_00))
		s.till.expect(reversed.cancelled(), cancelled)
		s.till.expect(kept.claim(), settled(20_00))
		s.till.expect(kept.claim(), settled(20_00))
		s.till.expect(another.claim(), settled(5_00))
		s.till.expect(another.undo().cancelled(), cancelled)
		s.till.learns("what is new", to, cancelled, cancelled)
		if got := s.owed(s.till.owner); got != 20_00 {
			t.Errorf("the shop is owed %d", got)
		}
	}
}

// last is the highest number that a verdict has.
func (s *street) last() (n int64) {
	s.t.Helper()
	must(s.t, s.store.Read(s.ctx, func(t Tx) error {
		_, err := t.one(`SELECT coalesce(max(seq), 0) FROM verdicts`, nil, &n)
		return err
	}))
	return n
}

// TestVerdictNumbersAfterACopyOfAnAcceptedCopy: a copy that was made of
// accepted books before their first verdict has forgotten, when it is put back,
// verdicts from the number on that was set aside for that.
func TestVerdictNumbersAfterACopyOfAnAcceptedCopy(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 100_00)
	early := s.copied()
	for range 3 {
		s.till.expect(w.sale(s.till, 1_00).claim(), settled(1_00))
	}
	s.put(early)
	accepted := s.copied()
	s.till.expect(w.sale(s.till, 2_00).claim(), settled(2_00))
	given := s.last()

	s.put(accepted)
	s.till.expect(w.sale(s.till, 3_00).claim(), settled(3_00))
	if got := s.last(); got <= given { // the only one that is there
		t.Errorf("verdict %d after %d", got, given)
	}
}

// TestWhatAnAcceptedCopyLoses: a reversal that the copy has forgotten does not
// come by itself, and what a forgotten claim held is the customer's once its
// settle_by has passed.
func TestWhatAnAcceptedCopyLoses(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 100_00)
	reversed := w.sale(s.till, 10_00)
	s.till.expect(reversed.claim(), settled(10_00))
	early := s.copied()
	s.till.expect(reversed.undo().cancelled(), cancelled)
	lost := w.sale(s.till, 20_00)
	s.till.expect(lost.claim(), settled(20_00))

	s.put(early)
	s.advance(60 * day)
	must(t, s.server.Sweep(s.ctx))
	if s.owed(s.till.owner) != 10_00 || s.free(s.card) != 490_00 {
		t.Errorf("the shop is owed %d, the card has %d", s.owed(s.till.owner), s.free(s.card))
	}
}
