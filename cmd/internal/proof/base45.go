package proof

import (
	"errors"
	"fmt"
	"strings"
)

// alphabet is what a QR code holds in 5.5 bits a character.
const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"

var errBase45 = errors.New("not base 45")

// base45 encodes b as RFC 9285 says: two bytes in three characters, a last
// one in two.
func base45(b []byte) string {
	var s strings.Builder
	for ; len(b) > 1; b = b[2:] {
		n := int(b[0])<<8 | int(b[1])
		s.Write([]byte{alphabet[n%45], alphabet[n/45%45], alphabet[n/45/45]})
	}
	if len(b) == 1 {
		s.Write([]byte{alphabet[b[0]%45], alphabet[b[0]/45]})
	}
	return s.String()
}

// fromBase45 is the inverse of base45.
func fromBase45(s string) ([]byte, error) {
	var b []byte
	for len(s) > 0 {
		part := s[:min(3, len(s))]
		s = s[len(part):]
		n := 0
		for i := len(part) - 1; i >= 0; i-- {
			digit := strings.IndexByte(alphabet, part[i])
			if digit < 0 {
				return nil, fmt.Errorf("character %q: %w", part[i], errBase45)
			}
			n = n*45 + digit
		}
		switch {
		case len(part) == 3 && n <= 0xffff:
			b = append(b, byte(n>>8), byte(n))
		case len(part) == 2 && n <= 0xff:
			b = append(b, byte(n))
		default:
			return nil, fmt.Errorf("%q at the end: %w", part, errBase45)
		}
	}
	return b, nil
}
