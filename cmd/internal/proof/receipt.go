package proof

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"strings"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// ReceiptPrefix begins the text of a receipt, so that who scans it knows what
// it is.
const ReceiptPrefix = "VBP1:"

// ErrText: a text that is no receipt.
var ErrText = errors.New("not the text of a receipt")

// receiptMax bounds a proof in bytes: every object in it fits one message on
// the air.
const receiptMax = 64 << 10

// ReceiptText returns an encoded ReceiptProof as text of the characters that a
// QR code packs best: ReceiptPrefix, then in base 45 (RFC 9285) the proof
// compressed by DEFLATE (RFC 1951).
func ReceiptText(proof []byte) (string, error) {
	var small bytes.Buffer
	w, err := flate.NewWriter(&small, flate.BestCompression)
	if err != nil {
		return "", err
	}
	if _, err := w.Write(proof); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return ReceiptPrefix + base45(small.Bytes()), nil
}

// ParseReceiptText is the inverse of ReceiptText. White space around the text
// and line ends within do not matter. The error wraps ErrText, or
// preauth.ErrDecode if what the text holds is no ReceiptProof.
func ParseReceiptText(text string) (*peerv1.ReceiptProof, error) {
	text, ok := strings.CutPrefix(strings.NewReplacer("\n", "", "\r", "").Replace(strings.TrimSpace(text)), ReceiptPrefix)
	if !ok {
		return nil, fmt.Errorf("it does not begin with %q: %w", ReceiptPrefix, ErrText)
	}
	small, err := fromBase45(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrText, err)
	}
	b, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(small)), receiptMax+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrText, err)
	}
	if len(b) > receiptMax {
		return nil, fmt.Errorf("more than %d bytes: %w", receiptMax, ErrText)
	}
	p := new(peerv1.ReceiptProof)
	if err := preauth.DecodeStrict(b, p); err != nil {
		return nil, fmt.Errorf("it holds no receipt: %w", preauth.ErrDecode)
	}
	return p, nil
}
