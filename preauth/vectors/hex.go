package vectors

import (
	"encoding/hex"
	"fmt"
)

// Hex is bytes of any number, which may be none.
type Hex []byte

// B16 is 16 bytes: an id, a nonce, a resume key.
type B16 [16]byte

// B32 is 32 bytes: a hash, a private key, an X25519 key.
type B32 [32]byte

// B33 is 33 bytes: a compressed P-256 public key.
type B33 [33]byte

// MarshalText returns the hexadecimal form.
func (h Hex) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h), nil }

// MarshalText returns the hexadecimal form.
func (b B16) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, b[:]), nil }

// MarshalText returns the hexadecimal form.
func (b B32) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, b[:]), nil }

// MarshalText returns the hexadecimal form.
func (b B33) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, b[:]), nil }

// UnmarshalText reads the hexadecimal form, lower case only.
func (h *Hex) UnmarshalText(text []byte) error {
	b, err := fromHex(text)
	*h = b
	return err
}

// UnmarshalText reads the hexadecimal form, lower case only.
func (b *B16) UnmarshalText(text []byte) error { return fill(b[:], text) }

// UnmarshalText reads the hexadecimal form, lower case only.
func (b *B32) UnmarshalText(text []byte) error { return fill(b[:], text) }

// UnmarshalText reads the hexadecimal form, lower case only.
func (b *B33) UnmarshalText(text []byte) error { return fill(b[:], text) }

func fill(out, text []byte) error {
	b, err := fromHex(text)
	if err != nil {
		return err
	}
	if len(b) != len(out) {
		return malformed(fmt.Sprintf("%.20q has %d bytes, not %d", text, len(b), len(out)))
	}
	copy(out, b)
	return nil
}

func fromHex(text []byte) ([]byte, error) {
	b, err := hex.DecodeString(string(text))
	if err != nil || hex.EncodeToString(b) != string(text) {
		return nil, malformed(fmt.Sprintf("%.20q is not lower-case hexadecimal", text))
	}
	return b, nil
}
