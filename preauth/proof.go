package preauth

import (
	"fmt"
	"slices"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// ProvenPayment is a payment that both sides have signed.
type ProvenPayment struct {
	Request Request
	Till    DeviceCert
	Receipt Receipt
	Amount  int64 // without tip, minor units of Request's currency
	Tip     int64
	// Settled: the till says that the backend has paid it. If not, the till
	// says no more than that it holds the customer's promise.
	Settled bool
}

// VerifyProof says what p proves to somebody who knows nothing but the root
// key: the till asked, the customer promised, and the till gave a receipt for
// that very promise. It proves what was, not what came after: the till can
// have given the money back, and the backend can have refused the promise.
//
// The error wraps ErrDecode, ErrIssuer, ErrSignature, ErrRole, ErrRequest, or
// is one of a till's refusals.
func VerifyProof(root PublicKey, p *peerv1.ReceiptProof) (ProvenPayment, error) {
	issuers, err := OpenIssuance(root, p.GetIssuance())
	if err != nil {
		return ProvenPayment{}, fmt.Errorf("issuers: %w", err)
	}
	request, till, err := issuers.openRequest(p.GetRequest())
	if err != nil {
		return ProvenPayment{}, fmt.Errorf("request: %w", err)
	}
	promise, err := issuers.openPromise(p, request)
	if err != nil {
		return ProvenPayment{}, err
	}
	receipt, err := OpenReceipt(p.GetReceipt(), request, promise.hash, till)
	if err != nil {
		return ProvenPayment{}, fmt.Errorf("receipt: %w", err)
	}
	return ProvenPayment{
		Request: request, Till: till, Receipt: receipt, Amount: promise.amount, Tip: promise.tip,
		Settled: receipt.Body.Status == peerv1.ReceiptStatus_RECEIPT_STATUS_SETTLED,
	}, nil
}

// openRequest accepts a request by the till whose certificate is in it.
func (i Issuers) openRequest(b []byte) (Request, DeviceCert, error) {
	r, err := Open[*peerv1.Request](b)
	if err != nil {
		return Request{}, DeviceCert{}, err
	}
	till, err := i.genuine(r.Body.DeviceCert, peerv1.Role_ROLE_BUSINESS)
	if err != nil {
		return Request{}, DeviceCert{}, err
	}
	if err := r.VerifiedBy(PublicKey(till.Body.SigningKey)); err != nil {
		return Request{}, DeviceCert{}, err
	}
	if ID(r.Body.BusinessDeviceId) != ID(till.Body.DeviceId) {
		return Request{}, DeviceCert{}, fmt.Errorf("names another till: %w", ErrRequest)
	}
	return r, till, nil
}

// promise is what a customer signed: a voucher or a charge.
type promise struct {
	hash        Hash
	amount, tip int64
}

// openPromise accepts what the customer signed for the request, by the rules
// that a till goes by.
func (i Issuers) openPromise(p *peerv1.ReceiptProof, r Request) (promise, error) {
	till := Till{Request: r}
	if len(p.GetCharge()) > 0 {
		customer, err := i.genuine(p.GetCustomerCert(), peerv1.Role_ROLE_CUSTOMER)
		if err != nil {
			return promise{}, fmt.Errorf("customer: %w", err)
		}
		c, err := till.CheckCharge(p.GetCharge(), customer)
		if err != nil {
			return promise{}, fmt.Errorf("charge: %w", err)
		}
		return promise{c.Hash, c.Body.Amount, c.Body.Tip}, nil
	}
	cert, err := i.GenuinePreauth(p.GetPreauthCert())
	if err != nil {
		return promise{}, fmt.Errorf("pre-authorization: %w", err)
	}
	v, err := Open[*peerv1.Voucher](p.GetVoucher())
	if err != nil {
		return promise{}, fmt.Errorf("voucher: %w", err)
	}
	for _, check := range []func(PreauthCert, Voucher) error{till.checkCurrency, till.checkSigner, till.checkAnswer, till.checkCovered} {
		if err := check(cert, v); err != nil {
			return promise{}, fmt.Errorf("voucher: %w", err)
		}
	}
	return promise{v.Hash, v.Body.Amount, v.Body.Tip}, nil
}

// IssuanceOf is what leads from a root key to the issuers that signed with the
// keys of those ids, as far as the bundle names them, and to no others: a
// receipt has to fit a square of dots.
func (t Trust) IssuanceOf(keyIDs ...[8]byte) *peerv1.Issuance {
	from := &peerv1.Issuance{Handovers: t.Bundle.Body.GetHandovers()}
	for _, b := range t.Bundle.Body.GetIssuerCerts() {
		c, err := Open[*peerv1.IssuerKey](b)
		if err == nil && slices.Contains(keyIDs, PublicKey(c.Body.PublicKey).KeyID()) {
			from.IssuerCerts = append(from.IssuerCerts, b)
		}
	}
	return from
}
