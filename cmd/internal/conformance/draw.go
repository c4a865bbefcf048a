package conformance

import (
	"fmt"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/vectors"
)

// runDraw lets a customer promise a payment.
func runDraw(c vectors.Draw) (name, want, got string) {
	want = c.Class + " " + string(c.Voucher)
	cert, err := preauth.Open[*peerv1.PreauthCert](c.PreauthCert)
	if err != nil {
		return c.Name, want, class(err)
	}
	request, err := preauth.Open[*peerv1.Request](c.Request)
	if err != nil {
		return c.Name, want, class(err)
	}
	a := preauth.Authorization{Cert: cert, Voided: c.Voided, Counter: c.Counter, Prev: preauth.Hash(c.Prev), Held: c.Held, Spent: c.Spent}
	for _, u := range c.Unacked {
		a.Unacked = append(a.Unacked, preauth.Unacked{Cancel: u.Cancel, Total: u.Total})
	}
	v, err := a.Draw(request, c.Tip, time.UnixMilli(c.NowMs))
	if err != nil || c.Class != vectors.Accepted {
		return c.Name, want, class(err) + " "
	}
	if fields := vectors.Fields(v); !sameJSON(fields, c.Voucher) {
		return c.Name, want, vectors.Accepted + " " + string(fields)
	}
	return c.Name, want, want
}

// runJournal reads an event log to its end, or up to where it does not fit.
func runJournal(c vectors.Journal) (name, want, got string) {
	want = fmt.Sprintf("%s at %d", c.Class, c.StoppedAt)
	device, err := preauth.Open[*peerv1.DeviceCert](c.DeviceCert)
	if err != nil {
		return c.Name, want, class(err)
	}
	var j preauth.Journal
	for _, one := range c.Entries {
		e := preauth.JournalEntry{Sequence: one.Sequence, TimeMs: one.TimeMs, Payment: preauth.ID(one.Payment), Body: one.Body}
		copy(e.Hash[:], one.Hash)
		if err := j.Add(e); err != nil {
			return c.Name, want, fmt.Sprintf("%s at %d", class(err), one.Sequence)
		}
	}
	_, err = j.Close(c.Head, device)
	return c.Name, want, class(err) + " at 0"
}
