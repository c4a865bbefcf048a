package outbox

import (
	"fmt"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// Result is the backend's answer to one item: a verdict, or why there is
// none.
type Result struct {
	Verdict []byte // Signed
	Error   string // reason of the error catalogue
}

// Decision is what becomes of an item after an answer.
type Decision struct {
	Item    Item
	Verdict preauth.Verdict // verified; the item is done
	Err     error           // or why the item stays
	said    said
}

// Decide matches an answer to the items that were submitted. Verdicts count
// if the backend of trust signed them and they answer their item; totals
// must be those of the package comment. It returns one decision per item,
// in order, and the lines of what was agreed on.
//
// The error wraps ErrAnswer or ErrTotals; then no item is done, and every
// decision says why.
func Decide(trust preauth.Trust, sent []Item, results []Result, totals []Total) ([]Decision, []Total, error) {
	if len(results) != len(sent) {
		err := fmt.Errorf("%d results for %d items: %w", len(results), len(sent), ErrAnswer)
		return keep(sent, err), nil, err
	}
	verdicts := map[preauth.Hash]preauth.Hash{} // by request
	all := make([]Decision, len(sent))
	var decided []Decision
	for i, it := range sent {
		d := decide(trust, it, results[i])
		if d.Err == nil || d.counts() {
			request := it.Key.Request
			if other, ok := verdicts[request]; ok && other != d.Verdict.Hash {
				d = Decision{Item: it, Err: fmt.Errorf("second verdict on request %s: %w", request, ErrVerdict)}
			} else {
				verdicts[request] = d.Verdict.Hash
				decided = append(decided, d)
			}
		}
		all[i] = d
	}
	own := Tally(decided)
	if !sameTotals(own, totals) {
		err := fmt.Errorf("%w: %+v here, %+v there", ErrTotals, own, totals)
		return keep(sent, err), nil, err
	}
	for i := range all {
		if all[i].Err != nil {
			all[i].Verdict = preauth.Verdict{}
		}
	}
	return all, own, nil
}

// counts reports whether a decision that keeps its item is still one about
// its request: the verdict is genuine but names another voucher.
func (d Decision) counts() bool { return !d.Verdict.Zero() }

func decide(trust preauth.Trust, it Item, r Result) Decision {
	d := Decision{Item: it}
	switch {
	case len(r.Verdict) == 0 && r.Error == "":
		d.Err = fmt.Errorf("%s %s: %w", it.Key.Kind, it.Key.Request, ErrUnanswered)
		return d
	case len(r.Verdict) == 0:
		d.Err = Refusal(r.Error)
		return d
	}
	if d.said, d.Err = it.read(); d.Err != nil {
		return d
	}
	v, err := trust.Verdict(r.Verdict)
	if err != nil {
		d.Err = fmt.Errorf("verdict on request %s: %w", it.Key.Request, err)
		return d
	}
	if preauth.Hash(v.Body.RequestHash) != it.Key.Request {
		d.Err = fmt.Errorf("verdict on request %x for %s: %w", v.Body.RequestHash, it.Key.Request, ErrVerdict)
		return d
	}
	d.Verdict, d.Err = v, d.said.answered(v)
	return d
}

// answered checks that a verdict on the right request is on the right
// voucher. A Cancel ends its request whatever was promised. A verdict that
// names no voucher is CANCELLED, for no other is well-formed without: it comes
// of a Cancel alone, when the backend has seen no voucher.
func (s said) answered(v preauth.Verdict) error {
	named := v.Body.VoucherHash
	if s.promise.Zero() || len(named) == 0 || preauth.Hash(named) == s.promise {
		return nil
	}
	return fmt.Errorf("verdict on voucher %x, not %s: %w", named, s.promise, ErrVerdict)
}

// DecideQuery matches verdicts to the questions that were asked. A question
// without one is ErrUnanswered. A verdict that nobody asked for is no
// decision, and is reported as an error that wraps ErrAnswer, beside the
// decisions.
func DecideQuery(trust preauth.Trust, asked []Item, verdicts [][]byte) ([]Decision, error) {
	byRequest := make(map[preauth.Hash][]byte, len(verdicts))
	var stray error
	for _, b := range verdicts {
		v, err := preauth.Open[*peerv1.Verdict](b)
		if err != nil {
			stray = fmt.Errorf("%w: %w", ErrAnswer, err)
			continue
		}
		byRequest[preauth.Hash(v.Body.RequestHash)] = b
	}
	all := make([]Decision, len(asked))
	for i, it := range asked {
		d := decide(trust, it, Result{Verdict: byRequest[it.Key.Request]})
		if d.Err != nil {
			d.Verdict = preauth.Verdict{}
		}
		delete(byRequest, it.Key.Request)
		all[i] = d
	}
	for request := range byRequest {
		stray = fmt.Errorf("verdict on request %s, which was not asked for: %w", request, ErrAnswer)
	}
	return all, stray
}

func keep(items []Item, err error) []Decision {
	all := make([]Decision, len(items))
	for i, it := range items {
		all[i] = Decision{Item: it, Err: err}
	}
	return all
}
