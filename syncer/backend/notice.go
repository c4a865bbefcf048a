package backend

import (
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// noticesMax is how many changed verdicts one answer carries. A device that
// gets that many asks again.
const noticesMax = 100

// notify leaves word of a verdict for the devices of the till and of the
// customer, who may ask no more: it replaced another, or it is CANCELLED, which
// can come when a customer has long given up asking. Without a claim nobody
// knows who the customer is, and no money has moved.
func (t Tx) notify(r request, seq int64) error {
	c, claimed, err := t.claim(r.hash)
	if err != nil || !claimed {
		return err
	}
	payer, err := t.payerOf(c)
	if err != nil {
		return err
	}
	for _, device := range []preauth.ID{r.till, payer} {
		err := t.exec(`INSERT INTO notices (device_id, verdict_seq) VALUES (?, ?)`, device[:], seq)
		if err != nil {
			return err
		}
	}
	return nil
}

// payerOf is the device that signed a claim's voucher or charge.
func (t Tx) payerOf(c claim) (preauth.ID, error) {
	if !c.preauth.Zero() {
		h, _, err := t.hold(c.preauth)
		return h.device, err
	}
	charge, err := preauth.Open[*peerv1.Charge](c.bytes)
	if err != nil {
		return preauth.ID{}, err
	}
	return preauth.ID(charge.Body.CustomerDeviceId), nil
}

// noticesOf returns the verdicts that were noted for a device after that number, oldest first, and the number to go on from. Those that
// were replaced in turn are left out. A number that the books have not reached
// is of books that are no more: they were put back from a backup, and the
// device reads from the beginning.
func (t Tx) noticesOf(device preauth.ID, after int64) (verdicts [][]byte, to int64, err error) {
	if _, err := t.one(`SELECT coalesce(max(verdict_seq), 0) FROM notices WHERE device_id = ?`, []any{device[:]}, &to); err != nil {
		return nil, 0, err
	}
	if after > to {
		after = 0
	}
	var last int64
	err = t.each(`SELECT v.seq, v.bytes FROM notices n JOIN verdicts v ON v.seq = n.verdict_seq JOIN requests r ON r.hash = v.request_hash
		WHERE n.device_id = ? AND n.verdict_seq > ? AND r.verdict_seq = v.seq ORDER BY n.verdict_seq LIMIT ?`,
		[]any{device[:], after, noticesMax}, func(row func(...any) error) error {
			var b []byte
			err := row(&last, &b)
			verdicts = append(verdicts, b)
			return err
		})
	if len(verdicts) == noticesMax {
		to = last
	}
	return verdicts, to, err
}
