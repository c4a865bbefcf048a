package backend

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/vipaso/vipasod/preauth"
)

// An enrollment token is a JWT (RFC 7519), signed ES256 by the issuer key.
// It names the party, and by thumbprint (RFC 7638, RFC 7800) the one key that
// may be enrolled with it.
type tokenClaims struct {
	Audience string `json:"aud"`
	Business string `json:"business,omitempty"`
	Customer string `json:"customer,omitempty"`
	Confirm  struct {
		Thumbprint string `json:"jkt"`
	} `json:"cnf"`
	Expires int64 `json:"exp"` // seconds
}

const (
	tokenAudience = "vipaso-enroll"
	tokenHeader   = `{"alg":"ES256","typ":"JWT"}`
)

var b64 = base64.RawURLEncoding

// jwk is a P-256 public key as JSON (RFC 7517).
type jwk struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y"`
}

// ParseJWK reads a P-256 public key from its JSON form.
//
// The error wraps ErrInvalid.
func ParseJWK(b []byte) (preauth.PublicKey, error) {
	var k jwk
	if err := json.Unmarshal(b, &k); err != nil {
		return preauth.PublicKey{}, fmt.Errorf("JWK: %w: %w", ErrInvalid, err)
	}
	x, errX := b64.DecodeString(k.X)
	y, errY := b64.DecodeString(k.Y)
	if errX != nil || errY != nil || k.Kty != "EC" || k.Crv != "P-256" || len(x) != 32 || len(y) != 32 {
		return preauth.PublicKey{}, fmt.Errorf("JWK is no public key of P-256: %w", ErrInvalid)
	}
	point := append(append([]byte{4}, x...), y...)
	if _, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point); err != nil {
		return preauth.PublicKey{}, fmt.Errorf("JWK: %w: %w", ErrInvalid, err)
	}
	compressed := append([]byte{2 + y[31]&1}, x...)
	return preauth.PublicKey(compressed), nil
}

// thumbprint is that of RFC 7638: SHA-256 over the members in order.
func thumbprint(key preauth.PublicKey) (string, error) {
	public, err := key.ECDSA()
	if err != nil {
		return "", err
	}
	point, err := public.Bytes()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":%q,"y":%q}`,
		b64.EncodeToString(point[1:33]), b64.EncodeToString(point[33:])))
	return b64.EncodeToString(sum[:]), nil
}

// EnrollToken makes a token by which the holder of key, and nobody else, can
// enroll a device of p until then.
func EnrollToken(issuer *ecdsa.PrivateKey, p Party, key preauth.PublicKey, until time.Time) (string, error) {
	c := tokenClaims{Audience: tokenAudience, Expires: until.Unix()}
	if p.Business.Zero() {
		c.Customer = p.Customer.String()
	} else {
		c.Business = p.Business.String()
	}
	var err error
	if c.Confirm.Thumbprint, err = thumbprint(key); err != nil {
		return "", err
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	input := b64.EncodeToString([]byte(tokenHeader)) + "." + b64.EncodeToString(payload)
	sig, err := signES256(issuer, input)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return input + "." + b64.EncodeToString(sig), nil
}

// readToken checks a token against the keys that may have signed it and the
// key that shows it.
//
// The error wraps ErrCodeInvalid.
func readToken(token string, issuers []issuerKey, key preauth.PublicKey) (Party, time.Time, error) {
	fail := func(why string) (Party, time.Time, error) {
		return Party{}, time.Time{}, fmt.Errorf("token %s: %w", why, ErrCodeInvalid)
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 || parts[0] != b64.EncodeToString([]byte(tokenHeader)) {
		return fail("has another form")
	}
	sig, err := b64.DecodeString(parts[2])
	if err != nil || !signedByAny(issuers, parts[0]+"."+parts[1], sig) {
		return fail("is not signed by this backend")
	}
	payload, err := b64.DecodeString(parts[1])
	if err != nil {
		return fail("has another form")
	}
	var c tokenClaims
	if err := json.Unmarshal(payload, &c); err != nil || c.Audience != tokenAudience {
		return fail("is for something else")
	}
	if own, err := thumbprint(key); err != nil || own != c.Confirm.Thumbprint {
		return fail("is for another key")
	}
	p, err := c.party()
	if err != nil {
		return fail("names nobody")
	}
	return p, time.Unix(c.Expires, 0), nil
}

func (c tokenClaims) party() (p Party, err error) {
	switch {
	case c.Business != "" && c.Customer == "":
		p.Business, err = preauth.ParseID(c.Business)
	case c.Customer != "" && c.Business == "":
		p.Customer, err = preauth.ParseID(c.Customer)
	default:
		err = errors.New("not exactly one party")
	}
	return p, err
}

func signES256(key *ecdsa.PrivateKey, input string) ([]byte, error) {
	digest := sha256.Sum256([]byte(input))
	der, err := key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &rs); err != nil {
		return nil, err
	}
	sig := make([]byte, 64)
	rs.R.FillBytes(sig[:32])
	rs.S.FillBytes(sig[32:])
	return sig, nil
}

func signedByAny(issuers []issuerKey, input string, sig []byte) bool {
	if len(sig) != 64 {
		return false
	}
	digest := sha256.Sum256([]byte(input))
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
	for _, k := range issuers {
		if public, err := k.public.ECDSA(); err == nil && ecdsa.Verify(public, digest[:], r, s) {
			return true
		}
	}
	return false
}
