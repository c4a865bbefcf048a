package store

import (
	"context"
	"errors"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
)

// The columns of a sale, in the order of saleValues and scanSale: those that
// stay, and those that a step may change.
const (
	saleFixed   = `id, created_at`
	saleChanges = `state, rev, winner, tip, guaranteed, settled, reason, updated_at,
		amount, currency, reference, policy, tip_allowed, tip_max, tag, online, verdict_bytes, deadline`
	saleColumns = saleFixed + `, ` + saleChanges
)

func saleValues(v *Sale) []any {
	return []any{
		fixed(v.ID), ms(v.CreatedAt),
		string(v.State), v.Rev, optional(v.Winner), v.Tip, v.Guaranteed, v.Settled, v.Reason, ms(v.UpdatedAt),
		v.Amount, v.Currency, v.Reference, string(v.Policy), v.TipAllowed, v.TipMax, optional(v.Tag), v.Online, v.VerdictBytes,
		ms(v.Deadline),
	}
}

func scanSale(r row) (Sale, error) {
	var v Sale
	err := r.Scan(into{v.ID[:]}, clock{&v.CreatedAt},
		&v.State, &v.Rev, into{v.Winner[:]}, &v.Tip, &v.Guaranteed, &v.Settled, &v.Reason, clock{&v.UpdatedAt},
		&v.Amount, &v.Currency, &v.Reference, &v.Policy, &v.TipAllowed, &v.TipMax, into{v.Tag[:]}, &v.Online, &v.VerdictBytes,
		clock{&v.Deadline})
	return v, err
}

// saleBefore is what a commit needs to know of the sale that it replaces.
type saleBefore struct {
	books
	rev int64
}

func scanSaleBefore(r row) (saleBefore, error) {
	var b saleBefore
	var state payment.State
	var amount, tip, guaranteed int64
	var currency string
	err := r.Scan(&b.rev, &state, &amount, &tip, &guaranteed, &currency)
	b.books = saleBooks(state, amount, tip, guaranteed, currency)
	return b, err
}

// saveSale stores a sale over its revision before.
func (t *tx) saveSale(v *Sale) error {
	old, err := one(t.ctx, t.s, scanSaleBefore, `SELECT rev, state, amount, tip, guaranteed, currency FROM sales WHERE id = ?`, fixed(v.ID))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if old.rev != v.Rev-1 {
		return ErrConflict
	}
	if v.Rev == 1 {
		err = t.exec(`INSERT INTO sales (`+saleColumns+`) VALUES (`+marks(count(saleColumns))+`)`, saleValues(v)...)
	} else {
		err = t.swap(`UPDATE sales SET (`+saleChanges+`) = (`+marks(count(saleChanges))+`) WHERE id = ? AND rev = ?`,
			append(saleValues(v)[count(saleFixed):], fixed(v.ID), v.Rev-1)...)
	}
	if err != nil {
		return err
	}
	return t.rebook(old.books, saleBooks(v.State, v.Amount, v.Tip, v.Guaranteed, v.Currency))
}

const (
	querySale     = `SELECT ` + saleColumns + ` FROM sales WHERE id = ?`
	queryOpenSale = `SELECT ` + saleColumns + ` FROM sales WHERE state = ? AND state IN ('OPEN', 'AWAITING', 'PROVISIONAL')
		ORDER BY created_at DESC LIMIT 1`
)

// Sale returns the business's payment of that id, with its Asks. The error
// wraps ErrNotFound.
func (s *Store) Sale(ctx context.Context, id preauth.ID) (Sale, error) {
	return s.sale(ctx, querySale, fixed(id))
}

// OpenSale returns the payment that waits for a customer or, if there is
// none, the newest that waits for a verdict, with its Asks. ok is false if
// there is neither.
func (s *Store) OpenSale(ctx context.Context) (v Sale, ok bool, err error) {
	for _, state := range []payment.State{payment.Open, payment.Awaiting} {
		v, err = s.sale(ctx, queryOpenSale, string(state))
		if !errors.Is(err, ErrNotFound) {
			return v, err == nil, err
		}
	}
	return Sale{}, false, nil
}

func (s *Store) sale(ctx context.Context, query string, args ...any) (Sale, error) {
	ctx, err := s.enter(ctx)
	if err != nil {
		return Sale{}, err
	}
	defer s.mu.Unlock()
	v, err := one(ctx, s, scanSale, query, args...)
	if err != nil {
		return Sale{}, err
	}
	v.Asks, err = s.asksIn(ctx, v.ID)
	return v, err
}

const queryAsksIn = `SELECT request, voucher, receipt, cancel, code FROM asks WHERE payment = ? ORDER BY n`

// asksIn returns a sale's asks as its machine sees them. s.mu is held.
func (s *Store) asksIn(ctx context.Context, sale preauth.ID) ([]payment.Ask, error) {
	return list(ctx, s, func(r row) (a payment.Ask, err error) {
		return a, r.Scan(into{a.Request[:]}, into{a.Voucher[:]}, &a.Receipt, &a.Cancel, &a.Code)
	}, queryAsksIn, fixed(sale))
}
