package conformance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"flag"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/curve25519"
	"google.golang.org/protobuf/proto"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/vectors"
)

// dir holds the vectors. Those of signed objects and of a till's decisions are
// made by the tests of package preauth.
const dir = "../../../preauth/testdata/vectors"

var update = flag.Bool("update", false, "write the vectors anew")

// keep compares a file of vectors with what is made today.
func keep[C any](t *testing.T, kind vectors.Kind, about string, cases []C) {
	t.Helper()
	b, err := vectors.Encode(kind, about, cases)
	if err == nil {
		err = vectors.Keep(filepath.Join(dir, string(kind)+".json"), b, *update)
	}
	if err != nil {
		t.Error(err)
	}
}

// made returns n bytes that belong to a name.
func made(name string, n int) []byte {
	sum := sha256.Sum256([]byte("conformance " + name))
	return sum[:n]
}

func madeKey(t *testing.T, name string) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), made("key "+name, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// madeNoise is the X25519 key of a name.
func madeNoise(t *testing.T, name string) (private vectors.B32, public []byte) {
	t.Helper()
	private = vectors.B32(made("noise "+name, 32))
	public, err := curve25519.X25519(private[:], curve25519.Basepoint)
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

func signed[M proto.Message](t *testing.T, key string, body M) preauth.Signed[M] {
	t.Helper()
	s, err := preauth.Sign(madeKey(t, key), body)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// noon is when all of this happens, in milliseconds, and day is a day.
const (
	noon = 1_790_000_000_000
	day  = 24 * 3600 * 1000
)

// world is a till and a customer with their backend.
type world struct {
	*testing.T
	root                   vectors.B33
	bundle                 []byte
	tillCert, customerCert *peerv1.DeviceCert
}

func newWorld(t *testing.T) *world {
	public := func(name string) []byte {
		k := preauth.PublicKeyOf(&madeKey(t, name).PublicKey)
		return k[:]
	}
	_, tillNoise := madeNoise(t, "till")
	_, customerNoise := madeNoise(t, "customer")
	return &world{
		T: t, root: vectors.B33(public("root")),
		bundle: signed(t, "root", &peerv1.TrustBundle{
			Epoch: 7, ServerTimeMs: noon - day, RevokedDevices: [][]byte{made("stolen", 16)},
			Issuers: []*peerv1.IssuerKey{{PublicKey: public("issuer"), NotBeforeMs: noon - 30*day, NotAfterMs: noon + 60*day}},
		}).Bytes,
		tillCert: &peerv1.DeviceCert{
			DeviceId: made("till", 16), Role: peerv1.Role_ROLE_BUSINESS, SigningKey: public("till"), NoiseKey: tillNoise,
			BusinessId: made("business", 16), DisplayName: "Cafe Blue", Mcc: 5812, NotBeforeMs: noon - day, NotAfterMs: noon + 30*day,
			StoredCountMax: 200, Caps: []*peerv1.Cap{{Currency: "USD", PaymentMax: 50_00, TotalMax: 500_00}},
		},
		customerCert: &peerv1.DeviceCert{
			DeviceId: made("customer", 16), Role: peerv1.Role_ROLE_CUSTOMER, SigningKey: public("customer"), NoiseKey: customerNoise,
			NotBeforeMs: noon - day, NotAfterMs: noon + 30*day,
		},
	}
}

// TestVectors runs what is committed.
func TestVectors(t *testing.T) {
	reports, err := RunPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[vectors.Kind]bool{}
	for _, r := range reports {
		kinds[r.Kind] = true
		for _, f := range r.Failures {
			t.Errorf("%s, %s: want %s, got %s", r.Path, f.Name, f.Want, f.Got)
		}
	}
	for kind := range runners {
		if !kinds[kind] {
			t.Errorf("no vectors of kind %s", kind)
		}
	}
}
