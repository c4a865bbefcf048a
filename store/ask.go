package store

import (
	"context"
	"errors"

	"github.com/vipaso/vipasod/preauth"
)

// The columns of an ask, in the order of askValues and scanAsk: those that
// stay, and those that may change.
const (
	askFixed   = `request, payment, customer, created_at`
	askChanges = `voucher, receipt, cancel, code, customer_cert, request_bytes, voucher_bytes, cert_bytes,
		preauth, counter, total, guaranteed, currency, resume_key, stored_at, cancelled_at, owed`
	askColumns = askFixed + `, ` + askChanges
)

func askValues(a *Ask) []any {
	return []any{
		fixed(a.Request), fixed(a.Payment), fixed(a.Customer), ms(a.CreatedAt),
		optional(a.Voucher), a.Receipt, string(a.Cancel), a.Code, a.CustomerCert, a.RequestBytes, a.VoucherBytes, a.CertBytes,
		optional(a.Preauth), a.Counter, a.Total, a.Guaranteed, a.Currency, a.ResumeKey[:],
		ms(a.StoredAt), ms(a.CancelledAt), a.Owed,
	}
}

func scanAsk(r row) (Ask, error) {
	var a Ask
	err := r.Scan(into{a.Request[:]}, into{a.Payment[:]}, into{a.Customer[:]}, clock{&a.CreatedAt},
		into{a.Voucher[:]}, &a.Receipt, &a.Cancel, &a.Code, &a.CustomerCert, &a.RequestBytes, &a.VoucherBytes, &a.CertBytes,
		into{a.Preauth[:]}, &a.Counter, &a.Total, &a.Guaranteed, &a.Currency, into{a.ResumeKey[:]},
		clock{&a.StoredAt}, clock{&a.CancelledAt}, &a.Owed)
	return a, err
}

// saveAsk inserts an ask or replaces the one of that request. Its payment,
// customer and time of creation stay.
func (t *tx) saveAsk(a *Ask) error {
	n, err := t.affect(`UPDATE asks SET (`+askChanges+`) = (`+marks(count(askChanges))+`) WHERE request = ?`,
		append(askValues(a)[count(askFixed):], fixed(a.Request))...)
	if err != nil || n == 1 {
		return err
	}
	return t.exec(`INSERT INTO asks (`+askColumns+`) VALUES (`+marks(count(askColumns))+`)`, askValues(a)...)
}

const (
	queryAsk         = `SELECT ` + askColumns + ` FROM asks WHERE request = ?`
	queryAsksOf      = `SELECT ` + askColumns + ` FROM asks WHERE payment = ? ORDER BY n`
	queryOwedAsks    = `SELECT ` + askColumns + ` FROM asks WHERE owed = 1 ORDER BY n`
	queryVoucherSeen = `SELECT voucher FROM asks WHERE preauth = ? AND counter = ? AND preauth IS NOT NULL AND voucher IS NOT NULL`
	queryGuarantee   = `SELECT coalesce(sum(guaranteed), 0) FROM asks WHERE preauth = ? AND preauth IS NOT NULL AND voucher IS NOT NULL`
)

// Ask returns the ask of that request. The error wraps ErrNotFound.
func (s *Store) Ask(ctx context.Context, request preauth.Hash) (Ask, error) {
	ctx, err := s.enter(ctx)
	if err != nil {
		return Ask{}, err
	}
	defer s.mu.Unlock()
	return one(ctx, s, scanAsk, queryAsk, fixed(request))
}

// AsksOf returns the asks of a payment in the order they were made.
func (s *Store) AsksOf(ctx context.Context, payment preauth.ID) ([]Ask, error) {
	return s.asks(ctx, queryAsksOf, fixed(payment))
}

// OwedAsks returns the asks whose customers have not been seen to get their
// Receipt or Cancel, oldest first.
func (s *Store) OwedAsks(ctx context.Context) ([]Ask, error) {
	return s.asks(ctx, queryOwedAsks)
}

func (s *Store) asks(ctx context.Context, query string, args ...any) ([]Ask, error) {
	ctx, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	return list(ctx, s, scanAsk, query, args...)
}

// VoucherSeen returns the hash of the stored voucher with that counter of a
// pre-authorization. ok is false if none is stored.
func (s *Store) VoucherSeen(ctx context.Context, preauthID preauth.ID, counter uint32) (h preauth.Hash, ok bool, err error) {
	ctx, err = s.enter(ctx)
	if err != nil {
		return preauth.Hash{}, false, err
	}
	defer s.mu.Unlock()
	h, err = one(ctx, s, func(r row) (h preauth.Hash, err error) { return h, r.Scan(into{h[:]}) },
		queryVoucherSeen, fixed(preauthID), counter)
	if errors.Is(err, ErrNotFound) {
		return preauth.Hash{}, false, nil
	}
	return h, err == nil, err
}

// GuaranteeUsed returns how much of the guarantee of a pre-authorization the
// stored vouchers use, in minor units. Cancelled ones count: what the issuer
// gets back of them may first go to other tills.
func (s *Store) GuaranteeUsed(ctx context.Context, preauthID preauth.ID) (int64, error) {
	return s.number(ctx, queryGuarantee, fixed(preauthID))
}
