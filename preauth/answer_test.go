package preauth

import (
	"crypto/sha256"
	"testing"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

func (d *deal) session(t *testing.T) Session {
	t.Helper()
	return Session{
		Business: d.signTill(t), Binding: [32]byte(testBytes("binding", 32)),
		NonceHash: sha256.Sum256(testBytes("nonce", 16)),
	}
}

// asked are requests as they arrive in a session: one good, the others not. A
// session must hold all of it.
var asked = []struct {
	name  string
	spoil func(*peerv1.Request, *Session) (signer string)
	want  error
}{
	{"all of it is of this session", func(*peerv1.Request, *Session) string { return "till" }, nil},
	{"the till signed it", func(*peerv1.Request, *Session) string { return "stranger" }, ErrSignature},
	{"it carries the session's certificate", func(r *peerv1.Request, _ *Session) string {
		r.DeviceCert = append(r.DeviceCert, 0)
		return "till"
	}, ErrRequest},
	{"it names the session's till", func(r *peerv1.Request, _ *Session) string {
		r.BusinessDeviceId = testBytes("other", 16)
		return "till"
	}, ErrRequest},
	{"it was made for this session", func(_ *peerv1.Request, s *Session) string { s.Binding[0]++; return "till" }, ErrRequest},
	{"its nonce is the one committed to", func(r *peerv1.Request, _ *Session) string {
		r.Nonce = testBytes("other", 16)
		return "till"
	}, ErrRequest},
	{"it asks for something", func(r *peerv1.Request, _ *Session) string { r.Amount = 0; return "till" }, ErrDecode},
}

func TestACustomerShowsARequestOnlyIf(t *testing.T) {
	for _, tt := range asked {
		t.Run(tt.name, func(t *testing.T) {
			d := newDeal()
			s, r := d.session(t), d.signRequest(t).Body
			b := forge(t, tt.spoil(r, &s), r)
			got, err := s.OpenRequest(b)
			onlyErr(t, err, tt.want)
			if got.Zero() != (tt.want != nil) {
				t.Errorf("came back as %v with %v", got.Body, err)
			}
		})
	}
}

// tillWith is the till's certificate after a change, such as a rotation of
// its keys.
func tillWith(t *testing.T, change func(*peerv1.DeviceCert)) DeviceCert {
	t.Helper()
	d := newDeal()
	change(d.tillCert)
	return d.signTill(t)
}

func rotate(key string) func(*peerv1.DeviceCert) {
	return func(c *peerv1.DeviceCert) { k := testPub(key); c.SigningKey = k[:] }
}

func unchanged(*peerv1.DeviceCert) {}

// speaker is somebody who says something about a request.
type speaker struct {
	name   string
	named  Hash // the request
	signer string
	cert   func(*peerv1.DeviceCert)
	want   error
}

// speakers are those who may speak for the request own, and those who may not.
// other is another request of the same payment.
func speakers(own, other Hash) []speaker {
	return []speaker{
		{"its till", own, "till", unchanged, nil},
		{"its till with a new key", own, "till 2", rotate("till 2"), nil},
		{"its till under the new certificate with the old key", own, "till", rotate("till 2"), ErrSignature},
		{"its till, for another request of the payment", other, "till", unchanged, ErrRequest},
		{"another till with a certificate of its own", own, "thief", func(c *peerv1.DeviceCert) {
			rotate("thief")(c)
			c.DeviceId = testBytes("thief", 16)
		}, ErrRequest},
		{"another device with the same key", own, "till", func(c *peerv1.DeviceCert) { c.DeviceId = testBytes("thief", 16) }, ErrRequest},
		{"a stranger under the till's certificate", own, "stranger", unchanged, ErrSignature},
	}
}

// twoRequests are two of the same payment, by the same till.
func twoRequests(t *testing.T) (own, other Request) {
	d := newDeal()
	own = d.signRequest(t)
	d.request.Amount = 1300
	return own, d.signRequest(t)
}

// A till answers for its requests with whatever key its device has now; no
// other device, and no other request, is spoken for.
func TestWhoSpeaksForARequest(t *testing.T) {
	request, other := twoRequests(t)
	voucher := Hash(testBytes("voucher", 32))
	for _, tt := range speakers(request.Hash, other.Hash) {
		t.Run(tt.name, func(t *testing.T) {
			cert := tillWith(t, tt.cert)
			c := mustSign(t, tt.signer, &peerv1.Cancel{RequestHash: tt.named[:], Reason: peerv1.CancelReason_CANCEL_REASON_USER})
			cancel, err := OpenCancel(c.Bytes, request, cert)
			onlyErr(t, err, tt.want)
			if cancel.Zero() != (tt.want != nil) {
				t.Errorf("Cancel came back as %v with %v", cancel.Body, err)
			}
			r := mustSign(t, tt.signer, &peerv1.Receipt{
				RequestHash: tt.named[:], VoucherHash: voucher[:],
				Status: peerv1.ReceiptStatus_RECEIPT_STATUS_STORED, StoredMs: noon.UnixMilli(),
			})
			receipt, err := OpenReceipt(r.Bytes, request, voucher, cert)
			onlyErr(t, err, tt.want)
			if receipt.Zero() != (tt.want != nil) {
				t.Errorf("Receipt came back as %v with %v", receipt.Body, err)
			}
		})
	}
}

func TestAReceiptForAnotherVoucherProvesNothing(t *testing.T) {
	d := newDeal()
	request := d.signRequest(t)
	r := mustSign(t, "till", &peerv1.Receipt{
		RequestHash: request.Hash[:], VoucherHash: testBytes("voucher", 32),
		Status: peerv1.ReceiptStatus_RECEIPT_STATUS_SETTLED, StoredMs: 1,
	})
	_, err := OpenReceipt(r.Bytes, request, Hash(testBytes("other", 32)), d.signTill(t))
	onlyErr(t, err, ErrRequest)
	if _, err := OpenReceipt(r.Bytes, request, Hash(testBytes("voucher", 32)), d.signTill(t)); err != nil {
		t.Errorf("for this voucher: %v", err)
	}
}

func TestADeclineCountsOnlyFromTheSessionsCustomer(t *testing.T) {
	d := newDeal()
	request := d.signRequest(t)
	tests := []struct {
		name, signer string
		named        []byte
		want         error
	}{
		{"the customer", "customer", request.Hash[:], nil},
		{"the customer on another request", "customer", testBytes("other", 32), ErrRequest},
		{"a stranger", "stranger", request.Hash[:], ErrSignature},
	}
	for _, tt := range tests {
		b := mustSign(t, tt.signer, &peerv1.Decline{RequestHash: tt.named, Reason: "too dear"}).Bytes
		got, err := OpenDecline(b, request, d.signCustomer(t))
		onlyErr(t, err, tt.want)
		if got.Zero() != (tt.want != nil) {
			t.Errorf("%s: came back as %v with %v", tt.name, got.Body, err)
		}
	}
}

func TestAnswersAreDecodedStrictly(t *testing.T) {
	d := newDeal()
	request, cert := d.signRequest(t), d.signTill(t)
	bad := []byte{0x0a, 0x00}
	_, receipt := OpenReceipt(bad, request, Hash{}, cert)
	_, cancel := OpenCancel(bad, request, cert)
	_, decline := OpenDecline(bad, request, cert)
	_, asked := d.session(t).OpenRequest(bad)
	for _, err := range []error{receipt, cancel, decline, asked} {
		onlyErr(t, err, ErrDecode)
	}
}
