package prove

import (
	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// read takes an item apart. ok is false if any part of it is forged, damaged
// or about something else: such an item has no effect at all.
func (m *model) read(it *backendv1.Item) (p parts, ok bool) {
	var err error
	if p.request, err = preauth.Open[*peerv1.Request](it.Request); err != nil {
		return p, false
	}
	by, genuine := m.w.signer(it.Request)
	p.till = m.w.person(by)
	if !genuine || p.till == nil || !p.till.business() || preauth.ID(p.request.Body.BusinessDeviceId) != by {
		return p, false
	}
	if !m.readVoucher(it, &p) || !m.readCharge(it, &p) {
		return p, false
	}
	if len(it.Receipt) > 0 {
		rc, err := preauth.Open[*peerv1.Receipt](it.Receipt)
		promised := p.voucher.Hash
		if p.voucher.Zero() {
			promised = p.charge.Hash
		}
		if err != nil || !m.by(it.Receipt, p.till) || preauth.Hash(rc.Body.RequestHash) != p.request.Hash || preauth.Hash(rc.Body.VoucherHash) != promised {
			return p, false
		}
		p.receipt = true
	}
	if len(it.Cancel) > 0 {
		ca, err := preauth.Open[*peerv1.Cancel](it.Cancel)
		if err != nil || !m.by(it.Cancel, p.till) || preauth.Hash(ca.Body.RequestHash) != p.request.Hash {
			return p, false
		}
		p.cancel = true
	}
	return p, true
}

func (m *model) readVoucher(it *backendv1.Item, p *parts) bool {
	if len(it.PreauthCert) == 0 && len(it.Voucher) == 0 {
		return true
	}
	var err error
	if p.cert, err = preauth.Open[*peerv1.PreauthCert](it.PreauthCert); err != nil {
		return false
	}
	if p.voucher, err = preauth.Open[*peerv1.Voucher](it.Voucher); err != nil {
		return false
	}
	v := p.voucher.Body
	_, issued := m.w.signer(it.PreauthCert)
	by, signed := m.w.signer(it.Voucher)
	spender := m.w.person(by)
	return issued && signed && spender != nil && preauth.PublicKeyOf(&spender.key.PublicKey) == preauth.PublicKey(p.cert.Body.Spender) &&
		preauth.Hash(v.RequestHash) == p.request.Hash && preauth.ID(v.PreauthId) == preauth.ID(p.cert.Body.PreauthId)
}

func (m *model) readCharge(it *backendv1.Item, p *parts) bool {
	if len(it.Charge) == 0 {
		return true
	}
	var err error
	if p.charge, err = preauth.Open[*peerv1.Charge](it.Charge); err != nil || !p.voucher.Zero() {
		return false
	}
	by, signed := m.w.signer(it.Charge)
	p.payer = m.w.person(by)
	return signed && p.payer != nil && !p.payer.business() && preauth.ID(p.charge.Body.CustomerDeviceId) == by &&
		preauth.Hash(p.charge.Body.RequestHash) == p.request.Hash
}

// by reports whether p signed an object.
func (m *model) by(b []byte, p *person) bool {
	id, ok := m.w.signer(b)
	return ok && id == p.id
}

// person finds who a device is, nil for none.
func (w *world) person(id preauth.ID) *person {
	for _, p := range w.stage.people {
		if p.id == id {
			return p
		}
	}
	return nil
}
