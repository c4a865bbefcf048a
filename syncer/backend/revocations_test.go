package backend

import (
	"errors"
	"slices"
	"testing"

	"github.com/vipaso/vipasod/preauth"
)

// voidMany lists n voids, numbered from first, as if customers had made them.
func (b *bench) voidMany(first, n uint64) {
	b.t.Helper()
	must(b.t, b.store.Write(b.ctx, func(t Tx) error {
		for i := range n {
			if err := t.listVoided(first+i, b.now().Add(15*day)); err != nil {
				return err
			}
		}
		return nil
	}))
}

func TestVoidsDoNotFlushRevocations(t *testing.T) {
	for _, how := range []string{"by an operator", "by evidence", "of one voided before"} {
		t.Run(how, func(t *testing.T) {
			s := newStreet(t)
			w := s.phone.preauthorize(s.card, 50_00)
			other := w
			switch how {
			case "by an operator":
				must(t, s.admin.RevokeDevice(s.ctx, s.phone.id))
			case "by evidence":
				other = s.phone.preauthorize(s.card, 50_00)
				clone := *w
				s.till.submit(w.sale(s.till, 10_00).claim(), clone.sale(s.other, 20_00).claim())
			default:
				s.void(w)
				must(t, s.admin.RevokeDevice(s.ctx, s.phone.id))
			}
			s.voidMany(10_000, serialsMax+1)
			trust := s.refresh(s.second)
			for _, x := range []*wallet{w, other} {
				if _, err := trust.PreauthCert(x.cert.Bytes, s.now()); !errors.Is(err, preauth.ErrVoided) {
					t.Errorf("a till judges the revoked one: %v", err)
				}
			}
			if !slices.ContainsFunc(trust.Bundle.Body.RevokedDevices, func(b []byte) bool { return preauth.ID(b) == s.phone.id }) {
				t.Error("the device is not listed")
			}
			serials := trust.Bundle.Body.RevokedSerials
			if len(serials) != serialsMax || serials[len(serials)-1] != 10_000+serialsMax {
				t.Errorf("%d serials, the last is %d", len(serials), serials[len(serials)-1])
			}
		})
	}
}

// Of what is bound to a request there can be any number, so it must not take
// the room of what can be spent anywhere.
func TestBoundOnesDoNotFlushRevocations(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 1_00)
	resp, err := s.bound(s.till.ask(1_00), 1_00, "USD")
	must(t, err)
	bound := s.phone.wallet(resp.PreauthCert)
	must(t, s.admin.RevokeDevice(s.ctx, s.phone.id))
	s.count(t, "bound ones listed as voided", `SELECT count(*) FROM revocations WHERE kind = 'VOIDED'`, 1)
	s.count(t, "unbound ones listed as revoked", `SELECT count(*) FROM revocations WHERE kind = 'REVOKED' AND serial IS NOT NULL`, 1)
	trust := s.refresh(s.second)
	for _, x := range []*wallet{w, bound} {
		if _, err := trust.PreauthCert(x.cert.Bytes, s.now()); !errors.Is(err, preauth.ErrVoided) {
			t.Errorf("a till judges it: %v", err)
		}
	}
}

func TestSerialsOfABundle(t *testing.T) {
	run := func(from, n uint64) (all []uint64) {
		for i := range n {
			all = append(all, from+i)
		}
		return all
	}
	tests := []struct {
		name            string
		revoked, voided []uint64
		want            []uint64
	}{
		{"none", nil, nil, nil},
		{"all fit", []uint64{7}, []uint64{1, 2}, []uint64{7, 1, 2}},
		{"the oldest void goes", []uint64{7}, run(100, serialsMax), append([]uint64{7}, run(101, serialsMax-1)...)},
		{"no room for voids", run(1, serialsMax), run(5000, 3), run(1, serialsMax)},
		{"too many revoked", run(1, serialsMax+1), run(5000, 3), run(2, serialsMax)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := (revocations{revoked: tt.revoked, voided: tt.voided}).serials(); !slices.Equal(got, tt.want) {
				t.Errorf("got %d: %.40v", len(got), got)
			}
		})
	}
}

// However many voids there are, a bundle reads those that it can list.
func TestABundleReadsTheNewestVoids(t *testing.T) {
	b := newBench(t, Options{})
	const more = 10
	b.voidMany(10_000, serialsMax+more)
	must(t, b.store.Read(b.ctx, func(tx Tx) error {
		all, err := tx.revocations()
		if n := len(all.voided); n != serialsMax || all.voided[0] != 10_000+more || all.voided[n-1] != 10_000+more+serialsMax-1 {
			t.Errorf("%d voids were read: %.40v", n, all.voided)
		}
		return err
	}))
}
