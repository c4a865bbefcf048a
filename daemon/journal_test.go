package daemon

import (
	"errors"
	"testing"

	"google.golang.org/protobuf/proto"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// vouchedIssuer lists the root key's word on the issuer in the bundle.
func vouchedIssuer(t testing.TB) func(*Options, *papers) {
	return func(_ *Options, p *papers) {
		p.bundle.IssuerCerts = [][]byte{signedBy(t, "root", p.bundle.Issuers[0]).Bytes}
	}
}

// journalOf exports a journal and returns it read, with what came at its end.
func journalOf(t testing.TB, b *bench) (j preauth.Journal, end *devicev1.ExportJournalResponse) {
	t.Helper()
	stream, err := b.device(manager).ExportJournal(t.Context(), &devicev1.ExportJournalRequest{})
	for _, m := range drain(t, stream, err) {
		e := m.GetEntry()
		if e == nil {
			if end != nil {
				t.Error("a second head")
			}
			end = m
			continue
		}
		entry := preauth.JournalEntry{Sequence: e.GetSequence(), TimeMs: e.GetTimeMs(), Body: e.GetBody()}
		copy(entry.Payment[:], e.GetPaymentId())
		copy(entry.Hash[:], e.GetHash())
		must(t, j.Add(entry))
	}
	return j, end
}

// A journal is verified by who knows the root key and nothing else, and says
// the same as what the backend is told.
func TestExportJournal(t *testing.T) {
	b := newBench(t, asTill, vouchedIssuer(t))
	many := &store.Change{}
	for range exportPage + 1 {
		many.Events = append(many.Events, deviceChange("LOCKED").Events...)
	}
	b.change(many)
	b.sold(1, payment.Settled)
	j, end := journalOf(t, b)
	if j.Entries != exportPage+3 || j.Chained != j.Entries {
		t.Errorf("%d entries, %d in the chain", j.Entries, j.Chained)
	}
	var issuance peerv1.Issuance
	must(t, proto.Unmarshal(end.GetIssuance(), &issuance))
	issuers, err := preauth.OpenIssuance(preauth.PublicKeyOf(&fixedKey("root").PublicKey), &issuance)
	must(t, err)
	cert, err := issuers.GenuineDevice(end.GetDeviceCert())
	must(t, err)
	head, err := j.Close(end.GetHead(), cert)
	must(t, err)
	said, err := b.Report(t.Context())
	must(t, err)
	told, err := preauth.Open[*peerv1.JournalHead](said.JournalHead)
	if err != nil || told.Body.Sequence != head.Body.Sequence || string(told.Body.Hash) != string(head.Body.Hash) {
		t.Errorf("the backend is told of %v, the journal ends with %v: %v", told.Body, head.Body, err)
	}
}

// Nobody vouches for the journal of a device that is nobody, and there is
// nothing to vouch for before the first event.
func TestExportJournalWithoutHead(t *testing.T) {
	stranger := newBench(t, asTill, notEnrolled)
	stranger.change(deviceChange("LOGGED_OUT"))
	for name, tt := range map[string]struct {
		b       *bench
		entries uint64
	}{
		"not enrolled": {stranger, 1},
		"no events":    {newBench(t, asTill, nil), 0},
	} {
		j, end := journalOf(t, tt.b)
		if j.Entries != tt.entries || end == nil || len(end.GetHead()) > 0 || len(end.GetDeviceCert()) > 0 {
			t.Errorf("%s: %d entries, end %v", name, j.Entries, end)
		}
		if said, err := tt.b.Report(t.Context()); err != nil || said.JournalHead != nil {
			t.Errorf("%s: the backend is told %x: %v", name, said.JournalHead, err)
		}
	}
}

// A journal whose end was taken out of the store is exported as far as it
// goes, and proves nothing.
func TestExportJournalWithoutItsEnd(t *testing.T) {
	b := newBench(t, asTill, vouchedIssuer(t))
	b.sold(1, payment.Settled)
	b.sold(2, payment.Settled)
	must(t, b.store.Close())
	edit(t, b.opt.Dir, `DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)`)
	b = reopen(t, b)
	j, end := journalOf(t, b)
	if _, err := j.Close(end.GetHead(), b.self.Load().cert); j.Entries == 0 || !errors.Is(err, preauth.ErrJournal) {
		t.Errorf("%d entries, vouched for: %v", j.Entries, err)
	}
}
