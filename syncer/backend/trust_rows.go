package backend

import (
	"slices"
	"time"

	"github.com/vipaso/vipasod/preauth"
)

func (t Tx) epoch() (epoch uint64, err error) {
	_, err = t.one(`SELECT epoch FROM trust WHERE id = 1`, nil, &epoch)
	return epoch, err
}

func (t Tx) nextEpoch() error { return t.exec(`UPDATE trust SET epoch = epoch + 1 WHERE id = 1`) }

func (t Tx) nextSerial() (serial uint64, err error) {
	_, err = t.one(`UPDATE trust SET serial = serial + 1 WHERE id = 1 RETURNING serial`, nil, &serial)
	return serial, err
}

// listVoided lists a voided pre-authorization in the bundle until its end.
func (t Tx) listVoided(serial uint64, until time.Time) error {
	return t.exec(`INSERT INTO revocations (kind, serial, until_ms) VALUES ('VOIDED', ?, ?) ON CONFLICT DO NOTHING`,
		serial, until.UnixMilli())
}

// revokeSerialsOf lists what a device may still spend. A voucher does not say
// which device carries it, so a till that has heard of the device alone would
// take its vouchers from an accomplice. One bound to a request goes with the
// voided ones: its voucher pays that request only, and there can be any number.
func (t Tx) revokeSerialsOf(device preauth.ID, now time.Time) error {
	return t.exec(`INSERT INTO revocations (kind, serial, until_ms)
		SELECT iif(bound_to IS NULL, 'REVOKED', 'VOIDED'), serial, settle_by_ms FROM preauths
		WHERE device_id = ? AND closed_ms IS NULL AND settle_by_ms > ? ORDER BY serial
		ON CONFLICT (serial) DO UPDATE SET kind = excluded.kind`, device[:], now.UnixMilli())
}

// revokeDevice lists a device in the bundle until its certificates end.
func (t Tx) revokeDevice(id preauth.ID, until time.Time) error {
	return t.exec(`INSERT INTO revocations (kind, device_id, until_ms) VALUES ('REVOKED', ?, ?)`, id[:], until.UnixMilli())
}

// dropRevocations unlists what has ended by itself, and reports whether that
// was anything.
func (t Tx) dropRevocations(now time.Time) (bool, error) {
	r, err := t.sql.ExecContext(t.ctx, `DELETE FROM revocations WHERE until_ms < ?`, now.UnixMilli())
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

// revocationsEnded reports whether dropRevocations would find any.
func (t Tx) revocationsEnded(now time.Time) (bool, error) {
	var n int
	return t.one(`SELECT 1 FROM revocations WHERE until_ms < ? LIMIT 1`, []any{now.UnixMilli()}, &n)
}

// A revocations is what a bundle shall list, each in the order it was listed.
type revocations struct {
	devices [][]byte
	revoked []uint64 // serials of revoked devices
	voided  []uint64 // serials that customers gave up, as many as a bundle can list
}

// revocations reads no more of what customers gave up than a bundle can list:
// that may be any number, and each bundle is made anew.
func (t Tx) revocations() (all revocations, err error) {
	err = t.each(`SELECT device_id FROM revocations WHERE device_id IS NOT NULL ORDER BY id`, nil, func(row func(...any) error) error {
		var device []byte
		err := row(&device)
		all.devices = append(all.devices, device)
		return err
	})
	if err != nil {
		return all, err
	}
	all.revoked, err = t.serials(`SELECT serial FROM revocations WHERE kind = 'REVOKED' AND serial IS NOT NULL ORDER BY id`)
	if err != nil {
		return all, err
	}
	all.voided, err = t.serials(`SELECT serial FROM revocations WHERE kind = 'VOIDED' ORDER BY id DESC LIMIT ?`, serialsMax)
	slices.Reverse(all.voided)
	return all, err
}

func (t Tx) serials(query string, args ...any) (all []uint64, err error) {
	err = t.each(query, args, func(row func(...any) error) error {
		var serial uint64
		err := row(&serial)
		all = append(all, serial)
		return err
	})
	return all, err
}
