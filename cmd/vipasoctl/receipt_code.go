package main

import (
	"fmt"
	"strings"

	qrcode "github.com/skip2/go-qrcode"

	"github.com/vipaso/vipasod/cmd/internal/proof"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// A noProof is a payment whose receipt nothing proves to others.
type noProof struct{ payment string }

func (n *noProof) Error() string {
	return "nothing proves the receipt of payment " + n.payment + " to others"
}

// explanation is what people can do about it.
func (n *noProof) explanation() explanation {
	return explanation{
		head: n.Error(),
		why: "The device is not enrolled any more, at another backend than then, its trust bundle is older than the issuers' certificates, " +
			"or the issuer key that signed them was withdrawn.",
		next: "vipasoctl sync now, then again; the device of the other side may have it too",
	}
}

// proofText returns what proves the receipt of p, as text.
func proofText(p *paymentv1.Payment) (string, error) {
	b := p.GetReceipt().GetProof()
	if len(b) == 0 {
		return "", &noProof{payment: p.GetPaymentId()}
	}
	return proof.ReceiptText(b)
}

// receiptCode returns what proves the receipt of p as a QR code. The text is
// long: the code corrects few errors, so that its dots are as large as can be.
func receiptCode(p *paymentv1.Payment) (*qrcode.QRCode, error) {
	text, err := proofText(p)
	if err != nil {
		return nil, err
	}
	code, err := qrcode.New(text, qrcode.Low)
	if err != nil {
		return nil, fmt.Errorf("receipt of payment %s: %d characters as a QR code: %w", p.GetPaymentId(), len(text), err)
	}
	return code, nil
}

// A square is a QR code as a page draws it: so many dots wide, the dark ones a
// path.
type square struct {
	Size int
	Path string
}

// squareOf returns the dots of code with the margin that scanners need.
func squareOf(code *qrcode.QRCode) *square {
	dots := code.Bitmap()
	var path strings.Builder
	for y, row := range dots {
		for x := 0; x < len(row); x++ {
			from := x
			for x < len(row) && row[x] {
				x++
			}
			if x > from {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", from, y, x-from, x-from)
			}
		}
	}
	return &square{Size: len(dots), Path: path.String()}
}
