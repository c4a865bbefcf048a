package backend

import (
	"time"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/ledger"
	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
)

// The types of instrument, by their stored text.
var instrumentTypes = map[string]uint32{"CARD": 1, "BANK_ACCOUNT": 2, "MNO": 3}

// An Instrument is a customer's funding source.
type Instrument struct {
	ID             preauth.ID
	Customer       preauth.ID
	Type           string // CARD, BANK_ACCOUNT or MNO
	Label          string
	Currency       string // ISO 4217 alphabetic code
	PreAuthCapable bool
	Free           int64 // minor units neither held nor spent
}

func (i Instrument) message(customer preauth.ID) *backendv1.Instrument {
	return &backendv1.Instrument{
		InstrumentId: i.ID[:], Type: instrumentTypes[i.Type], Label: i.Label, Currency: i.Currency,
		Balance: i.Free, PreAuthCapable: i.PreAuthCapable, Delegated: i.Customer != customer,
	}
}

func (t Tx) putInstrument(i Instrument, now time.Time) error {
	return t.exec(`INSERT INTO instruments (id, customer_id, type, label, currency, pre_auth_capable, created_ms)
		VALUES (?, ?, ?, ?, ?, ?, ?)`,
		i.ID[:], i.Customer[:], i.Type, i.Label, i.Currency, i.PreAuthCapable, now.UnixMilli())
}

func (t Tx) putDelegation(instrument, customer preauth.ID, now time.Time) error {
	return t.exec(`INSERT INTO delegations (customer_id, instrument_id, created_ms) VALUES (?, ?, ?)
		ON CONFLICT DO NOTHING`, customer[:], instrument[:], now.UnixMilli())
}

func (t Tx) instrument(id preauth.ID) (i Instrument, ok bool, err error) {
	ok, err = t.one(`SELECT id, customer_id, type, label, currency, pre_auth_capable FROM instruments WHERE id = ?`,
		[]any{id[:]}, fixed(i.ID[:]), fixed(i.Customer[:]), &i.Type, &i.Label, &i.Currency, &i.PreAuthCapable)
	if !ok || err != nil {
		return i, false, err
	}
	i.Free, err = t.balance(ledger.Account{Kind: ledger.Instrument, ID: id}, i.Currency)
	return i, true, err
}

// usable returns an instrument if the customer owns it or may use it.
func (t Tx) usable(id, customer preauth.ID) (i Instrument, ok bool, err error) {
	i, ok, err = t.instrument(id)
	if !ok || err != nil || i.Customer == customer {
		return i, ok, err
	}
	var n int
	ok, err = t.one(`SELECT 1 FROM delegations WHERE customer_id = ? AND instrument_id = ?`, []any{customer[:], id[:]}, &n)
	return i, ok, err
}

// instruments returns those the customer owns, oldest first, then those it
// may use.
func (t Tx) instruments(customer preauth.ID) (all []Instrument, err error) {
	var ids []preauth.ID
	for _, query := range []string{
		`SELECT id FROM instruments WHERE customer_id = ? ORDER BY created_ms, id`,
		`SELECT instrument_id FROM delegations WHERE customer_id = ? ORDER BY instrument_id`,
	} {
		err := t.each(query, []any{customer[:]}, func(row func(...any) error) error {
			var id preauth.ID
			err := row(fixed(id[:]))
			ids = append(ids, id)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	for _, id := range ids {
		i, _, err := t.instrument(id)
		if err != nil {
			return nil, err
		}
		all = append(all, i)
	}
	return all, nil
}

// currencies returns every currency that the operator has set limits of, then
// every one that some instrument has: there are a few, and any number of
// instruments, which every device that renews would wait for.
func (t Tx) currencies() (all []string, err error) {
	err = t.each(`SELECT currency FROM limits ORDER BY currency`, nil, func(row func(...any) error) error {
		var c string
		err := row(&c)
		all = append(all, c)
		return err
	})
	for last := ""; err == nil; all = append(all, last) {
		var ok bool
		if last, ok, err = t.nextCurrency(last); !ok {
			break
		}
	}
	return all, err
}

// nextCurrency returns the first currency after another that some instrument
// has.
func (t Tx) nextCurrency(after string) (c string, ok bool, err error) {
	ok, err = t.one(`SELECT currency FROM instruments WHERE currency > ? ORDER BY currency LIMIT 1`, []any{after}, &c)
	return c, ok, err
}
