package preauth

import (
	"testing"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth/money"
	"github.com/vipaso/vipasod/preauth/vectors"
)

// drawn writes down what a customer knows, and draws. The certificate is signed
// as it is in a.
func drawn(t *testing.T, name string, a Authorization, r Request, tip int64, want error) vectors.Draw {
	t.Helper()
	a.Cert = mustSign(t, "issuer", a.Cert.Body)
	if a.Counter == 0 {
		a.Prev = a.Cert.Hash
	}
	d := vectors.Draw{
		Name: name, PreauthCert: a.Cert.Bytes, NowMs: noon.UnixMilli(), Voided: a.Voided, Counter: a.Counter, Prev: vectors.B32(a.Prev),
		Held: a.Held, Spent: a.Spent, Unacked: []vectors.Unacked{}, Request: r.Bytes, Tip: tip,
	}
	for _, u := range a.Unacked {
		d.Unacked = append(d.Unacked, vectors.Unacked{Cancel: u.Cancel, Total: u.Total})
	}
	v, err := a.Draw(r, tip, noon)
	if d.Class = classOf(err); d.Class != classOf(want) {
		t.Errorf("%s: %v, want %v", name, err, want)
	}
	if err == nil {
		d.Voucher = vectors.Fields(v)
	}
	return d
}

// TestDrawVectors: what a customer promises, and what it does not.
func TestDrawVectors(t *testing.T) {
	used, freed, full, bound := auth(t, asIssued), auth(t, asIssued), auth(t, asIssued), auth(t, asIssued)
	used.Counter, used.Prev, used.Held, used.Spent = 6, Hash(testBytes("previous", 32)), 1000, 2000
	freed.Counter, freed.Prev, freed.Unacked = 6, Hash(testBytes("previous", 32)), unacked(10, 20, 30, 40)
	full.Counter, full.Prev, full.Held, full.Unacked = 6, Hash(testBytes("previous", 32)), 1000, unacked(10, 20, 30, 40, 500)
	r := request(t, asAsked)
	bound.Cert.Body.BoundTo = r.Hash[:]
	last := auth(t, asIssued)
	last.Held = 8700
	all := []vectors.Draw{
		drawn(t, "the first voucher", auth(t, asIssued), r, 0, nil),
		drawn(t, "with a tip", auth(t, asIssued), r, 100, nil),
		drawn(t, "with money held and spent", used, r, 100, nil),
		drawn(t, "with Cancels to repeat", freed, r, 100, nil),
		drawn(t, "with more Cancels than a voucher repeats: what is behind them stays held", full, r, 100, nil),
		drawn(t, "bound to this request", bound, r, 0, nil),
		drawn(t, "all that is left", last, r, 100, nil),
	}
	for _, tt := range undrawn {
		a := auth(t, asIssued)
		tt.alter(&a)
		if tt.tip <= money.MaxMinor { // numbers of these files fit 53 bits
			all = append(all, drawn(t, tt.name, a, request(t, tt.ask), tt.tip, tt.want))
		}
	}
	keep(t, vectors.KindDraws, "A customer's pre-authorization, a request, and the voucher that comes of it.", all)
}

// TestJournalVectors: event logs whole and tampered with.
func TestJournalVectors(t *testing.T) {
	till := newDeal().signTill(t)
	var all []vectors.Journal
	add := func(name string, entries []JournalEntry, head []byte, want error, at uint64) {
		j := vectors.Journal{Name: name, DeviceCert: till.Bytes, Head: head, Class: classOf(want), StoppedAt: at}
		for _, e := range entries {
			one := vectors.Entry{Sequence: e.Sequence, TimeMs: e.TimeMs, Payment: vectors.B16(e.Payment), Body: e.Body}
			if !e.Hash.Zero() {
				one.Hash = e.Hash[:]
			}
			j.Entries = append(j.Entries, one)
		}
		all = append(all, j)
	}
	headOf := func(entries []JournalEntry) *peerv1.JournalHead {
		last := entries[len(entries)-1]
		return &peerv1.JournalHead{DeviceId: testBytes("till", 16), Sequence: last.Sequence, Hash: last.Hash[:], TimeMs: noon.UnixMilli()}
	}
	for _, tt := range tampered {
		head := forge(t, "till", headOf(journal(6, 1)))
		var want error
		if tt.at != 0 {
			want = ErrJournal
		}
		add(tt.name, tt.spoil(journal(6, 1)), head, want, tt.at)
	}
	older := journal(6, 4)
	older = append(older, restored(older, JournalSkip+1))
	add("events older than the chain, and a store that was put back", older, forge(t, "till", headOf(older)), nil, 0)
	for _, tt := range heads {
		h := headOf(journal(6, 1))
		tt.bend(h)
		add("head "+tt.name, journal(6, 1), forge(t, tt.key, h), tt.want, 0)
	}
	keep(t, vectors.KindJournals, "A device's event log as a chain of hashes, and its word on the last.", all)
}
