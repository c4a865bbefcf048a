package prove

import (
	"errors"
	"fmt"
	"slices"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// ErrViolation says that a run has broken a rule: money was lost, doubled or
// forgotten, or two parties believe different things.
var ErrViolation = errors.New("rule broken")

func isBroken(err error) bool { return errors.Is(err, ErrViolation) }

// checker looks at everything from outside after each step: it reads what was
// stored, and never what a party believes in memory.
type checker struct {
	w     *world
	model *model
	seen  map[*device]*memory
	edges map[string]int
	late  map[owner]bool // who reaches the backend only after settle_by
}

// memory is what the checker has last read from a device's store.
type memory struct {
	sequence uint64
	attempts map[preauth.Hash]store.Attempt
	sales    map[preauth.ID]store.Sale
	asks     map[preauth.Hash]store.Ask
	order    []preauth.Hash // of attempts or asks, as they came
	payments []preauth.ID   // of sales, as they came
}

func newChecker(w *world) *checker {
	return &checker{w: w, model: newModel(w), seen: make(map[*device]*memory), edges: make(map[string]int)}
}

// broken reports a broken rule.
func (k *checker) broken(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrViolation}, args...)...)
}

func (k *checker) of(d *device) *memory {
	m := k.seen[d]
	if m == nil {
		m = &memory{
			attempts: make(map[preauth.Hash]store.Attempt), sales: make(map[preauth.ID]store.Sale), asks: make(map[preauth.Hash]store.Ask),
		}
		k.seen[d] = m
	}
	return m
}

// committed looks at what a commit has left in the store.
func (k *checker) committed(d *device, c *store.Change, about preauth.Hash) error {
	m := k.of(d)
	for _, e := range c.Events {
		if m.sequence++; e.Sequence != m.sequence {
			return k.broken("%s: event %d comes after %d", d.name, e.Sequence, m.sequence-1)
		}
	}
	if last, err := d.st.LastSequence(ctx); err != nil || last != m.sequence {
		return k.broken("%s: newest event is %d, not %d: %v", d.name, last, m.sequence, err)
	}
	for _, a := range c.Attempts {
		if err := k.attempt(d, a.Request); err != nil {
			return err
		}
	}
	for _, id := range touched(c) {
		auth, err := d.st.Authorization(ctx, id)
		if err != nil {
			return k.broken("%s: pre-authorization: %v", d.name, err)
		}
		if err := k.holds(d, auth); err != nil {
			return err
		}
	}
	if c.Sale != nil {
		return k.sale(d, c.Sale.ID)
	}
	return nil
}

// attempt compares a customer's row with what it was before.
func (k *checker) attempt(d *device, request preauth.Hash) error {
	m := k.of(d)
	now, err := d.st.Attempt(ctx, request)
	if err != nil {
		return k.broken("%s: attempt %s: %v", d.name, k.w.log.name(request), err)
	}
	old, known := m.attempts[request]
	name := d.name + ": " + k.w.log.name(request)
	switch {
	case !known:
		m.order = append(m.order, request)
		if now.State != payment.Requested {
			return k.broken("%s begins as %s", name, now.State)
		}
	case now.Rev != old.Rev+1:
		return k.broken("%s: revision %d after %d", name, now.Rev, old.Rev)
	case !slices.Contains(customerEdges[old.State], now.State) && old.State != now.State &&
		!(old.State == payment.Settled && now.State == payment.Rejected && old.Settled == 0):
		return k.broken("%s: %s became %s", name, old.State, now.State)
	case old.Cancel && !now.Cancel:
		return k.broken("%s: a verified Cancel was dropped", name)
	case old.Cancel && old.State != now.State && (now.State == payment.Settled || now.State == payment.Rejected):
		return k.broken("%s holds a Cancel and became %s", name, now.State)
	case !old.Attempt.Voucher.Zero() && (now.Attempt.Voucher != old.Attempt.Voucher || string(now.VoucherBytes) != string(old.VoucherBytes)):
		return k.broken("%s: another voucher in place of the stored one", name)
	case old.State == now.State && now.Cancel && !old.Cancel && old.State != payment.Cancelled && !slices.Contains(
		[]payment.State{payment.Expired, payment.Declined, payment.OtherPaid, payment.Settled}, old.State):
		return k.broken("%s stays %s in spite of a Cancel", name, old.State)
	}
	if now.Cancel != (len(now.CancelBytes) > 0) || now.Receipt != (len(now.ReceiptBytes) > 0) {
		return k.broken("%s: the row says %t and %t, but has %d and %d bytes", name, now.Cancel, now.Receipt, len(now.CancelBytes), len(now.ReceiptBytes))
	}
	if err := k.believed(d, now); err != nil {
		return err
	}
	k.edges[fmt.Sprintf("customer %s → %s", old.State, now.State)]++
	m.attempts[request] = now
	return k.oneVoucher(d, now)
}

// oneVoucher checks that a customer has at most one voucher for what one till
// asks that no verified Cancel has ended.
func (k *checker) oneVoucher(d *device, a store.Attempt) error {
	live := 0
	for _, o := range k.of(d).attempts {
		if o.Payment == a.Payment && o.Business == a.Business && !o.Attempt.Voucher.Zero() && !o.Cancel {
			live++
		}
	}
	if live > 1 {
		return k.broken("%s has %d live vouchers for one payment", d.name, live)
	}
	return nil
}

// touched are the pre-authorizations that a change has to do with.
func touched(c *store.Change) (all []preauth.ID) {
	for _, a := range c.Attempts {
		if !a.Preauth.Zero() && !slices.Contains(all, a.Preauth) {
			all = append(all, a.Preauth)
		}
	}
	return all
}

// holds checks a customer's pre-authorization against its vouchers.
func (k *checker) holds(d *device, auth store.Authorization) error {
	var held, spent int64
	counters := make(map[uint32]bool)
	for _, a := range k.of(d).attempts {
		if a.Preauth != auth.ID() || a.Attempt.Voucher.Zero() {
			continue
		}
		if counters[a.Counter] || a.Counter > auth.Counter {
			return k.broken("%s: counter %d twice, or beyond %d", d.name, a.Counter, auth.Counter)
		}
		counters[a.Counter] = true
		switch a.State {
		case payment.Authorized, payment.Provisional, payment.Rejected:
			held += a.Amount + a.Tip
		case payment.Settled:
			spent += a.Amount + a.Tip
		}
	}
	if held != auth.Held || spent != auth.Spent {
		return k.broken("%s: %d held and %d spent, its vouchers say %d and %d", d.name, auth.Held, auth.Spent, held, spent)
	}
	if held+spent > auth.Cert.Body.Limit {
		return k.broken("%s: %d held and %d spent of a limit of %d", d.name, held, spent, auth.Cert.Body.Limit)
	}
	return nil
}

// sale compares a till's payment and its requests with what they were before.
func (k *checker) sale(d *device, id preauth.ID) error {
	m := k.of(d)
	now, err := d.st.Sale(ctx, id)
	if err != nil {
		return k.broken("%s: sale: %v", d.name, err)
	}
	old, known := m.sales[id]
	switch {
	case !known:
		m.payments = append(m.payments, id)
	case now.Rev != old.Rev+1:
		return k.broken("%s: payment %s: revision %d after %d", d.name, id, now.Rev, old.Rev)
	case !slices.Contains(businessEdges[old.State], now.State) && old.State != now.State:
		return k.broken("%s: payment %s: %s became %s", d.name, id, old.State, now.State)
	case !old.Winner.Zero() && old.Winner != now.Winner:
		return k.broken("%s: payment %s has another winner", d.name, id)
	}
	k.edges[fmt.Sprintf("till %s → %s", old.State, now.State)]++
	m.sales[id] = now
	rows, err := d.st.AsksOf(ctx, id)
	if err != nil {
		return k.broken("%s: asks: %v", d.name, err)
	}
	receipts := 0
	for _, a := range rows {
		if err := k.ask(d, now, a); err != nil {
			return err
		}
		if a.Receipt {
			receipts++
		}
	}
	if receipts > 1 || receipts == 1 && now.Winner.Zero() {
		return k.broken("%s: payment %s has %d receipts", d.name, id, receipts)
	}
	return nil
}

func (k *checker) ask(d *device, sale store.Sale, now store.Ask) error {
	m := k.of(d)
	old, known := m.asks[now.Request]
	name := d.name + ": " + k.w.log.name(now.Request)
	if !known {
		m.order = append(m.order, now.Request)
	}
	switch {
	case old.Receipt && (!now.Receipt || old.Voucher != now.Voucher || string(old.VoucherBytes) != string(now.VoucherBytes)):
		return k.broken("%s: the receipt is gone or for another voucher", name)
	case old.Cancel != "" && (old.Cancel != now.Cancel || old.Code != now.Code):
		return k.broken("%s: Cancel %s became %q", name, old.Cancel, now.Cancel)
	case now.Receipt && now.Cancel != "" && now.Cancel != payment.ReasonOnlineRequired && now.Cancel != payment.ReasonReversal:
		return k.broken("%s has a Receipt and a Cancel(%s)", name, now.Cancel)
	case now.Receipt && now.Request != sale.Winner:
		return k.broken("%s has a Receipt and is not the winner", name)
	case !sale.State.Unfinished() && !now.Answered():
		return k.broken("%s has no outcome, but its payment is %s", name, sale.State)
	case !sale.Winner.Zero() && !now.Answered():
		return k.broken("%s has no outcome, but another has paid", name)
	}
	m.asks[now.Request] = now
	if now.Receipt && !old.Receipt {
		return k.accepted(d, now)
	}
	return nil
}

// sent checks that an honest device has stored what it sends.
func (k *checker) sent(from end, typ secure.Type, body []byte) error {
	b, honest := from.(interface{ base() *device })
	if !honest {
		return nil
	}
	d, about := b.base(), aboutOf(typ, body)
	ok := true
	switch typ {
	case secure.Request, secure.Receipt, secure.Cancel:
		ask, err := d.st.Ask(ctx, about)
		ok = err == nil
		if typ == secure.Receipt {
			rc, err := preauth.Open[*peerv1.Receipt](body)
			sale, _ := d.st.Sale(ctx, ask.Payment)
			ok = ok && err == nil && ask.Receipt && sale.State != payment.Awaiting && ask.Cancel == "" && ask.Voucher == preauth.Hash(rc.Body.VoucherHash)
		}
		if typ == secure.Cancel {
			ok = ok && ask.Cancel != ""
		}
	case secure.Payment, secure.Charge, secure.Decline:
		a, err := d.st.Attempt(ctx, about)
		ok = err == nil && a.State != payment.Requested
		if typ == secure.Payment {
			var p peerv1.Payment
			ok = ok && preauth.DecodeStrict(body, &p) == nil && string(p.Voucher) == string(a.VoucherBytes)
		}
	}
	if !ok {
		return k.broken("%s sends a %s that it has not stored", d.name, typ)
	}
	return nil
}

// restarted checks that everything that was committed is there when a process
// starts, and nothing else. Of the rows it looks at the newest.
func (k *checker) restarted(d *device) error {
	m := k.of(d)
	last, err := d.st.LastSequence(ctx)
	if err != nil || last != m.sequence || last < d.told {
		return k.broken("%s: newest event is %d after a restart, %d were stored and %d shown: %v", d.name, last, m.sequence, d.told, err)
	}
	for _, h := range m.order[max(0, len(m.order)-6):] {
		same := false
		if d.business() {
			now, err := d.st.Ask(ctx, h)
			same = err == nil && now.Ask == m.asks[h].Ask
		} else {
			now, err := d.st.Attempt(ctx, h)
			same = err == nil && now.Attempt == m.attempts[h].Attempt
		}
		if !same {
			return k.broken("%s: %s is not what it was before the restart", d.name, k.w.log.name(h))
		}
	}
	return nil
}

// paid are a till's payments that it could give back.
func (k *checker) paid(d *device) []preauth.ID {
	m := k.of(d)
	return slices.DeleteFunc(slices.Clone(m.payments), func(id preauth.ID) bool {
		s := m.sales[id].State
		return s != payment.Provisional && s != payment.Settled
	})
}

// busy reports whether a till has a payment that waits for somebody.
func (k *checker) busy(d *device) bool {
	for _, s := range k.of(d).sales {
		if s.State == payment.Open || s.State == payment.Awaiting {
			return true
		}
	}
	return false
}

// customerEdges and businessEdges are where a payment may go (protocol,
// States); it may always stay.
var customerEdges = map[payment.State][]payment.State{
	payment.Requested:   {payment.Authorized, payment.Declined, payment.Expired, payment.OtherPaid, payment.Cancelled},
	payment.Authorized:  {payment.Provisional, payment.Settled, payment.OtherPaid, payment.Cancelled, payment.Rejected, payment.Released},
	payment.Provisional: {payment.Settled, payment.OtherPaid, payment.Cancelled, payment.Rejected, payment.Released},
	payment.Settled:     {payment.Cancelled},
	payment.Rejected:    {payment.Settled, payment.OtherPaid, payment.Cancelled, payment.Released},
	payment.Released:    {payment.Settled, payment.Rejected, payment.OtherPaid, payment.Cancelled},
}

var businessEdges = map[payment.State][]payment.State{
	payment.Open:        {payment.Provisional, payment.Awaiting, payment.Cancelled, payment.Expired},
	payment.Awaiting:    {payment.Settled, payment.Rejected, payment.Cancelled},
	payment.Provisional: {payment.Settled, payment.Rejected, payment.Cancelled},
	payment.Settled:     {payment.Cancelled},
	payment.Rejected:    {payment.Settled, payment.Cancelled},
}
