package preauth

import (
	"crypto/sha256"
	"fmt"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// Session is what the handshake with a till has proven, and what its Request
// must agree with.
type Session struct {
	Business  DeviceCert // verified certificate of the first handshake message
	Binding   [32]byte   // channel binding
	NonceHash [32]byte   // SHA-256 of n_B, committed to before n_C was shown
}

// OpenRequest decodes a request and accepts it if the till of this session
// signed it for this session. Nothing of it may be shown or stored before.
//
// The error wraps ErrDecode, ErrSignature or ErrRequest.
func (s Session) OpenRequest(b []byte) (Request, error) {
	r, err := Open[*peerv1.Request](b)
	if err != nil {
		return Request{}, err
	}
	if err := r.VerifiedBy(PublicKey(s.Business.Body.SigningKey)); err != nil {
		return Request{}, err
	}
	switch {
	case string(r.Body.DeviceCert) != string(s.Business.Bytes):
		return Request{}, fmt.Errorf("carries another certificate: %w", ErrRequest)
	case ID(r.Body.BusinessDeviceId) != ID(s.Business.Body.DeviceId):
		return Request{}, fmt.Errorf("names another till: %w", ErrRequest)
	case [32]byte(r.Body.ChannelBinding) != s.Binding:
		return Request{}, fmt.Errorf("was made for another session: %w", ErrRequest)
	case sha256.Sum256(r.Body.Nonce) != s.NonceHash:
		return Request{}, fmt.Errorf("nonce is not the one committed to: %w", ErrRequest)
	}
	return r, nil
}

// OpenReceipt decodes a receipt and accepts it as the word of the till that
// made the request on this very voucher. Tills are compared by device id: the
// key is that of signer, the till's present and verified certificate.
//
// The error wraps ErrDecode, ErrSignature or ErrRequest.
func OpenReceipt(b []byte, r Request, voucher Hash, signer DeviceCert) (Receipt, error) {
	rc, err := Open[*peerv1.Receipt](b)
	if err != nil {
		return Receipt{}, err
	}
	if err := speaksFor(r, rc.Body.RequestHash, signer, rc.VerifiedBy); err != nil {
		return Receipt{}, err
	}
	if Hash(rc.Body.VoucherHash) != voucher {
		return Receipt{}, fmt.Errorf("receipt for another voucher: %w", ErrRequest)
	}
	return rc, nil
}

// OpenCancel decodes a Cancel and accepts it as the word of the till that
// made exactly this request. A stranger's Cancel, or one for another request
// of the same payment, proves nothing.
//
// The error wraps ErrDecode, ErrSignature or ErrRequest.
func OpenCancel(b []byte, r Request, signer DeviceCert) (Cancel, error) {
	c, err := Open[*peerv1.Cancel](b)
	if err != nil {
		return Cancel{}, err
	}
	if err := speaksFor(r, c.Body.RequestHash, signer, c.VerifiedBy); err != nil {
		return Cancel{}, err
	}
	return c, nil
}

// OpenDecline decodes a customer's no to the request.
//
// The error wraps ErrDecode, ErrSignature or ErrRequest.
func OpenDecline(b []byte, r Request, customer DeviceCert) (Decline, error) {
	d, err := Open[*peerv1.Decline](b)
	if err != nil {
		return Decline{}, err
	}
	if Hash(d.Body.RequestHash) != r.Hash {
		return Decline{}, ErrRequest
	}
	if err := d.VerifiedBy(PublicKey(customer.Body.SigningKey)); err != nil {
		return Decline{}, err
	}
	return d, nil
}

// speaksFor checks that signer is the device that made r, that the object
// names r, and that signer signed it.
func speaksFor(r Request, named []byte, signer DeviceCert, verify func(PublicKey) error) error {
	if Hash(named) != r.Hash {
		return fmt.Errorf("names another request: %w", ErrRequest)
	}
	if ID(signer.Body.DeviceId) != ID(r.Body.BusinessDeviceId) {
		return fmt.Errorf("signed by device %s: %w", ID(signer.Body.DeviceId), ErrRequest)
	}
	return verify(PublicKey(signer.Body.SigningKey))
}
