package backend

import (
	"errors"
	"testing"

	"github.com/vipaso/vipasod/preauth"
)

// exported returns the only evidence as it is listed, and as somebody finds it
// who knows a root key.
func (s *street) exported(t *testing.T, root preauth.PublicKey) (Proven, preauth.DoubleSpend) {
	t.Helper()
	all, err := s.admin.Evidence(s.ctx)
	must(t, err)
	if len(all) != 1 {
		t.Fatalf("%d are listed", len(all))
	}
	e, err := s.server.ExportEvidence(s.ctx, all[0].ID)
	must(t, err)
	got, err := preauth.VerifyEvidence(root, e)
	must(t, err)
	return all[0], got
}

// What the backend accuses a device of, anyone can verify from the root key
// alone, also after all keys have changed.
func TestEvidenceIsVerifiedByAnyone(t *testing.T) {
	tests := []struct {
		kind    string
		counter uint32
		spend   func(*street, *wallet)
		total   int64
	}{
		{preauth.SameCounter, 1, func(s *street, w *wallet) {
			again := *w
			s.till.submit(w.sale(s.till, 10_00).claim())
			s.other.submit(again.sale(s.other, 20_00).claim())
		}, 30_00},
		{preauth.OverLimit, 0, func(s *street, w *wallet) {
			s.till.submit(w.sale(s.till, 40_00).claim(), w.sale(s.other, 15_00).claim())
		}, 55_00},
	}
	for _, tt := range tests {
		t.Run(tt.kind, func(t *testing.T) {
			r := newRotor(t)
			root := preauth.PublicKeyOf(&r.authority.Root.PublicKey)
			w := r.phone.preauthorize(r.card, 50_00)
			tt.spend(r.street, w)
			for _, when := range []string{"at once", "after the keys have changed"} {
				listed, got := r.exported(t, root)
				if listed.Kind != tt.kind || listed.Device != r.phone.id || listed.Preauth != preauth.ID(w.cert.Body.PreauthId) || listed.Counter != tt.counter || !listed.At.Equal(r.now()) {
					t.Errorf("%s, listed %+v", when, listed)
				}
				if got.Kind != tt.kind || preauth.ID(got.Accused.Body.DeviceId) != r.phone.id || len(got.Vouchers) != 2 || got.Total != tt.total {
					t.Errorf("%s, proven %s by %x: %d vouchers of %d", when, got.Kind, got.Accused.Body.DeviceId, len(got.Vouchers), got.Total)
				}
				r.issuer(0)
				r.root()
			}
		})
	}
	s := newStreet(t)
	if _, err := s.server.ExportEvidence(s.ctx, 1); !errors.Is(err, ErrNotFound) {
		t.Errorf("of nothing: %v", err)
	}
	if all, err := s.admin.Evidence(s.ctx); err != nil || len(all) != 0 {
		t.Errorf("%+v: %v", all, err)
	}
}
