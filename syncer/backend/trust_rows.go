package backend

import (
	"time"

	"github.com/vipaso/vipasod/preauth"
)

// An issuerKey is a key that signs certificates and verdicts, and the epoch
// of the first bundle that names it.
type issuerKey struct {
	public              preauth.PublicKey
	notBefore, notAfter time.Time
	epoch               uint64
}

func (t Tx) putIssuerKey(k issuerKey) error {
	return t.exec(`INSERT INTO issuer_keys (public_key, not_before_ms, not_after_ms, epoch) VALUES (?, ?, ?, ?)`,
		k.public[:], k.notBefore.UnixMilli(), k.notAfter.UnixMilli(), k.epoch)
}

// issuerKeys returns every issuer key, newest first.
func (t Tx) issuerKeys() (all []issuerKey, err error) {
	err = t.each(`SELECT public_key, not_before_ms, not_after_ms, epoch FROM issuer_keys ORDER BY not_before_ms DESC, public_key`, nil,
		func(row func(...any) error) error {
			var k issuerKey
			err := row(fixed(k.public[:]), moment{&k.notBefore}, moment{&k.notAfter}, &k.epoch)
			all = append(all, k)
			return err
		})
	return all, err
}

func (t Tx) epoch() (epoch uint64, err error) {
	_, err = t.one(`SELECT epoch FROM trust WHERE id = 1`, nil, &epoch)
	return epoch, err
}

func (t Tx) nextEpoch() error { return t.exec(`UPDATE trust SET epoch = epoch + 1 WHERE id = 1`) }

func (t Tx) nextSerial() (serial uint64, err error) {
	_, err = t.one(`UPDATE trust SET serial = serial + 1 WHERE id = 1 RETURNING serial`, nil, &serial)
	return serial, err
}

// revokeSerial lists a pre-authorization in the bundle until its end.
func (t Tx) revokeSerial(serial uint64, until time.Time) error {
	return t.exec(`INSERT INTO revocations (serial, until_ms) VALUES (?, ?) ON CONFLICT DO NOTHING`, serial, until.UnixMilli())
}

// revokeSerialsOf lists what a device may still spend. A voucher does not say
// which device carries it, so a till that has heard of the device alone would
// take its vouchers from an accomplice.
func (t Tx) revokeSerialsOf(device preauth.ID, now time.Time) error {
	return t.exec(`INSERT INTO revocations (serial, until_ms)
		SELECT serial, settle_by_ms FROM preauths WHERE device_id = ? AND closed_ms IS NULL AND settle_by_ms > ?
		ON CONFLICT DO NOTHING`, device[:], now.UnixMilli())
}

// revokeDevice lists a device in the bundle until its certificates end.
func (t Tx) revokeDevice(id preauth.ID, until time.Time) error {
	return t.exec(`INSERT INTO revocations (device_id, until_ms) VALUES (?, ?)`, id[:], until.UnixMilli())
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

func (t Tx) revocations() (serials []uint64, devices [][]byte, err error) {
	err = t.each(`SELECT coalesce(serial, 0), device_id FROM revocations ORDER BY id`, nil, func(row func(...any) error) error {
		var serial uint64
		var device []byte
		if err := row(&serial, &device); err != nil {
			return err
		}
		if device != nil {
			devices = append(devices, device)
		} else {
			serials = append(serials, serial)
		}
		return nil
	})
	return serials, devices, err
}
