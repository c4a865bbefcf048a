package main

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/syncer/backend"
)

// trustAttacks live on what others have not heard yet.
var trustAttacks = []attack{
	{
		name: "stale-bundle", threat: "T10", play: staleBundle,
		must: "an older or forged trust bundle is not taken, and a till that has not heard the backend for days takes no voucher",
	},
	{
		name: "revoked-device", threat: "T10", play: revokedDevice,
		must: "not prevented while nobody near knows; whoever was online brings the revocation, and from then on it is refused",
	},
}

// revokes ends a villain's device at the backend.
func (s *stage) revokes(v *villain) {
	s.withAdmin(func(ctx context.Context, a backend.Admin) error {
		return a.RevokeDevice(ctx, preauth.ID(v.Cert.Body.DeviceId))
	})
	s.say("%s is revoked", v.name)
}

// epoch is that of the trust bundle the device holds.
func (p *party) epoch() uint64 {
	return p.status().GetBackend().GetBundleEpoch()
}

func staleBundle(s *stage) string {
	b, k := s.bea.turns(), s.kiosk.turns()
	old := s.till.epoch()
	s.revokes(k)
	s.till.goesOnline()
	s.till.synchronizes()
	s.till.goesOffline()
	now := s.till.epoch()
	if now <= old {
		s.fail("the till's trust bundle is of epoch %d, after %d", now, old)
	}

	p := s.till.asks("12.00 USD")
	x := b.accepts()
	x.asked()
	x.says(secure.BundlePart, encode(&peerv1.BundlePart{Epoch: now + 1, Count: 1, Part: b.Trust.Bundle.Bytes}))
	x.leaves()
	y := b.accepts()
	forged := proto.CloneOf(b.Trust.Bundle.Body)
	forged.Epoch = now + 1
	y.says(secure.BundlePart, encode(&peerv1.BundlePart{Epoch: now + 1, Count: 1, Part: sealed(b, forged)}))
	word := y.ends()
	s.want("a forged bundle", word, "ALERT PROTOCOL")
	s.want("the till's epoch", fmt.Sprint(s.till.epoch()), fmt.Sprint(now))
	s.till.cancels(p)
	p.ends("CANCELLED USER")

	s.till.setsClock(4 * 24 * time.Hour)
	code := b.isRefused(func() *sale { return s.till.asks("12.00 USD") }, func(q preauth.Request) ([]byte, []byte) {
		return b.voucher(q, nil).Bytes, b.cert().Bytes
	})
	s.want("a voucher, 4 days after the till last heard the backend", code, "BUNDLE_STALE")
	s.till.setsClock(0)
	return fmt.Sprintf("an older bundle is ignored, a forged one %s, epoch stays %d; after 4 days: %s", word, now, code)
}

func revokedDevice(s *stage) string {
	b := s.bea.turns()
	old := s.till.epoch()
	s.revokes(b)
	first := b.pays(s.till, "5.00 USD", 1, nil) // nobody near knows
	first.ends("SUCCESSFUL PROVISIONAL, 5.00 guaranteed, 0.00 at risk")
	s.check(b.Radio.Close(), "leave the air")

	s.ann.goesOnline()
	s.ann.synchronizes()
	s.ann.goesOffline()
	s.ann.paysHonestly("12.00 USD", provisional12)
	s.till.awaitsStatus(func(d *devicev1.Status) bool { return d.GetBackend().GetBundleEpoch() > old })
	s.say("the till has Ann's trust bundle, with no network")
	s.ann.stopsListening()
	s.part()

	b.Radio = s.host.air().Join("rogue")
	second := s.till.asks("5.00 USD")
	word := b.isTurnedAway()
	s.want("the till", word, "ALERT IDENTITY")
	s.till.cancels(second)
	second.ends("CANCELLED USER")
	s.till.goesOnline()
	s.till.becomes(first, "SETTLED")
	s.creditedIs(first, "5.00")
	return fmt.Sprintf("accepted once while the till had epoch %d, and settled; with %d, from Ann over the air: %s", old, s.till.epoch(), word)
}
