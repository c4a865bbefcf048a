package backend

import (
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// note keeps a voucher, cancelled or not, and looks at its place among the
// others: two at one counter prove a double spend, a broken chain is only
// odd. It reports false if the voucher was kept before.
func (s *Server) note(t Tx, h hold, it handed, at time.Time) (bool, error) {
	v := seenVoucher{
		hash: it.voucher.Hash, preauth: h.id, counter: it.voucher.Body.Counter,
		prev: preauth.Hash(it.voucher.Body.PrevHash), request: it.request.Hash, bytes: it.voucher.Bytes,
	}
	fresh, err := t.putVoucher(v)
	if err != nil || !fresh {
		return false, err
	}
	same, err := t.vouchersAt(h.id, v.counter)
	if err != nil {
		return true, err
	}
	if len(same) > 1 {
		return true, s.prove(t, h, sameCounter, v.counter, [][]byte{h.cert, same[0].bytes, same[1].bytes}, at)
	}
	return true, s.chain(t, h, it.cert.Hash, v, at)
}

// chain compares a voucher with its neighbours, if they are known.
func (s *Server) chain(t Tx, h hold, cert preauth.Hash, v seenVoucher, at time.Time) error {
	next, err := t.vouchersAt(h.id, v.counter+1)
	if err != nil {
		return err
	}
	for _, n := range next {
		if n.prev != v.hash {
			if err := t.remark(chainBroken, n.request, n.hash, n.bytes, at); err != nil {
				return err
			}
		}
	}
	want := []preauth.Hash{cert}
	if v.counter > 1 {
		before, err := t.vouchersAt(h.id, v.counter-1)
		if err != nil || len(before) == 0 {
			return err
		}
		want = nil
		for _, b := range before {
			want = append(want, b.hash)
		}
	}
	for _, w := range want {
		if v.prev == w {
			return nil
		}
	}
	return t.remark(chainBroken, v.request, v.hash, v.bytes, at)
}

// summed is the largest limit, in minor units, for which SQLite's sums of
// totals that are about as large stay within 64 bits.
const summed = 1 << 40

// provenOver keeps the vouchers of a pre-authorization that no Cancel ended, if
// they sum above its limit. Whether they were paid, refused or came late does
// not matter: a device counts each of them against the limit until it holds a
// Cancel, so no honest one signs them, and a double spender gains nothing by
// having them handed in late. A Cancel that came too late to reverse a payment
// still speaks for the customer.
//
// An honest device gives no reason to look into its vouchers, of which there
// may be a thousand: newest, which is kept already, and all before it are
// within the limit even if no Cancel counts. Once it is proven nobody looks
// again: a double spender could have any number of them looked into.
func (s *Server) provenOver(t Tx, h hold, newest preauth.Voucher, at time.Time) error {
	if proven, err := t.proven(h.id, overLimit); proven || err != nil {
		return err
	}
	if h.limit <= summed {
		others, err := t.promisedAtMost(h.id, newest.Hash, h.limit)
		if err != nil || newest.Body.Amount+newest.Body.Tip <= h.limit-others {
			return err
		}
	}
	all, err := t.uncancelled(h.id)
	if err != nil {
		return err
	}
	left, over, objects := h.limit, false, [][]byte{h.cert}
	for _, kept := range all {
		v, err := preauth.Open[*peerv1.Voucher](kept.bytes)
		if err != nil {
			return err
		}
		if v.Body.Currency != h.currency {
			continue
		}
		total := v.Body.Amount + v.Body.Tip
		over = over || total > left
		left -= min(total, left)
		objects = append(objects, kept.bytes)
	}
	if !over {
		return nil
	}
	return s.prove(t, h, overLimit, 0, objects, at)
}

// prove keeps the proof of a double spend and revokes the device. What it has
// signed is settled all the same.
func (s *Server) prove(t Tx, h hold, kind string, counter uint32, objects [][]byte, at time.Time) error {
	added, err := t.putEvidence(kind, h.id, counter, h.device, objects, at)
	if err != nil || !added {
		return err
	}
	s.log.WarnContext(t.ctx, "device spent twice", "device", h.device, "preauth", h.id, "evidence", kind)
	return revoke(t, h.device, kind, at)
}
