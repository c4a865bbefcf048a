package backend

import (
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
	voided  []uint64 // serials that customers gave up
}

func (t Tx) revocations() (all revocations, err error) {
	err = t.each(`SELECT kind, coalesce(serial, 0), device_id FROM revocations ORDER BY id`, nil, func(row func(...any) error) error {
		var kind string
		var serial uint64
		var device []byte
		if err := row(&kind, &serial, &device); err != nil {
			return err
		}
		switch {
		case device != nil:
			all.devices = append(all.devices, device)
		case kind == "REVOKED":
			all.revoked = append(all.revoked, serial)
		default:
			all.voided = append(all.voided, serial)
		}
		return nil
	})
	return all, err
}
