package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/proto"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/secure"
	wiring "github.com/vipaso/vipasod/cmd/internal/backend"
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
	{
		name: "stolen-issuer-key", threat: "T10", play: stolenIssuerKey,
		must: "a forged pre-authorization is taken by a till that has not heard, and draws on nobody's money; when the key is withdrawn, tills refuse it, and what it signed for others goes on",
	},
}

// revokes ends a villain's device at the backend.
func (s *stage) revokes(v *villain) {
	s.withAdmin(func(ctx context.Context, a backend.Admin) error {
		return a.RevokeDevice(ctx, preauth.ID(v.Cert.Body.DeviceId))
	})
	s.say("%s is revoked", v.name)
}

// issuerKey is what somebody finds who has copied the backend's files.
func (s *stage) issuerKey() *ecdsa.PrivateKey {
	b, err := os.ReadFile(filepath.Join(s.host.books(), "issuer-key.pem"))
	s.check(err, "copy the issuer key")
	block, _ := pem.Decode(b)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	s.check(err, "read the issuer key")
	return key.(*ecdsa.PrivateKey)
}

// withdraws takes an issuer key back.
func (s *stage) withdraws(key *ecdsa.PrivateKey) {
	s.withAdmin(func(ctx context.Context, a backend.Admin) error {
		_, err := wiring.WithdrawIssuer(ctx, s.host.books(), a, preauth.PublicKeyOf(&key.PublicKey).KeyID(), "copied by somebody")
		return err
	})
	s.say("the issuer key is withdrawn")
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

func stolenIssuerKey(s *stage) string {
	key, b := s.issuerKey(), s.bea.turns()
	rich := proto.CloneOf(b.cert().Body)
	rich.Limit, rich.PaymentMax, rich.Guarantee = 1_000_000_00, 1_000_000_00, 1_000_000_00
	forged, err := preauth.Sign(key, rich)
	s.check(err, "forge a pre-authorization")
	answer := func(q preauth.Request) preauth.Voucher {
		v, err := b.Voucher(forged, q, nil)
		s.check(err, "sign a voucher")
		return v
	}

	first := s.till.asks("12.00 USD")
	x := b.accepts()
	q := x.asked()
	voucher := answer(q)
	x.says(secure.Payment, payment(voucher.Bytes, forged.Bytes))
	receipt := x.hears(secure.Receipt)
	x.leaves()
	first.ends("SUCCESSFUL PROVISIONAL, 12.00 guaranteed, 0.00 at risk") // as the forged certificate says
	word := b.submits(&backendv1.Item{Request: q.Bytes, PreauthCert: forged.Bytes, Voucher: voucher.Bytes, Receipt: receipt})
	s.want("the backend, of what the till took", word, "PREAUTH_NOT_FOUND")
	s.creditedIs(first, "0.00")

	s.withdraws(key)
	old := s.till.epoch()
	for _, p := range []*party{s.till, s.ann} {
		p.goesOnline()
		p.synchronizes()
		p.goesOffline()
	}
	second := s.till.asks("12.00 USD")
	device := b.isTurnedAway()
	s.want("the till, of a device certificate of that key", device, "ALERT IDENTITY")
	s.till.cancels(second)
	second.ends("CANCELLED USER")
	b.renews() // Bea's device is genuine
	code := b.isRefused(func() *sale { return s.till.asks("12.00 USD") }, func(q preauth.Request) ([]byte, []byte) {
		return answer(q).Bytes, forged.Bytes
	})
	s.want("the till, of a forged pre-authorization", code, "CERT_INVALID")
	s.check(b.Radio.Close(), "leave the air")
	s.ann.paysHonestly("12.00 USD", provisional12) // with what that key had signed for her
	s.till.givesBack(first)                        // the loss is the shop's
	return fmt.Sprintf("taken once while the till had epoch %d, and the backend pays 0.00: %s; with %d device %s, money %s; Ann's money of before pays",
		old, word, s.till.epoch(), device, code)
}

// renews gets the device's certificates of today.
func (v *villain) renews() {
	ctx, cancel := v.limit()
	defer cancel()
	v.check(v.Renew(ctx, func(ctx context.Context) (net.Conn, error) { return v.host.reach(ctx) }), "%s renews", v.name)
}
