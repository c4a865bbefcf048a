package backend

import (
	"time"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/ledger"
)

// post appends transfers. preauth is zero if they belong to none.
func (t Tx) post(transfers []ledger.Transfer, pre preauth.ID, now time.Time) error {
	for _, m := range transfers {
		seq, err := t.insert(`INSERT INTO transfers (reason, request_hash, preauth_id, at_ms) VALUES (?, ?, ?, ?)`,
			m.Reason, hashOrNull(m.Request), orNull(pre), now.UnixMilli())
		if err != nil {
			return err
		}
		for _, p := range m.Postings() {
			err := t.exec(`INSERT INTO postings (transfer_seq, kind, account_id, currency, amount) VALUES (?, ?, ?, ?, ?)`,
				seq, p.Account.Kind, p.Account.ID[:], p.Currency, p.Amount)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// balance is the sum of an account's postings. Balances are derived, never
// kept: a kept one would be a row that all payments of a business contend for.
func (t Tx) balance(a ledger.Account, currency string) (sum int64, err error) {
	_, err = t.one(`SELECT coalesce(sum(amount), 0) FROM postings WHERE kind = ? AND account_id = ? AND currency = ?`,
		[]any{a.Kind, a.ID[:], currency}, &sum)
	return sum, err
}

// arrive gives what moves money its place in the order of arrival.
func (t Tx) arrive(kind string, request preauth.Hash, pre preauth.ID, now time.Time) (int64, error) {
	return t.insert(`INSERT INTO arrivals (kind, request_hash, preauth_id, at_ms) VALUES (?, ?, ?, ?)`,
		kind, hashOrNull(request), orNull(pre), now.UnixMilli())
}
