package backend

import (
	"context"
	"errors"
	"fmt"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// Reasons why an item gets no verdict, beside those of package preauth.
const (
	// A voucher or charge without the till's receipt moves nothing.
	reasonReceipt = "RECEIPT_MISSING"
	// The request was claimed with another voucher.
	reasonConflict = "CLAIM_CONFLICT"
	// The certificate is genuine, but these books do not know it.
	reasonPreauth = "PREAUTH_NOT_FOUND"
	// The till's certificate is genuine, but these books do not know the till.
	reasonTill = "NOT_FOUND"
	// Judging the item failed here; the log says how.
	reasonInternal = "INTERNAL"
)

// Submit settles claims and records Cancels. Each item is one transaction;
// handing it in again gives the recorded verdict, so an answer that got lost
// costs nothing. Who carries an item in does not matter. An item that cannot
// be judged gets a reason and costs the others nothing; only when the database
// fails does the call.
func (s *Server) Submit(ctx context.Context, r *backendv1.SubmitRequest) (*backendv1.SubmitResponse, error) {
	at := s.now()
	items, err := s.verify(ctx, r.Items)
	if err != nil {
		return nil, err
	}
	if err := s.Sweep(ctx); broken(err) {
		return nil, err
	} else if err != nil { // a claim closes what it draws on itself
		s.log.ErrorContext(ctx, "sweep failed", "error", err)
	}
	reasons := make([]string, len(items))
	for i, it := range items {
		if it.err != nil {
			reasons[i] = s.unjudgedFor(ctx, it.err)
			continue
		}
		err := s.store.Write(ctx, func(t Tx) (err error) {
			reasons[i], err = s.settle(t, it, at)
			return err
		})
		if broken(err) {
			return nil, fmt.Errorf("settle request %s: %w", it.request.Hash, err)
		}
		if err != nil {
			reasons[i] = s.unjudgedFor(ctx, fmt.Errorf("settle request %s: %w", it.request.Hash, err))
		}
	}
	return s.answer(ctx, items, reasons, at)
}

// unjudgedFor is the reason an item gets that cannot be judged.
func (s *Server) unjudgedFor(ctx context.Context, err error) string {
	if !unjudged(err) {
		s.log.ErrorContext(ctx, "item failed", "error", err)
		return reasonInternal
	}
	s.log.InfoContext(ctx, "item not judged", "error", err)
	if _, reason := condition(err); errors.Is(err, ErrLimitRate) || errors.Is(err, ErrLimitCount) {
		return reason
	}
	return preauth.Code(err)
}

// settle brings one item into the books. It returns why the item itself got
// no verdict, or nothing.
func (s *Server) settle(t Tx, it handed, at time.Time) (string, error) {
	r, known, err := s.know(t, it, at)
	if err != nil {
		return "", err
	}
	if !known {
		return reasonTill, nil
	}
	if !it.cancel.Zero() {
		if err := t.putCancel(r.hash, r.till, it.cancel.Body.Reason.String(), it.cancel.Bytes, at); err != nil {
			return "", err
		}
		if err := s.cancel(t, r.hash, at); err != nil {
			return "", err
		}
	}
	switch {
	case it.receipt.Zero() && it.cancel.Zero():
		return reasonReceipt, nil
	case !it.voucher.Zero():
		return s.settleVoucher(t, it, at)
	case !it.charge.Zero():
		return s.settleCharge(t, it, at)
	}
	return "", nil
}

// know stores the Request if it is new, and judges a Cancel that arrived
// before it. It reports false for a Request of a till or key that the books do
// not know as that business's: an older copy of the books may not, and whoever
// has an issuer's key can certify what they like.
//
// The error wraps ErrLimitRate or ErrLimitCount if there is no room for it.
func (s *Server) know(t Tx, it handed, at time.Time) (r request, known bool, err error) {
	r, known, err = t.request(it.request.Hash)
	if err != nil {
		return r, known, err
	}
	if known {
		return r, true, t.roomFor(it, r, true, at)
	}
	if known, err = t.certified(it.till); err != nil || !known {
		return r, false, err
	}
	b := it.request.Body
	r = request{
		hash: it.request.Hash, payment: preauth.ID(b.PaymentId), till: preauth.ID(it.till.Body.DeviceId),
		business: preauth.ID(it.till.Body.BusinessId), currency: b.Currency, total: b.Amount,
		bytes: it.request.Bytes, received: at,
	}
	if err := t.roomFor(it, r, false, at); err != nil {
		return r, false, err
	}
	if err := t.putRequest(r); err != nil {
		return r, false, err
	}
	kept, err := t.cancelBy(r.hash, r.till)
	if err != nil || !kept {
		return r, true, err
	}
	return r, true, s.cancel(t, r.hash, at)
}

// answer reads what stands for each item, after all of them: a later item may
// have changed what an earlier one got.
func (s *Server) answer(ctx context.Context, items []handed, reasons []string, at time.Time) (*backendv1.SubmitResponse, error) {
	resp := &backendv1.SubmitResponse{Time: s.signedTime(at)}
	sums := newTotals()
	err := s.store.Read(ctx, func(t Tx) error {
		issued, err := s.reissuer(t, at)
		if err != nil {
			return err
		}
		for i, it := range items {
			result := &backendv1.ItemResult{Error: reasons[i]}
			resp.Results = append(resp.Results, result)
			if it.err != nil || reasons[i] != "" && reasons[i] != reasonReceipt {
				continue
			}
			r, v, err := standing(t, it.request.Hash)
			if errors.Is(err, errNoVerdict) {
				continue
			}
			if err != nil {
				return err
			}
			if result.Verdict, err = reissued[*peerv1.Verdict](issued, v.bytes); err != nil {
				return err
			}
			result.Error = ""
			sums.add(it, r, v)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	resp.Totals = sums.lines()
	return resp, nil
}

// errNoVerdict says that nothing has been decided about a request.
var errNoVerdict = errors.New("no verdict")

// standing returns a request with its newest verdict. The error wraps
// errNoVerdict if there is none.
func standing(t Tx, hash preauth.Hash) (request, verdict, error) {
	r, ok, err := t.request(hash)
	if err != nil {
		return r, verdict{}, err
	}
	if !ok || r.verdict == 0 {
		return r, verdict{}, fmt.Errorf("request %s: %w", hash, errNoVerdict)
	}
	v, _, err := t.verdict(r.verdict)
	return r, v, err
}

// Query tells the verdicts there are on requests that concern the caller. A
// request without a voucher concerns whoever knows its hash.
func (s *Server) Query(ctx context.Context, q *backendv1.QueryRequest) (*backendv1.QueryResponse, error) {
	c := from(ctx)
	now := s.now()
	resp := &backendv1.QueryResponse{Time: s.signedTime(now)}
	err := s.store.Read(ctx, func(t Tx) error {
		issued, err := s.reissuer(t, now)
		if err != nil {
			return err
		}
		for _, b := range q.RequestHashes {
			hash, err := preauth.HashFrom(b)
			if err != nil {
				return fmt.Errorf("request_hashes: %w: %w", ErrInvalid, err)
			}
			r, v, err := standing(t, hash)
			if errors.Is(err, errNoVerdict) {
				continue
			}
			if err != nil {
				return err
			}
			mine, err := concerns(t, r, c.device.Party)
			if err != nil {
				return err
			}
			if !mine {
				continue
			}
			b, err := reissued[*peerv1.Verdict](issued, v.bytes)
			if err != nil {
				return err
			}
			resp.Verdicts = append(resp.Verdicts, b)
		}
		return nil
	})
	return resp, err
}

func concerns(t Tx, r request, p Party) (bool, error) {
	c, ok, err := t.claim(r.hash)
	if err != nil || !ok {
		return err == nil, err
	}
	return p.Business == r.business || p.Customer == c.customer, nil
}
