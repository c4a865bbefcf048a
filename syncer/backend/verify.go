package backend

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// A handed item is what a device handed in, every signature verified. What
// was not handed in is zero.
type handed struct {
	request  preauth.Request
	till     preauth.DeviceCert
	cert     preauth.PreauthCert
	voucher  preauth.Voucher
	charge   preauth.Charge
	receipt  preauth.Receipt
	cancel   preauth.Cancel
	released []signedCancel // those of the voucher that verify
	err      error          // why the item cannot be judged
}

// promise is H(Voucher) or H(Charge) with its amount plus tip, zero if the
// item has neither.
func (it handed) promise() (preauth.Hash, int64) {
	switch {
	case !it.voucher.Zero():
		return it.voucher.Hash, it.voucher.Body.Amount + it.voucher.Body.Tip
	case !it.charge.Zero():
		return it.charge.Hash, it.charge.Body.Amount + it.charge.Body.Tip
	}
	return preauth.Hash{}, 0
}

// A signedCancel is a Cancel with the device that signed it.
type signedCancel struct {
	cancel preauth.Cancel
	signer preauth.ID
}

// errParts says that the objects of an item do not belong together.
var errParts = fmt.Errorf("objects do not belong together: %w", preauth.ErrDecode)

// verify checks all signatures of a batch on all cores, before and outside
// of any transaction.
func (s *Server) verify(ctx context.Context, items []*backendv1.Item) ([]handed, error) {
	all := make([]handed, len(items))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, item := range items {
		g.Go(func() error {
			it, err := s.open(ctx, item)
			it.err = err
			all[i] = it
			if broken(err) {
				return err
			}
			return nil
		})
	}
	return all, g.Wait()
}

// unjudged reports whether err is about the item, and not about this server.
func unjudged(err error) bool {
	return errors.Is(err, preauth.ErrDecode) || errors.Is(err, preauth.ErrSignature) ||
		errors.Is(err, preauth.ErrIssuer) || errors.Is(err, preauth.ErrRole) ||
		errors.Is(err, ErrLimitRate) || errors.Is(err, ErrLimitCount)
}

func (s *Server) open(ctx context.Context, item *backendv1.Item) (it handed, err error) {
	if it.request, err = preauth.Open[*peerv1.Request](item.Request); err != nil {
		return it, err
	}
	if it.till, err = s.tillOf(it.request); err != nil {
		return it, err
	}
	for _, part := range []struct {
		bytes []byte
		open  func(context.Context, *handed, []byte) error
	}{
		{item.PreauthCert, s.openCert},
		{item.Voucher, s.openVoucher},
		{item.Charge, s.openCharge},
		{item.Receipt, s.openReceipt},
		{item.Cancel, s.openCancel},
	} {
		if len(part.bytes) > 0 {
			if err := part.open(ctx, &it, part.bytes); err != nil {
				return it, err
			}
		}
	}
	if it.voucher.Zero() != it.cert.Zero() {
		return it, fmt.Errorf("voucher without certificate, or the reverse: %w", errParts)
	}
	return it, nil
}

// openRequest decodes a Request and verifies it under the till's certificate
// that it carries.
func (s *Server) openRequest(b []byte) (preauth.Request, error) {
	r, err := preauth.Open[*peerv1.Request](b)
	if err != nil {
		return preauth.Request{}, err
	}
	_, err = s.tillOf(r)
	return r, err
}

// tillOf verifies who made a Request: a genuine till, however old or revoked
// its certificate.
func (s *Server) tillOf(r preauth.Request) (preauth.DeviceCert, error) {
	till, err := s.genuine.Load().GenuineDevice(r.Body.DeviceCert)
	if err != nil {
		return preauth.DeviceCert{}, fmt.Errorf("till of request: %w", err)
	}
	if till.Body.Role != peerv1.Role_ROLE_BUSINESS {
		return preauth.DeviceCert{}, fmt.Errorf("request of %s: %w", till.Body.Role, preauth.ErrRole)
	}
	if preauth.ID(r.Body.BusinessDeviceId) != preauth.ID(till.Body.DeviceId) {
		return preauth.DeviceCert{}, fmt.Errorf("request names another till: %w", errParts)
	}
	return till, r.VerifiedBy(preauth.PublicKey(till.Body.SigningKey))
}

func (s *Server) openCert(_ context.Context, it *handed, b []byte) (err error) {
	it.cert, err = s.genuine.Load().GenuinePreauth(b)
	return err
}

func (s *Server) openVoucher(ctx context.Context, it *handed, b []byte) (err error) {
	if it.cert.Zero() {
		return fmt.Errorf("voucher without certificate: %w", errParts)
	}
	if it.voucher, err = preauth.Open[*peerv1.Voucher](b); err != nil {
		return err
	}
	v := it.voucher.Body
	if preauth.Hash(v.RequestHash) != it.request.Hash || preauth.ID(v.PreauthId) != preauth.ID(it.cert.Body.PreauthId) {
		return fmt.Errorf("voucher: %w", errParts)
	}
	if err := it.voucher.VerifiedBy(preauth.PublicKey(it.cert.Body.Spender)); err != nil {
		return err
	}
	for _, b := range v.Released {
		c, err := s.openReleased(ctx, b)
		if err != nil {
			return err
		}
		if !c.cancel.Zero() {
			it.released = append(it.released, c)
		}
	}
	return nil
}

// openReleased verifies a Cancel that a voucher repeats. One that does not
// verify says nothing, and is no reason to refuse the voucher: the till that
// took it had no means to check it.
func (s *Server) openReleased(ctx context.Context, b []byte) (signedCancel, error) {
	c, err := preauth.Open[*peerv1.Cancel](b)
	if err != nil {
		return signedCancel{}, nil
	}
	all, err := s.signers(ctx, c.KeyID())
	if err != nil {
		return signedCancel{}, err
	}
	for _, by := range all {
		if c.VerifiedBy(by.key) == nil {
			return signedCancel{c, by.device}, nil
		}
	}
	return signedCancel{}, nil
}

func (s *Server) openCharge(ctx context.Context, it *handed, b []byte) (err error) {
	if !it.voucher.Zero() {
		return fmt.Errorf("voucher and charge: %w", errParts)
	}
	if it.charge, err = preauth.Open[*peerv1.Charge](b); err != nil {
		return err
	}
	c := it.charge.Body
	if preauth.Hash(c.RequestHash) != it.request.Hash {
		return fmt.Errorf("charge: %w", errParts)
	}
	payer := preauth.ID(c.CustomerDeviceId)
	if err := s.signedBy(ctx, payer, it.charge.KeyID(), it.charge.VerifiedBy); err != nil {
		return err
	}
	return s.store.Read(ctx, func(t Tx) error {
		d, _, err := t.device(payer)
		if err == nil && d.Role() != peerv1.Role_ROLE_CUSTOMER {
			err = fmt.Errorf("charge of %s: %w", d.Role(), preauth.ErrRole)
		}
		return err
	})
}

func (s *Server) openReceipt(ctx context.Context, it *handed, b []byte) (err error) {
	if it.receipt, err = preauth.Open[*peerv1.Receipt](b); err != nil {
		return err
	}
	promised := it.voucher.Hash
	if it.voucher.Zero() {
		promised = it.charge.Hash
	}
	r := it.receipt.Body
	if preauth.Hash(r.RequestHash) != it.request.Hash || preauth.Hash(r.VoucherHash) != promised {
		return fmt.Errorf("receipt: %w", errParts)
	}
	return s.signedByTill(ctx, it, it.receipt.KeyID(), it.receipt.VerifiedBy)
}

func (s *Server) openCancel(ctx context.Context, it *handed, b []byte) (err error) {
	if it.cancel, err = preauth.Open[*peerv1.Cancel](b); err != nil {
		return err
	}
	if preauth.Hash(it.cancel.Body.RequestHash) != it.request.Hash {
		return fmt.Errorf("cancel: %w", errParts)
	}
	return s.signedByTill(ctx, it, it.cancel.KeyID(), it.cancel.VerifiedBy)
}

// signedByTill accepts the key of the Request's certificate and every other
// key of the same device: after a rotation, the new key answers for old
// Requests.
func (s *Server) signedByTill(ctx context.Context, it *handed, keyID [8]byte, verified func(preauth.PublicKey) error) error {
	if key := preauth.PublicKey(it.till.Body.SigningKey); key.KeyID() == keyID {
		return verified(key)
	}
	return s.signedBy(ctx, preauth.ID(it.till.Body.DeviceId), keyID, verified)
}

// signedBy accepts any key that ever answered for the device.
func (s *Server) signedBy(ctx context.Context, device preauth.ID, keyID [8]byte, verified func(preauth.PublicKey) error) error {
	all, err := s.signers(ctx, keyID)
	if err != nil {
		return err
	}
	for _, by := range all {
		if by.device == device && verified(by.key) == nil {
			return nil
		}
	}
	return fmt.Errorf("key %x of device %s: %w", keyID, device, preauth.ErrSignature)
}

func (s *Server) signers(ctx context.Context, keyID [8]byte) (all []signer, err error) {
	err = s.store.Read(ctx, func(t Tx) error {
		all, err = t.signers(keyID)
		return err
	})
	return all, err
}
