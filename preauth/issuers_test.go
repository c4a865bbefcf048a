package preauth

import (
	"errors"
	"fmt"
	"testing"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// handover is the old root's word that the new one follows it.
func handover(t testing.TB, old, next string) []byte {
	t.Helper()
	k := testPub(next)
	return mustSign(t, old, &peerv1.RootHandover{RootKey: k[:], TimeMs: noon.UnixMilli()}).Bytes
}

// handovers lead through the roots in that order.
func handovers(t testing.TB, roots ...string) (all [][]byte) {
	t.Helper()
	for i := range len(roots) - 1 {
		all = append(all, handover(t, roots[i], roots[i+1]))
	}
	return all
}

func issuerCert(t testing.TB, root, issuer string) []byte {
	t.Helper()
	k := testPub(issuer)
	return mustSign(t, root, &peerv1.IssuerKey{PublicKey: k[:], NotBeforeMs: 1, NotAfterMs: noon.UnixMilli()}).Bytes
}

// rotations are ways from the root key that a device knows, with what comes of
// a bundle or of issuers that signer signed at their end.
func rotations(t testing.TB) []rotation {
	altered := handovers(t, "root", "root 2")
	altered[0] = lastBit(altered[0])
	forged := handovers(t, "root", "root 2")
	forged = append(forged, handover(t, "stranger", "root 3"))
	var long []string
	for i := range HandoversMax + 1 {
		long = append(long, fmt.Sprint("root ", i))
	}
	return []rotation{
		{"none", "root", nil, "root", nil},
		{"one", "root", handovers(t, "root", "root 2"), "root 2", nil},
		{"two", "root", handovers(t, "root", "root 2", "root 3"), "root 3", nil},
		{"as many as there may be", "root 0", handovers(t, long...), long[HandoversMax], nil},
		{"the second of two", "root 2", handovers(t, "root", "root 2", "root 3"), "root 3", nil},
		{"both already", "root 3", handovers(t, "root", "root 2", "root 3"), "root 3", nil},
		{"one that was not told", "root", nil, "root 2", ErrSignature},
		{"one that the stranger signed", "root", handovers(t, "stranger", "root 2"), "root 2", ErrSignature},
		{"an altered one", "root", altered, "root 2", ErrSignature},
		{"a second that the stranger signed", "root", forged, "root 3", ErrSignature},
		{"and the earlier root signed on", "root", handovers(t, "root", "root 2"), "root", ErrSignature},
		{"already, and the earlier root signed on", "root 2", nil, "root", ErrSignature},
		{"already, and the earlier root leads elsewhere", "root 2", handovers(t, "root", "stranger"), "stranger", ErrSignature},
		{"and back", "root", handovers(t, "root", "root 2", "root"), "root", ErrSignature},
		{"and back, from the second", "root 2", handovers(t, "root", "root 2", "root"), "root", ErrSignature},
		{"to itself", "root", handovers(t, "root", "root"), "root", ErrSignature},
		{"one more than there may be", "root 0", handovers(t, append(long, "root")...), "root", ErrDecode},
		{"malformed", "root", [][]byte{trailing(handover(t, "root", "root 2"))}, "root 2", ErrDecode},
		{"malformed, before ours", "root 2", [][]byte{nil, handover(t, "root 2", "root 3")}, "root 3", ErrDecode},
	}
}

type rotation struct {
	name      string
	known     string
	handovers [][]byte
	signer    string
	want      error
}

func TestABundleCountsFromALaterRoot(t *testing.T) {
	for _, r := range rotations(t) {
		t.Run(r.name, func(t *testing.T) {
			d := newDeal()
			d.bundle.Handovers = r.handovers
			got, err := OpenTrust(testPub(r.known), forge(t, r.signer, d.bundle))
			if !errors.Is(err, r.want) || (r.want == nil) != (err == nil) {
				t.Fatalf("%v; want %v", err, r.want)
			}
			if err == nil && (got.Root != testPub(r.signer) || got.Epoch() != 7) {
				t.Errorf("root %x, epoch %d", got.Root.KeyID(), got.Epoch())
			}
			if err != nil && (got.Root != PublicKey{} || !got.Bundle.Zero()) {
				t.Errorf("refused, but known: root %x", got.Root.KeyID())
			}
		})
	}
}

func TestIssuersAreKnownFromTheRoot(t *testing.T) {
	d := newDeal()
	for _, r := range rotations(t) {
		t.Run(r.name, func(t *testing.T) {
			got, err := OpenIssuance(testPub(r.known), &peerv1.Issuance{
				IssuerCerts: [][]byte{issuerCert(t, r.signer, "issuer 0"), issuerCert(t, r.signer, "issuer")}, Handovers: r.handovers,
			})
			if !errors.Is(err, r.want) || (r.want == nil) != (err == nil) {
				t.Fatalf("%v; want %v", err, r.want)
			}
			_, device := got.GenuineDevice(d.signTill(t).Bytes)
			_, preauth := got.GenuinePreauth(d.signPreauth(t))
			if (device == nil) != (err == nil) || (preauth == nil) != (err == nil) {
				t.Errorf("the till: %v; the pre-authorization: %v", device, preauth)
			}
		})
	}
}

func TestIssuersAreNotKnownOtherwise(t *testing.T) {
	good := issuerCert(t, "root", "issuer")
	many := make([][]byte, IssuersMax+1)
	for i := range many {
		many[i] = good
	}
	tests := []struct {
		name  string
		certs [][]byte
		want  error
	}{
		{"one", [][]byte{good}, nil},
		{"as many as there may be", many[1:], nil},
		{"one more", many, ErrDecode},
		{"none", nil, ErrDecode},
		{"a second of the stranger", [][]byte{good, issuerCert(t, "stranger", "stranger")}, ErrSignature},
		{"altered", [][]byte{lastBit(issuerCert(t, "root", "issuer"))}, ErrSignature},
		{"malformed", [][]byte{good[1:]}, ErrDecode},
		{"a handover in its place", handovers(t, "root", "issuer"), ErrDecode},
	}
	for _, tt := range tests {
		_, err := OpenIssuance(testPub("root"), &peerv1.Issuance{IssuerCerts: tt.certs})
		if !errors.Is(err, tt.want) || (tt.want == nil) != (err == nil) {
			t.Errorf("%s: %v; want %v", tt.name, err, tt.want)
		}
	}
	if _, err := OpenIssuance(testPub("root"), nil); !errors.Is(err, ErrDecode) {
		t.Errorf("nothing: %v", err)
	}
}

func TestABundleSaysHowToKnowItsIssuers(t *testing.T) {
	d := newDeal()
	d.bundle.IssuerCerts, d.bundle.Handovers = [][]byte{issuerCert(t, "root 2", "issuer")}, handovers(t, "root", "root 2")
	d.rootKey = "root 2"
	got, err := OpenIssuance(testPub("root"), d.trust(t).Issuance())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := got.GenuineDevice(d.signTill(t).Bytes); err != nil {
		t.Error(err)
	}
	if _, err := OpenIssuance(testPub("root"), Trust{}.Issuance()); !errors.Is(err, ErrDecode) {
		t.Errorf("no trust: %v", err)
	}
}

// The backend asks nobody whether its own issuers are genuine.
func TestTheBackendKnowsItsIssuers(t *testing.T) {
	d := newDeal()
	own, none := IssuersOf(d.bundle.Issuers), IssuersOf(nil)
	if _, err := own.GenuineDevice(d.signTill(t).Bytes); err != nil {
		t.Error(err)
	}
	if _, err := none.GenuineDevice(d.signTill(t).Bytes); !errors.Is(err, ErrIssuer) {
		t.Errorf("without issuers: %v", err)
	}
}
