package prove

import (
	"errors"

	"google.golang.org/protobuf/proto"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
	"github.com/vipaso/vipasod/syncer/outbox"
)

// fill adds a till's signed objects to an item.
func (t *till) fill(it *outbox.Item) error {
	ask, err := t.st.Ask(ctx, it.Key.Request)
	if err != nil {
		return err
	}
	it.Request = ask.RequestBytes
	if it.Key.Kind == payment.ItemCancel {
		c, err := t.cancelOf(ask)
		it.Cancel = c.Bytes
		return err
	}
	sale, err := t.st.Sale(ctx, ask.Payment)
	if err != nil {
		return err
	}
	if it.PreauthCert = ask.CertBytes; len(ask.CertBytes) > 0 {
		it.Voucher = ask.VoucherBytes
	} else {
		it.Charge = ask.VoucherBytes
	}
	r, err := t.receiptOf(sale, ask)
	it.Receipt = r.Bytes
	return err
}

// fill adds a customer's signed objects to an item.
func (c *wallet) fill(it *outbox.Item) error {
	a, err := c.st.Attempt(ctx, it.Key.Request)
	if err != nil {
		return err
	}
	it.Request = a.RequestBytes
	if it.Key.Kind == payment.ItemCancel {
		it.Cancel = a.CancelBytes
		return nil
	}
	it.Receipt = a.ReceiptBytes
	if a.Charge {
		it.Charge = a.VoucherBytes
		return nil
	}
	auth, err := c.st.Authorization(ctx, a.Preauth)
	if err != nil {
		return err
	}
	it.Voucher, it.PreauthCert = a.VoucherBytes, auth.Cert.Bytes
	return nil
}

// judge applies the backend's verdict on an item: state, event and the item's
// end are one commit.
func (t *till) judge(it outbox.Item, v preauth.Verdict) error {
	in := payment.OnSaleVerdict(it.Key.Request, v)
	ask, err := t.st.Ask(ctx, it.Key.Request)
	if err != nil {
		return err
	}
	return t.step(ask.Payment, saleStep{in: in, done: it.Key.Kind, verdict: v.Bytes})
}

func (c *wallet) judge(it outbox.Item, v preauth.Verdict) error {
	return c.step(it.Key.Request, payment.OnVerdict(v), func(a *store.Attempt, ch *store.Change) {
		a.VerdictBytes = v.Bytes
		ch.Done = append(ch.Done, store.ItemKey(it.Key))
	})
}

// sign signs for somebody and remembers that it is genuine.
func sign[M proto.Message](w *world, p *person, body M) (preauth.Signed[M], error) {
	s, err := preauth.Sign(p.key, body)
	if err == nil {
		w.vouched(s.Bytes, p.id)
	}
	return s, err
}

// encode encodes a small message, which cannot fail.
func encode(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

// isDown reports that a process is gone, which is no news to its caller.
func isDown(err error) bool { return errors.Is(err, errDown) }
