package backend

import (
	"time"

	"github.com/vipaso/vipasod/preauth"
)

// A Party is whom a device belongs to: one business or one customer. The
// other id is zero.
type Party struct {
	Business preauth.ID
	Customer preauth.ID
}

// A Business is who is paid.
type Business struct {
	ID   preauth.ID
	Name string // what customers see, at most 64 bytes
	MCC  uint32 // ISO 18245
}

func (t Tx) putBusiness(b Business, now time.Time) error {
	return t.exec(`INSERT INTO businesses (id, name, mcc, created_ms) VALUES (?, ?, ?, ?)`,
		b.ID[:], b.Name, b.MCC, now.UnixMilli())
}

func (t Tx) business(id preauth.ID) (b Business, ok bool, err error) {
	ok, err = t.one(`SELECT id, name, mcc FROM businesses WHERE id = ?`, []any{id[:]}, fixed(b.ID[:]), &b.Name, &b.MCC)
	return b, ok, err
}

func (t Tx) putCustomer(id preauth.ID, name string, now time.Time) error {
	return t.exec(`INSERT INTO customers (id, name, created_ms) VALUES (?, ?, ?)`, id[:], name, now.UnixMilli())
}

func (t Tx) customerExists(id preauth.ID) (bool, error) {
	var n int
	return t.one(`SELECT 1 FROM customers WHERE id = ?`, []any{id[:]}, &n)
}

// An enrollCode is a one-time code. Only its hash is stored.
type enrollCode struct {
	party   Party
	expires time.Time
}

func (t Tx) putEnrollCode(hash [32]byte, c enrollCode) error {
	return t.exec(`INSERT INTO enroll_codes (code_hash, business_id, customer_id, expires_ms) VALUES (?, ?, ?, ?)`,
		hash[:], orNull(c.party.Business), orNull(c.party.Customer), c.expires.UnixMilli())
}

func (t Tx) enrollCode(hash [32]byte) (c enrollCode, ok bool, err error) {
	ok, err = t.one(`SELECT business_id, customer_id, expires_ms FROM enroll_codes WHERE code_hash = ?`,
		[]any{hash[:]}, fixed(c.party.Business[:]), fixed(c.party.Customer[:]), moment{&c.expires})
	return c, ok, err
}

func (t Tx) putEnrollment(credential [32]byte, key preauth.PublicKey, now time.Time) error {
	return t.exec(`INSERT INTO enrollments (credential_hash, signing_key, created_ms) VALUES (?, ?, ?)`,
		credential[:], key[:], now.UnixMilli())
}

// enrollment returns the key that a code or token was used with.
func (t Tx) enrollment(credential [32]byte) (key preauth.PublicKey, ok bool, err error) {
	ok, err = t.one(`SELECT signing_key FROM enrollments WHERE credential_hash = ?`, []any{credential[:]}, fixed(key[:]))
	return key, ok, err
}

// setting returns a setting's value, empty if it is unset.
func (t Tx) setting(name string) (value string, err error) {
	_, err = t.one(`SELECT value FROM settings WHERE name = ?`, []any{name}, &value)
	return value, err
}

func (t Tx) putSetting(name, value string) error {
	return t.exec(`INSERT INTO settings (name, value) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
}
