package daemon

import (
	"context"

	"google.golang.org/protobuf/proto"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// prove adds to a receipt what proves it to anyone who knows the root key. A
// receipt that the device itself could not verify, such as one of a backend
// that it is not enrolled at any more, gets nothing.
func (d *Device) prove(ctx context.Context, id preauth.ID, r *paymentv1.ReceiptData) error {
	who := d.self.Load()
	if r == nil || !who.Enrolled() {
		return nil
	}
	collect := d.customersProof
	if d.business() {
		collect = d.tillsProof
	}
	p, err := collect(ctx, id)
	if err != nil {
		return err
	}
	p.Receipt = r.GetReceipt()
	p.Issuance = who.trust.IssuanceOf(issuersOf(p)...)
	if _, err := preauth.VerifyProof(who.trust.Root, p); err != nil {
		d.log.DebugContext(ctx, "receipt cannot be proven", "payment", id, "error", err)
		return nil
	}
	r.Proof, err = proto.MarshalOptions{Deterministic: true}.Marshal(p)
	return err
}

// tillsProof collects what a till has of a proof.
func (d *Device) tillsProof(ctx context.Context, id preauth.ID) (*peerv1.ReceiptProof, error) {
	sale, err := d.store.Sale(ctx, id)
	if err != nil {
		return nil, err
	}
	ask, err := d.store.Ask(ctx, sale.Winner)
	if err != nil {
		return nil, err
	}
	if len(ask.CertBytes) == 0 {
		return &peerv1.ReceiptProof{Request: ask.RequestBytes, Charge: ask.VoucherBytes, CustomerCert: ask.CustomerCert}, nil
	}
	return &peerv1.ReceiptProof{Request: ask.RequestBytes, Voucher: ask.VoucherBytes, PreauthCert: ask.CertBytes}, nil
}

// customersProof collects what a customer's device has of a proof.
func (d *Device) customersProof(ctx context.Context, id preauth.ID) (*peerv1.ReceiptProof, error) {
	attempts, err := d.store.AttemptsOf(ctx, id)
	if err != nil || len(attempts) == 0 {
		return &peerv1.ReceiptProof{}, err
	}
	a := attempts[0]
	if a.Preauth.Zero() {
		return &peerv1.ReceiptProof{Request: a.RequestBytes, Charge: a.VoucherBytes, CustomerCert: d.self.Load().cert.Bytes}, nil
	}
	auth, err := d.store.Authorization(ctx, a.Preauth)
	if err != nil {
		return nil, err
	}
	return &peerv1.ReceiptProof{Request: a.RequestBytes, Voucher: a.VoucherBytes, PreauthCert: auth.Cert.Bytes}, nil
}

// issuersOf returns the ids of the keys that signed a proof's certificates.
func issuersOf(p *peerv1.ReceiptProof) (ids [][8]byte) {
	if r, err := preauth.Open[*peerv1.Request](p.GetRequest()); err == nil {
		if till, err := preauth.Open[*peerv1.DeviceCert](r.Body.DeviceCert); err == nil {
			ids = append(ids, till.KeyID())
		}
	}
	if c, err := preauth.Open[*peerv1.PreauthCert](p.GetPreauthCert()); err == nil {
		ids = append(ids, c.KeyID())
	}
	if c, err := preauth.Open[*peerv1.DeviceCert](p.GetCustomerCert()); err == nil {
		ids = append(ids, c.KeyID())
	}
	return ids
}
