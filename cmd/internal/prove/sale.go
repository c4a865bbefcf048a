package prove

import (
	"errors"
	"slices"
	"time"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// saleStep is an event of a sale with what is stored beside its outcome.
type saleStep struct {
	in       payment.BusinessInput
	answered *store.Ask
	done     payment.ItemKind
	verdict  []byte
}

// step steps a payment by something that happened at the till, and sends what
// follows. What has no edge is refused.
func (t *till) step(id preauth.ID, step saleStep) error {
	sale, err := t.st.Sale(ctx, id)
	if err != nil {
		return err
	}
	sale, fx, err := t.storeSale(sale, step)
	if err != nil {
		return err
	}
	return t.deliver(sale, fx)
}

// storeSale steps sale, and stores it with the requests the step answered, its
// events and its outbox items in one commit.
func (t *till) storeSale(sale store.Sale, step saleStep) (store.Sale, payment.Effects, error) {
	in := step.in
	next, fx, err := sale.Sale.Step(in, t.wall())
	if err != nil {
		return sale, payment.Effects{}, err
	}
	t.w.tell(t.name, "", string(in.Event)+": "+string(sale.State)+" → "+string(next.State), in.Request)
	sale.Sale = next
	if step.verdict != nil && in.Request == next.Winner {
		sale.VerdictBytes = step.verdict
	}
	c := &store.Change{Sale: &sale, Events: saleEvents(sale, fx.Notes)}
	if step.done != "" {
		c.Done = []store.ItemKey{{Kind: step.done, Request: in.Request}}
	}
	rows, err := t.answered(next, step.answered, c)
	if err != nil {
		return sale, payment.Effects{}, err
	}
	for _, it := range fx.Outbox {
		key := store.ItemKey{Kind: it.Kind, Request: it.Request}
		if slices.Contains(c.Done, key) {
			continue // the backend has just answered this very item
		}
		row := rows[it.Request]
		c.Outbox = append(c.Outbox, store.Item{
			ItemKey: key, Payment: sale.ID, Currency: sale.Currency, Total: row.Total, CreatedAt: t.wall(), Deadline: t.deadline(row),
		})
	}
	return sale, fx, t.commit(c, in.Request)
}

// answered brings the rows of the requests that a step answered up to date and
// adds them to the change.
func (t *till) answered(next payment.Sale, answered *store.Ask, c *store.Change) (map[preauth.Hash]store.Ask, error) {
	asks, err := t.st.AsksOf(ctx, next.ID)
	if err != nil {
		return nil, err
	}
	rows := make(map[preauth.Hash]store.Ask, len(asks))
	for _, row := range asks {
		now, _ := next.Asked(row.Request)
		before := row.Ask
		if answered != nil && row.Request == answered.Request {
			row = *answered
		}
		if now != before {
			row.Owed = true
			if now.Cancel != "" && before.Cancel == "" {
				row.CancelledAt = t.wall()
			}
			row.Ask = now
			c.Asks = append(c.Asks, row)
		}
		rows[row.Request] = row
	}
	return rows, nil
}

func (t *till) deadline(a store.Ask) time.Time {
	c, err := preauth.Open[*peerv1.PreauthCert](a.CertBytes)
	if err != nil {
		return t.wall().Add(30 * 24 * time.Hour)
	}
	return time.UnixMilli(c.Body.SettleByMs)
}

// deliver sends what a committed step asks for to the sessions that are there.
func (t *till) deliver(sale store.Sale, fx payment.Effects) error {
	for _, m := range fx.Send {
		s := t.byRequest[m.Request]
		if s == nil {
			continue
		}
		if err := t.passes("before it sends"); err != nil {
			return err
		}
		ask, err := t.st.Ask(ctx, m.Request)
		if err != nil {
			return err
		}
		if m.Kind == payment.SendRequest {
			err = s.send(t, secure.Request, ask.RequestBytes)
		} else {
			err = t.repeat(s, sale, ask)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// repeat sends the outcome of a request, as it stands in the store: its Cancel
// if there is one, else its Receipt, which is not given out while a verdict is
// awaited.
func (t *till) repeat(s *session, sale store.Sale, ask store.Ask) error {
	switch {
	case ask.Cancel != "":
		c, err := t.cancelOf(ask)
		return errors.Join(err, s.send(t, secure.Cancel, c.Bytes))
	case sale.State == payment.Awaiting:
		return s.send(t, secure.Pending, encode(&peerv1.Pending{RequestHash: ask.Request[:]}))
	}
	r, err := t.receiptOf(sale, ask)
	return errors.Join(err, s.send(t, secure.Receipt, r.Bytes))
}

// receiptOf signs the Receipt of a stored voucher.
func (t *till) receiptOf(sale store.Sale, ask store.Ask) (preauth.Receipt, error) {
	status := peerv1.ReceiptStatus_RECEIPT_STATUS_STORED
	if sale.State == payment.Settled {
		status = peerv1.ReceiptStatus_RECEIPT_STATUS_SETTLED
	}
	return sign(t.w, t.person, &peerv1.Receipt{
		RequestHash: ask.Request[:], VoucherHash: ask.Voucher[:], Status: status, StoredMs: ask.StoredAt.UnixMilli(),
	})
}

// cancelOf signs the Cancel of a request from its row.
func (t *till) cancelOf(ask store.Ask) (preauth.Cancel, error) {
	return sign(t.w, t.person, &peerv1.Cancel{
		RequestHash: ask.Request[:], Code: ask.Code,
		Reason: peerv1.CancelReason(peerv1.CancelReason_value["CANCEL_REASON_"+string(ask.Cancel)]),
	})
}

// sendBundle passes the trust bundle on.
func (d *device) sendBundle(s *session, from end) error {
	return s.send(from, secure.BundlePart, encode(&peerv1.BundlePart{
		Epoch: d.trust.Epoch(), Count: 1, Part: d.identity.TrustBundle,
	}))
}

// events writes notes out as events of their kind.
func events(id preauth.ID, notes []payment.Note) []*paymentv1.Event {
	all := make([]*paymentv1.Event, 0, len(notes))
	p := id.String()
	for _, n := range notes {
		e := &paymentv1.Event{}
		switch n.Kind {
		case payment.NoteSuccessful:
			e.Event = &paymentv1.Event_PaymentSuccessful{PaymentSuccessful: &paymentv1.PaymentSuccessful{PaymentId: p}}
		case payment.NoteFailed:
			e.Event = &paymentv1.Event_PaymentFailed{PaymentFailed: &paymentv1.PaymentFailed{PaymentId: p, Reason: n.Reason}}
		case payment.NoteCancelled, payment.NoteAnotherUserPaid:
			e.Event = &paymentv1.Event_PaymentCancelled{PaymentCancelled: &paymentv1.PaymentCancelled{PaymentId: p, Reason: n.Reason}}
		case payment.NoteSettled:
			e.Event = &paymentv1.Event_PaymentSettled{PaymentSettled: &paymentv1.PaymentSettled{PaymentId: p}}
		case payment.NoteRejected:
			e.Event = &paymentv1.Event_PaymentRejected{PaymentRejected: &paymentv1.PaymentRejected{PaymentId: p, Reason: n.Reason}}
		default:
			e.Event = &paymentv1.Event_DeviceChanged{DeviceChanged: &paymentv1.DeviceChanged{What: string(n.Kind), Detail: p}}
		}
		all = append(all, e)
	}
	return all
}
