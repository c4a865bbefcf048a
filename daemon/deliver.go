package daemon

import (
	"context"

	"google.golang.org/protobuf/proto"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// deliver sends what a committed step asks for to the sessions that are
// there. Who is not there gets it when it comes back.
func (t *till) deliver(ctx context.Context, sale store.Sale, fx payment.Effects) {
	for _, m := range fx.Send {
		p := t.payerOf(m.Request)
		if p == nil {
			continue
		}
		ask, err := t.d.store.Ask(ctx, m.Request)
		if err != nil {
			t.d.log.Error("stored request not read", "request", m.Request.String(), "error", err)
			continue
		}
		if m.Kind == payment.SendRequest {
			p.send(secure.Request, ask.RequestBytes)
			continue
		}
		t.repeatOutcome(p, sale, ask)
	}
	for _, m := range fx.Send {
		if p := t.payerOf(m.Request); p != nil {
			t.passBundle(p, sale)
		}
	}
}

// passBundle passes our trust bundle on to a customer who has the outcome of
// a sale, when nobody waits for that any more.
func (t *till) passBundle(p *payer, sale store.Sale) {
	if sale.State != payment.Open && sale.State != payment.Awaiting {
		t.d.passBundle(p.peer)
	}
}

// repeatOutcome sends the outcome of a request, as it stands in the store.
func (t *till) repeatOutcome(p *payer, sale store.Sale, ask store.Ask) {
	typ, body, err := t.d.outcome(sale, ask)
	if err != nil {
		t.d.log.Error("outcome not signed", "request", ask.Request.String(), "error", err)
		return
	}
	if typ == secure.Pending {
		p.repeat(body)
	} else {
		p.repeat(nil)
		t.mu.Lock()
		_, again := p.answered[ask.Request]
		p.answered[ask.Request] = !again || ask.Cancel != payment.ReasonReversal
		t.mu.Unlock()
	}
	p.send(typ, body)
}

// outcome is the till's answer to anything about a request: its Cancel if
// there is one, else its Receipt, which is not given out while a verdict is
// awaited.
func (d *Device) outcome(sale store.Sale, ask store.Ask) (secure.Type, []byte, error) {
	switch {
	case ask.Cancel != "":
		c, err := d.cancelOf(ask)
		return secure.Cancel, c.Bytes, err
	case sale.State == payment.Awaiting:
		return secure.Pending, mustEncode(&peerv1.Pending{RequestHash: ask.Request[:]}), nil
	}
	r, err := d.receiptOf(sale, ask)
	return secure.Receipt, r.Bytes, err
}

// receiptOf signs the Receipt of a stored voucher.
func (d *Device) receiptOf(sale store.Sale, ask store.Ask) (preauth.Receipt, error) {
	status := peerv1.ReceiptStatus_RECEIPT_STATUS_STORED
	if sale.State == payment.Settled {
		status = peerv1.ReceiptStatus_RECEIPT_STATUS_SETTLED
	}
	return preauth.Sign(d.opt.Keys.Signing, &peerv1.Receipt{
		RequestHash: ask.Request[:], VoucherHash: ask.Voucher[:], Status: status, StoredMs: ask.StoredAt.UnixMilli(),
	})
}

// cancelOf signs the Cancel of a request from its row.
func (d *Device) cancelOf(ask store.Ask) (preauth.Cancel, error) {
	return preauth.Sign(d.opt.Keys.Signing, &peerv1.Cancel{
		RequestHash: ask.Request[:], Code: ask.Code,
		Reason: peerv1.CancelReason(peerv1.CancelReason_value["CANCEL_REASON_"+string(ask.Cancel)]),
	})
}

// saleReceipt is the receipt data of a paid sale.
func (d *Device) saleReceipt(s store.Sale, winner store.Ask) *paymentv1.ReceiptData {
	r, b, err := requestOf(winner.RequestBytes)
	if err != nil {
		return nil
	}
	rc, err := d.receiptOf(s, winner)
	if err != nil {
		return nil
	}
	return receiptData(r, b, winner.Voucher, winner.VoucherBytes, rc.Bytes)
}

// claim notes the session in which a request was answered, and lets the
// session go on with what else there is.
func (t *till) claim(request preauth.Hash, p *payer) {
	t.mu.Lock()
	t.byRequest[request] = p
	t.mu.Unlock()
	p.nudge.fire()
}

// show tells user interfaces what a stored step has come to. The caller holds
// the lock: whoever waits for the end of the payment hears of the step first.
func (t *till) show(sale store.Sale, in payment.BusinessInput) {
	step := businessv1.ProgressStep_PROGRESS_STEP_UNSPECIFIED
	switch in.Event {
	case payment.CustomerSaidNo, payment.Refuse:
		step = businessv1.ProgressStep_PROGRESS_STEP_DECLINED
	case payment.Paid, payment.PaidOnline:
		step = businessv1.ProgressStep_PROGRESS_STEP_STORED
	}
	if step != businessv1.ProgressStep_PROGRESS_STEP_UNSPECIFIED {
		t.progress.tell(sale.ID, step, t.connected(), in.Reason+in.Code)
	}
}

// mustEncode encodes one of our own small messages, which cannot fail.
func mustEncode(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}
