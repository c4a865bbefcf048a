package device

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/preauth"
)

// TestNothingOnTheAirNamesTheCustomer: over payments at two tills, a lost link,
// a resumption, restarts and hours of waiting, somebody who hears everything
// finds nothing that recurs, and nothing that is the customer's.
func TestNothingOnTheAirNamesTheCustomer(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		r.ears = &ears{name: "annabella"}
		tills := []*party{r.till("first"), r.till("second")}
		ann, card := r.payer("annabella", "40.00")
		setOffline(true, append(tills, ann)...)
		r.cut = true
		for n := range 3 {
			r.pays(tills[n%2], ann, "1.00", card)
			if n == 1 {
				ann = ann.restart()
			}
		}
		events := ann.listen(r.ctx)
		result := tills[0].request("2.00", offline)
		asked := r.received(events)
		stop := r.silence()
		ann.accept(asked, card)
		ann = ann.restart()
		stop() // the voucher goes out in a session that was resumed
		if got := r.result(result); got.GetPaymentSuccessful() == nil {
			t.Fatal(got)
		}
		ann.reaches(asked.PaymentId, provisional)
		ann.listen(r.ctx)
		<-time.After(time.Hour)
		r.pays(tills[1], ann, "1.00", card)
		mine := ann.secrets(card)
		var public [][]byte
		for _, till := range tills {
			public = append(public, till.identity().DeviceCert)
		}
		ann.stop()

		r.ears.mu.Lock()
		defer r.ears.mu.Unlock()
		t.Logf("%d advertisements, %d messages of the customer's, %d to it", len(r.ears.ads), len(r.ears.said), len(r.ears.told))
		if len(r.ears.ads) < 10 || len(r.ears.said) < 12 || len(r.ears.told) < 12 {
			t.Fatalf("%d advertisements, %d messages of the customer's, %d to it: too few to say anything", len(r.ears.ads), len(r.ears.said), len(r.ears.told))
		}
		r.ears.recurs(t, identifiers(t, r.ears.ads))
		r.ears.hasNone(t, mine, public)
	})
}

// identifiers checks that advertisements differ in nothing but flags and
// identifier, that an address comes with one identifier and the reverse, and
// returns both.
func identifiers(t *testing.T, ads []heardAd) (all [][]byte) {
	t.Helper()
	plain := link.Beacon{Version: secure.VersionMax, BaseHandle: link.DefaultBaseHandle}.Encode()
	for i, a := range ads {
		b, err := link.DecodeBeacon([]byte(a.data))
		if err != nil {
			t.Fatal(err)
		}
		eid := b.EID
		all = append(all, eid[:], a.bytes())
		if b.EID, b.Resume = (link.EID{}), false; string(b.Encode()) != string(plain) || a.read != ads[0].read {
			t.Errorf("advertisement %x, read value %x", a.data, a.read)
		}
		for _, o := range ads[:i] {
			if (o.address == a.address) != (o.data == a.data) {
				t.Errorf("advertisements %x and %x came from %s and %s", o.data, a.data, o.address, a.address)
			}
		}
	}
	return all
}

// bytes is the address as it is sent.
func (a heardAd) bytes() []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(a.address, ":", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// windows are the strings of n bytes in b.
func windows(b []byte, n int) map[string]bool {
	all := map[string]bool{}
	for i := range len(b) - n + 1 {
		all[string(b[i:i+n])] = true
	}
	return all
}

// recurs finds what occurs in several of the things that the device has said:
// eight bytes in two of them or four in three. Four in two happen by chance,
// once in about a hundred runs.
func (e *ears) recurs(t *testing.T, identifiers [][]byte) {
	t.Helper()
	for n, most := range map[int]int{8: 1, 4: 2} {
		in := map[string]int{}
		for _, b := range slices.Concat(e.said, identifiers) {
			for w := range windows(b, n) {
				if in[w]++; in[w] == most+1 {
					t.Errorf("%x (%q) is on the air %d times", w, w, in[w])
				}
			}
		}
	}
}

// hasNone finds what is the customer's in what was heard: eight bytes once, or
// the same four twice. What is public, such as the tills' certificates, is
// everybody's.
func (e *ears) hasNone(t *testing.T, mine, public [][]byte) {
	t.Helper()
	var heard [][]byte
	for _, a := range e.ads {
		heard = append(heard, []byte(a.data), a.bytes())
	}
	heard = slices.Concat(heard, e.said, e.told)
	for n, most := range map[int]int{8: 0, 4: 1} {
		known, seen := map[string]bool{}, map[string]int{}
		for _, b := range public {
			maps.Copy(known, windows(b, n))
		}
		for _, b := range heard {
			for w := range windows(b, n) {
				seen[w]++
			}
		}
		for _, b := range mine {
			for w := range windows(b, n) {
				if seen[w] > most && !known[w] {
					t.Errorf("%x (%q) of the customer's is on the air", w, w)
				}
			}
		}
	}
}

// secrets is what tells this customer from others, and hashes of it.
func (p *party) secrets(instrument string) (all [][]byte) {
	p.rig.t.Helper()
	id, c := p.identity(), p.cert()
	device := preauth.ID(c.DeviceId)
	card, err := preauth.ParseID(instrument)
	p.rig.must(err)
	keyID := preauth.PublicKey(c.SigningKey).KeyID()
	all = [][]byte{
		[]byte(p.name), id.DeviceCert, id.TLSCert, device[:], []byte(device.String()), []byte(hex.EncodeToString(device[:])),
		c.SigningKey, c.NoiseKey, keyID[:], card[:], []byte(instrument),
	}
	for _, a := range p.preauths() {
		all = append(all, a.Cert.Bytes, a.Cert.Body.PreauthId, a.Cert.Body.OwnerRef, a.Cert.Hash[:])
	}
	for _, s := range all {
		sum := sha256.Sum256(s)
		all = append(all, sum[:])
	}
	return all
}
