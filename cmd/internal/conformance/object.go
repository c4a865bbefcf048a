package conformance

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/vectors"
)

// object is a signed object of any type.
type object struct {
	bytes    []byte
	hash     preauth.Hash
	keyID    [8]byte
	body     proto.Message
	verified func(preauth.PublicKey) error
}

// signing is what can be done with one type of signed object.
type signing struct {
	open func([]byte) (object, error)
	sign func(*ecdsa.PrivateKey, proto.Message) (object, error)
	body func() proto.Message // an empty one
}

func signingOf[M proto.Message]() signing {
	of := func(s preauth.Signed[M], err error) (object, error) {
		return object{s.Bytes, s.Hash, s.KeyID(), s.Body, s.VerifiedBy}, err
	}
	return signing{
		open: func(b []byte) (object, error) { return of(preauth.Open[M](b)) },
		sign: func(k *ecdsa.PrivateKey, m proto.Message) (object, error) { return of(preauth.Sign(k, m.(M))) },
		body: func() proto.Message { var none M; return none.ProtoReflect().New().Interface() },
	}
}

// signings are the types of signed objects by their names.
var signings = map[string]signing{
	"device-cert":   signingOf[*peerv1.DeviceCert](),
	"preauth-cert":  signingOf[*peerv1.PreauthCert](),
	"trust-bundle":  signingOf[*peerv1.TrustBundle](),
	"issuer-key":    signingOf[*peerv1.IssuerKey](),
	"root-handover": signingOf[*peerv1.RootHandover](),
	"verdict":       signingOf[*peerv1.Verdict](),
	"request":       signingOf[*peerv1.Request](),
	"receipt":       signingOf[*peerv1.Receipt](),
	"cancel":        signingOf[*peerv1.Cancel](),
	"voucher":       signingOf[*peerv1.Voucher](),
	"charge":        signingOf[*peerv1.Charge](),
	"decline":       signingOf[*peerv1.Decline](),
	"journal-head":  signingOf[*peerv1.JournalHead](),
}

// runKey derives public key and key id.
func runKey(c vectors.Key) (name, want, got string) {
	want = describe(c.PublicKey[:], c.KeyID)
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), c.PrivateKey[:])
	if err != nil {
		return c.Name, want, err.Error()
	}
	public := preauth.PublicKeyOf(&k.PublicKey)
	id := public.KeyID()
	return c.Name, want, describe(public[:], id[:])
}

func describe(public, id []byte) string { return fmt.Sprintf("key %x, id %x", public, id) }

// runObject makes the object again from its fields, and opens the one that is
// there.
func runObject(c vectors.Object) (name, want, got string) {
	if err := remake(c); err != nil {
		return c.Name, vectors.Accepted, err.Error()
	}
	return c.Name, vectors.Accepted, class(reopen(c))
}

// remake makes the object from its fields.
func remake(c vectors.Object) error {
	kind, ok := signings[c.Type]
	if !ok {
		return fmt.Errorf("unknown type %q", c.Type)
	}
	body := kind.body()
	if err := vectors.SetFields(c.Fields, body); err != nil {
		return err
	}
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), c.PrivateKey[:])
	if err != nil {
		return err
	}
	made, err := kind.sign(k, body)
	if err != nil {
		return fmt.Errorf("signing again: %w", err)
	}
	return same("signing again gives", made.bytes, c.Signed)
}

// reopen opens the object, and takes it apart.
func reopen(c vectors.Object) error {
	o, err := signings[c.Type].open(c.Signed)
	if err != nil {
		return err
	}
	if err := o.verified(preauth.PublicKey(c.PublicKey)); err != nil {
		return err
	}
	if !sameJSON(vectors.Fields(o.body), c.Fields) {
		return mismatch(fmt.Sprintf("the fields are %s", vectors.Fields(o.body)))
	}
	var envelope peerv1.Signed
	if err := preauth.DecodeStrict(c.Signed, &envelope); err != nil {
		return err
	}
	hash := sha256.Sum256(c.Input)
	for what, pair := range map[string][2][]byte{
		"H is":              {o.hash[:], c.Hash},
		"SHA-256(input) is": {hash[:], c.Hash},
		"the input is":      {append([]byte("vipaso/"+c.Type+"/v1\x00"), envelope.Body...), c.Input},
		"the key id is":     {o.keyID[:], c.KeyID},
		"the body is":       {envelope.Body, c.Body},
		"the signature is":  {envelope.Sig, c.Signature},
	} {
		if err := same(what, pair[0], pair[1]); err != nil {
			return err
		}
	}
	return nil
}

// mismatch is a difference from a vector that is no refusal.
type mismatch string

func (m mismatch) Error() string { return string(m) }

func same(what string, got, want []byte) error {
	if bytes.Equal(got, want) {
		return nil
	}
	return mismatch(fmt.Sprintf("%s %x", what, got))
}

// class is the class of a decision: the code of an error of preauth, or what
// differs from the vector.
func class(err error) string {
	var m mismatch
	switch {
	case err == nil:
		return vectors.Accepted
	case errors.Is(err, preauth.ErrEvidence):
		return vectors.NoEvidence
	case errors.Is(err, preauth.ErrJournal):
		return vectors.BrokenJournal
	case errors.As(err, &m):
		return m.Error()
	}
	return preauth.Code(err)
}

// runBad opens and verifies an object that is not good.
func runBad(c vectors.Bad) (name, want, got string) {
	kind, ok := signings[c.Type]
	if !ok {
		return c.Name, c.Class, fmt.Sprintf("unknown type %q", c.Type)
	}
	o, err := kind.open(c.Signed)
	if err == nil {
		err = o.verified(preauth.PublicKey(c.PublicKey))
	}
	return c.Name, c.Class, class(err)
}

// runMessage decodes a message that is not signed.
func runMessage(c vectors.Message) (name, want, got string) {
	t, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName("vipaso.peer.v1." + c.Type))
	if err != nil {
		return c.Name, c.Class, err.Error()
	}
	m := t.New().Interface()
	if err := secure.Decode(c.Message, m); err != nil {
		return c.Name, c.Class, "PEER_PROTOCOL"
	}
	if !sameJSON(vectors.Fields(m), c.Fields) {
		return c.Name, c.Class, fmt.Sprintf("the fields are %s", vectors.Fields(m))
	}
	again := t.New().Interface()
	if err := vectors.SetFields(c.Fields, again); err != nil {
		return c.Name, c.Class, err.Error()
	}
	b, err := secure.Encode(again)
	if err == nil {
		err = same("the fields encode as", b, c.Message)
	}
	return c.Name, c.Class, class(err)
}
