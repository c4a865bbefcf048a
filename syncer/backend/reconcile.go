package backend

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/ledger"
)

// The rules of Reconcile.
const (
	ruleSigned = "each outcome rests on signed objects that verify"
	ruleReplay = "each outcome follows from the signed objects in order of arrival"
	ruleSaid   = "each signed verdict says what the books say"
)

// errBooks says that signed objects and stored values disagree.
var errBooks = errors.New("stored value differs from the signed one")

// Reconcile recomputes every outcome from the signed objects that were handed
// in and their order of arrival, with arithmetic of its own, and compares it
// with what the books say. It reads everything.
func (a Admin) Reconcile(ctx context.Context) (r Report, err error) {
	err = a.Store.Read(ctx, func(t Tx) error {
		keys, err := t.issuerKeys()
		if err != nil {
			return err
		}
		v := verifier{t: t, issuers: keys, report: &r}
		return errors.Join(v.verdicts(), v.charges(), v.holds())
	})
	return r, err
}

// A verifier reads signed objects back out of the books and trusts nothing
// but keys.
type verifier struct {
	t       Tx
	issuers []issuerKey
	report  *Report
}

// opened is what a claim says by itself.
type opened struct {
	claim   claim
	request preauth.Request
	till    preauth.ID
	total   int64
}

// byIssuer opens an object that an issuer key signed.
func byIssuer[M proto.Message](v verifier, b []byte) (preauth.Signed[M], error) {
	o, err := preauth.Open[M](b)
	if err != nil {
		return o, err
	}
	for _, k := range v.issuers {
		if o.VerifiedBy(k.public) == nil {
			return o, nil
		}
	}
	return o, fmt.Errorf("key %x: %w", o.KeyID(), preauth.ErrIssuer)
}

// byDevice opens an object that one of a device's keys signed.
func byDevice[M proto.Message](v verifier, device preauth.ID, b []byte) (preauth.Signed[M], error) {
	o, err := preauth.Open[M](b)
	if err != nil {
		return o, err
	}
	all, err := v.t.signers(o.KeyID())
	if err != nil {
		return o, err
	}
	for _, s := range all {
		if s.device == device && o.VerifiedBy(s.key) == nil {
			return o, nil
		}
	}
	return o, fmt.Errorf("key %x of device %s: %w", o.KeyID(), device, preauth.ErrSignature)
}

// open verifies a claim's Request and Receipt; voucher or charge is left to
// the caller.
func (v verifier) open(c claim) (opened, error) {
	o := opened{claim: c}
	r, ok, err := v.t.request(c.request)
	if err != nil || !ok {
		return o, errors.Join(err, errBooks)
	}
	if o.request, err = preauth.Open[*peerv1.Request](r.bytes); err != nil {
		return o, err
	}
	cert, err := byIssuer[*peerv1.DeviceCert](v, o.request.Body.DeviceCert)
	if err != nil {
		return o, err
	}
	o.till = preauth.ID(cert.Body.DeviceId)
	receipt, err := byDevice[*peerv1.Receipt](v, o.till, c.receipt)
	if err != nil {
		return o, err
	}
	said := receipt.Body
	if o.request.Hash != c.request || preauth.Hash(said.RequestHash) != c.request || preauth.Hash(said.VoucherHash) != c.voucher ||
		r.till != o.till || r.business != preauth.ID(cert.Body.BusinessId) || r.payment != preauth.ID(o.request.Body.PaymentId) {
		return o, errBooks
	}
	return o, o.request.VerifiedBy(preauth.PublicKey(cert.Body.SigningKey))
}

// verdicts compares each verdict with its signed form, those that were
// replaced too.
func (v verifier) verdicts() error {
	of := map[int64]preauth.Hash{}
	var seqs []int64
	err := v.t.each(`SELECT seq FROM verdicts ORDER BY seq`, nil, func(row func(...any) error) error {
		var seq int64
		err := row(&seq)
		seqs = append(seqs, seq)
		return err
	})
	if err != nil {
		return err
	}
	for _, seq := range seqs {
		row, _, err := v.t.verdict(seq)
		if err != nil {
			return err
		}
		of[seq] = row.request
		if err := v.said(row); err != nil {
			v.report.problem(ruleSaid, "request "+row.request.String(), "%v", err)
		}
	}
	v.report.checked(ruleSaid, len(seqs))
	return v.standing(of)
}

// said compares a verdict with its signed form.
func (v verifier) said(row verdict) error {
	said, err := byIssuer[*peerv1.Verdict](v, row.bytes)
	if err != nil {
		return err
	}
	b := said.Body
	if preauth.Hash(b.RequestHash) != row.request || b.Outcome != outcomes[row.outcome] || b.Reason != row.reason ||
		b.Amount != row.paid+row.guaranteed || b.Shortfall != row.shortfall {
		return errBooks
	}
	return nil
}

// standing checks that the verdict on each request is one of its own, and its
// Cancel. of says which request each verdict is about.
func (v verifier) standing(of map[int64]preauth.Hash) error {
	all, err := v.t.requests(`verdict_seq IS NOT NULL`)
	if err != nil {
		return err
	}
	for _, r := range all {
		if of[r.verdict] != r.hash {
			v.report.problem(ruleSaid, "request "+r.hash.String(), "%v", errBooks)
		}
		if err := v.cancelled(r); err != nil {
			v.report.problem(ruleSigned, "Cancel of request "+r.hash.String(), "%v", err)
		}
	}
	return nil
}

// charges verifies each charge. Whether there was money at the time is a
// matter of the ledger.
func (v verifier) charges() error {
	all, err := v.t.claims(`preauth_id IS NULL`)
	if err != nil {
		return err
	}
	for _, c := range all {
		if err := v.charge(c); err != nil {
			v.report.problem(ruleSigned, "request "+c.request.String(), "%v", err)
		}
	}
	return nil
}

func (v verifier) charge(c claim) error {
	o, err := v.open(c)
	if err != nil {
		return err
	}
	said, err := preauth.Open[*peerv1.Charge](c.bytes)
	if err != nil {
		return err
	}
	if _, err := byDevice[*peerv1.Charge](v, preauth.ID(said.Body.CustomerDeviceId), c.bytes); err != nil {
		return err
	}
	r, row, err := standing(v.t, c.request)
	if err != nil {
		return err
	}
	full := row.paid == said.Body.Amount+said.Body.Tip
	switch {
	case said.Hash != c.voucher || r.total != said.Body.Amount+said.Body.Tip || o.till != r.till:
		return errBooks
	case row.guaranteed != 0 || (row.outcome == ledger.Settled) != full:
		return errBooks
	}
	return nil
}

// cancelled checks that a request counts as cancelled because its own till
// signed a Cancel, and for no other reason.
func (v verifier) cancelled(r request) error {
	if r.cancelled.IsZero() {
		return nil
	}
	b, err := v.t.cancelBytes(r.hash, r.till)
	if err != nil {
		return err
	}
	c, err := byDevice[*peerv1.Cancel](v, r.till, b)
	if err != nil {
		return err
	}
	if preauth.Hash(c.Body.RequestHash) != r.hash {
		return errBooks
	}
	return nil
}

func (t Tx) cancelBytes(request preauth.Hash, by preauth.ID) (b []byte, err error) {
	_, err = t.one(`SELECT bytes FROM cancels WHERE request_hash = ? AND signer_id = ?`, []any{request[:], by[:]}, &b)
	return b, err
}

// holds replays each pre-authorization.
func (v verifier) holds() error {
	all, err := v.t.holds(`true ORDER BY serial`)
	if err != nil {
		return err
	}
	claims := 0
	for _, h := range all {
		n, err := v.replay(h)
		if err != nil {
			v.report.problem(ruleSigned, "pre-authorization "+h.id.String(), "%v", err)
		}
		claims += n
	}
	v.report.checked(ruleSigned, claims)
	v.report.checked(ruleReplay, claims)
	return nil
}

// replay runs one pre-authorization's history and compares the end with the
// books.
func (v verifier) replay(h hold) (int, error) {
	cert, err := byIssuer[*peerv1.PreauthCert](v, h.cert)
	if err != nil {
		return 0, err
	}
	events, err := v.t.arrivals(h.id)
	if err != nil {
		return 0, err
	}
	book := newReplay(cert.Body)
	for _, e := range events {
		if err := v.step(book, cert, e); err != nil {
			return len(book.entries), fmt.Errorf("request %s: %w", e.request, err)
		}
	}
	for _, e := range book.entries {
		_, row, err := standing(v.t, e.request)
		if err != nil {
			return len(book.entries), err
		}
		if row.outcome != e.outcome || row.paid != e.paid || row.guaranteed != e.issuer {
			v.report.problem(ruleReplay, "request "+e.request.String(), "the books say %s %d + %d, the signed objects %s %d + %d",
				row.outcome, row.paid, row.guaranteed, e.outcome, e.paid, e.issuer)
		}
	}
	held, err := v.t.held(h)
	if err == nil && held != book.held {
		v.report.problem(ruleReplay, "pre-authorization "+h.id.String(), "the books hold %d, the signed objects %d", held, book.held)
	}
	return len(book.entries), err
}

// step applies one arrival, from its signed objects.
func (v verifier) step(book *replay, cert preauth.PreauthCert, e arrival) error {
	switch e.kind {
	case "CLOSE":
		book.close()
		return nil
	case "CANCEL":
		book.cancel(e.request, e.at)
		return nil
	}
	c, ok, err := v.t.claim(e.request)
	if err != nil || !ok {
		return errors.Join(err, errBooks)
	}
	o, err := v.open(c)
	if err != nil {
		return err
	}
	voucher, err := preauth.Open[*peerv1.Voucher](c.bytes)
	if err != nil {
		return err
	}
	if voucher.Hash != c.voucher || preauth.Hash(voucher.Body.RequestHash) != c.request {
		return errBooks
	}
	if err := voucher.VerifiedBy(preauth.PublicKey(cert.Body.Spender)); err != nil {
		return err
	}
	o.total = voucher.Body.Amount + voucher.Body.Tip
	before, err := v.t.cancelledBefore(e)
	if err != nil {
		return err
	}
	refused := refuseVoucher(handed{request: o.request, cert: cert, voucher: voucher}) != ""
	book.claim(o, e.at, before, refused)
	return nil
}
