package preauth

import (
	"crypto/ecdsa"
	"errors"
	"flag"
	"path/filepath"
	"slices"
	"testing"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth/vectors"
)

// The tests here make the vectors of what is signed and judged; package
// conformance makes the others, and runs them all.

var update = flag.Bool("update", false, "write testdata/vectors anew")

// keep compares a file of vectors with what is made today.
func keep[C any](t *testing.T, kind vectors.Kind, about string, cases []C) {
	t.Helper()
	b, err := vectors.Encode(kind, about, cases)
	if err == nil {
		err = vectors.Keep(filepath.Join("testdata", "vectors", string(kind)+".json"), b, *update)
	}
	if err != nil {
		t.Error(err)
	}
}

// classOf is the class of a decision.
func classOf(err error) string {
	switch {
	case err == nil:
		return vectors.Accepted
	case errors.Is(err, ErrEvidence):
		return vectors.NoEvidence
	case errors.Is(err, ErrJournal):
		return vectors.BrokenJournal
	}
	return Code(err)
}

func raw(t *testing.T, k *ecdsa.PrivateKey) vectors.B32 {
	t.Helper()
	b, err := k.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return vectors.B32(b)
}

func TestKeyVectors(t *testing.T) {
	var all []vectors.Key
	for _, name := range []string{"root", "second root", "issuer", "till", "till 2", "customer", "stranger", "thief"} {
		id := testPub(name).KeyID()
		all = append(all, vectors.Key{Name: name, PrivateKey: raw(t, testKey(name)), PublicKey: vectors.B33(testPub(name)), KeyID: id[:]})
	}
	keep(t, vectors.KindKeys, "Keys of the devices in these files. They are public, and protect nothing.", all)
}

func TestObjectVectors(t *testing.T) {
	var all []vectors.Object
	for _, s := range samples(t) {
		kind, signed := kindOf(s.body), forge(t, s.key, s.body)
		var envelope peerv1.Signed
		if err := DecodeStrict(signed, &envelope); err != nil {
			t.Fatal(err)
		}
		o, err := openers[kind](signed)
		if err == nil {
			err = o.check(testPub(s.key))
		}
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		all = append(all, vectors.Object{
			Name: s.name, Type: kind, PrivateKey: raw(t, testKey(s.key)), PublicKey: vectors.B33(testPub(s.key)),
			KeyID: envelope.KeyId, Fields: vectors.Fields(s.body), Body: envelope.Body,
			Input: slices.Concat([]byte("vipaso/"+kind+"/v1\x00"), envelope.Body),
			Hash:  o.hash[:], Signature: envelope.Sig, Signed: signed,
		})
	}
	keep(t, vectors.KindObjects, "Good signed objects of every type, and how they come about.", all)
}

// TestRefusedVectors spoils each type of object in the ways that every
// implementation must notice, and each bound of each type.
func TestRefusedVectors(t *testing.T) {
	var all []vectors.Bad
	add := func(name, kind, key string, b []byte, class string) {
		all = append(all, vectors.Bad{Name: name, Type: kind, PublicKey: vectors.B33(testPub(key)), Signed: b, Class: class})
		o, err := openers[kind](b)
		if err == nil {
			err = o.check(testPub(key))
		}
		if classOf(err) != class {
			t.Errorf("%s: %v; want %s", name, err, class)
		}
	}
	for _, s := range fullest(t) {
		kind, good := kindOf(s.body), forge(t, s.key, s.body)
		body, err := encode(s.body)
		if err != nil {
			t.Fatal(err)
		}
		add(kind+" with an altered signature", kind, s.key, lastBit(slices.Clone(good)), "SIGNATURE_INVALID")
		add(kind+" signed by another", kind, s.key, envelope(t, "stranger", kind, body), "SIGNATURE_INVALID")
		add(kind+" signed as another type", kind, s.key, envelope(t, s.key, "enrollment", body), "SIGNATURE_INVALID")
		add(kind+" without its first field", kind, s.key, envelope(t, s.key, kind, body[len(fields(t, body)[0]):]), "PEER_PROTOCOL")
		for _, bad := range vectors.Misencodings(body) {
			add(kind+" "+bad.Name, kind, s.key, envelope(t, s.key, kind, bad.Enc), "PEER_PROTOCOL")
		}
		for _, bad := range vectors.Misencodings(good) {
			add("envelope of "+kind+" "+bad.Name, kind, s.key, bad.Enc, "PEER_PROTOCOL")
		}
	}
	for _, b := range bends() {
		for _, s := range fullest(t) {
			before := forge(t, s.key, s.body)
			b.bend(s.body)
			if after := forge(t, s.key, s.body); !slices.Equal(before, after) {
				add(b.name, kindOf(s.body), s.key, after, "PEER_PROTOCOL")
			}
		}
	}
	keep(t, vectors.KindRefused, "Signed objects that must be refused when they are opened and verified with the key.", all)
}
