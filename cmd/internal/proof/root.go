package proof

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// ErrRoot: a text that is no root key.
var ErrRoot = errors.New("not a root key: want a compressed P-256 key, 33 bytes in hexadecimal or base64")

// ErrOtherRoot: the root key did not sign what was to be verified. The root key
// of today does not prove what was signed under an earlier one.
var ErrOtherRoot = errors.New("it may be proven under an earlier root key")

// ParseRoot reads a root key as people write it: hexadecimal or base64, with
// white space around it. The error is ErrRoot.
func ParseRoot(text string) (preauth.PublicKey, error) {
	text = strings.TrimSpace(text)
	b, err := hex.DecodeString(text)
	if err != nil {
		b, err = base64.StdEncoding.DecodeString(text)
	}
	if err != nil {
		return preauth.PublicKey{}, ErrRoot
	}
	key, err := preauth.PublicKeyFrom(b)
	if err != nil {
		return preauth.PublicKey{}, ErrRoot
	}
	return key, nil
}

// OtherRoot returns err, which verifying something from an issuance by root
// gave. If root has not signed the issuance, it wraps ErrOtherRoot as well.
func OtherRoot(err error, root preauth.PublicKey, from *peerv1.Issuance) error {
	if _, opened := preauth.OpenIssuance(root, from); errors.Is(opened, preauth.ErrSignature) {
		return fmt.Errorf("%w; %w", err, ErrOtherRoot)
	}
	return err
}
