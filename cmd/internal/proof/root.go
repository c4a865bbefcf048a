package proof

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/vipaso/vipasod/preauth"
)

// ErrRoot: a text that is no root key.
var ErrRoot = errors.New("not a root key: want a compressed P-256 key, 33 bytes in hexadecimal or base64")

// ParseRoot reads a root key as people write it: hexadecimal or base64, with
// white space around it. The error wraps ErrRoot.
func ParseRoot(text string) (preauth.PublicKey, error) {
	text = strings.TrimSpace(text)
	b, err := hex.DecodeString(text)
	if err != nil {
		b, err = base64.StdEncoding.DecodeString(text)
	}
	if err != nil {
		return preauth.PublicKey{}, fmt.Errorf("%.80q: %w", text, ErrRoot)
	}
	key, err := preauth.PublicKeyFrom(b)
	if err != nil {
		return preauth.PublicKey{}, fmt.Errorf("%.80q: %w", text, ErrRoot)
	}
	return key, nil
}
