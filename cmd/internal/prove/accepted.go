package prove

import (
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// accepted checks what an honest till took for money: signed by the customer
// whom the certificate names, for this very request, at its price, and not
// after a spend_by that the till could know had passed.
func (k *checker) accepted(d *device, a store.Ask) error {
	name := d.name + ": " + k.w.log.name(a.Request)
	by, genuine := k.w.signer(a.VoucherBytes)
	r, err := preauth.Open[*peerv1.Request](a.RequestBytes)
	if !genuine || err != nil {
		return k.broken("%s: accepted a forged voucher: %v", name, err)
	}
	if len(a.CertBytes) == 0 {
		c, err := preauth.Open[*peerv1.Charge](a.VoucherBytes)
		if err != nil || by != a.Customer || preauth.Hash(c.Body.RequestHash) != a.Request || c.Body.Amount != r.Body.Amount {
			return k.broken("%s: accepted a Charge of somebody else, or for something else: %v", name, err)
		}
		return nil
	}
	v, err := preauth.Open[*peerv1.Voucher](a.VoucherBytes)
	if err != nil {
		return k.broken("%s: voucher: %v", name, err)
	}
	c, err := preauth.Open[*peerv1.PreauthCert](a.CertBytes)
	if _, issued := k.w.signer(a.CertBytes); err != nil || !issued {
		return k.broken("%s: accepted a forged certificate: %v", name, err)
	}
	spender := k.w.person(by)
	total := v.Body.Amount + v.Body.Tip
	switch {
	case spender == nil || preauth.PublicKeyOf(&spender.key.PublicKey) != preauth.PublicKey(c.Body.Spender):
		return k.broken("%s: accepted a voucher that the spender has not signed", name)
	case preauth.Hash(v.Body.RequestHash) != a.Request || boundTo(c.Body) != a.Request && len(c.Body.BoundTo) > 0:
		return k.broken("%s: accepted a voucher for another request", name)
	case v.Body.Amount != r.Body.Amount || total != a.Total || total > c.Body.Limit:
		return k.broken("%s: accepted %d of a limit of %d for a request of %d", name, total, c.Body.Limit, r.Body.Amount)
	case a.Guaranteed > total || len(c.Body.BoundTo) == 0 && a.Guaranteed > c.Body.Guarantee:
		return k.broken("%s: %d of %d guaranteed, the certificate says %d", name, a.Guaranteed, total, c.Body.Guarantee)
	case !d.floor().Before(time.UnixMilli(c.Body.SpendByMs)):
		return k.broken("%s: accepted after spend_by", name)
	}
	return nil
}

// believed checks what an honest customer took for a till's word: genuine, and
// of the till that made the request.
func (k *checker) believed(d *device, a store.Attempt) error {
	for _, b := range [][]byte{a.RequestBytes, a.ReceiptBytes, a.CancelBytes} {
		if by, genuine := k.w.signer(b); len(b) > 0 && (!genuine || by != a.Business) {
			return k.broken("%s: %s: believed something that its till has not signed", d.name, k.w.log.name(a.Request))
		}
	}
	return nil
}
