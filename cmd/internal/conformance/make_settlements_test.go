package conformance

import (
	"slices"
	"testing"

	"github.com/vipaso/vipasod/preauth/vectors"
)

// Times of settlements: by the backend's clock, in milliseconds.
const (
	settleBy = noon + 14*day
	grace    = settleBy + 30*day // a Cancel reverses by itself up to here
)

// paper is a settlement as it is written down: what arrives, and in short what
// every claim ends as.
type paper struct {
	name             string
	limit, guarantee int64
	boundTo          string
	arrivals         []vectors.Arrival
	want             map[string]verdict // the last one of each request
	disputed         bool
}

// verdict is what a claim ends as.
type verdict struct {
	outcome, reason     string
	settled, guaranteed int64
}

func paid(n int64) verdict            { return verdict{"SETTLED", "", n, 0} }
func helped(n, issuer int64) verdict  { return verdict{"SETTLED", "", n, issuer} }
func rejected(reason string) verdict  { return verdict{"REJECTED", reason, 0, 0} }
func cancelled() verdict              { return verdict{"CANCELLED", "", 0, 0} }
func hash(request string) vectors.B32 { return vectors.B32(made("request "+request, 32)) }

// claim is a voucher of the request, which a till made.
func claim(at int64, request, till string, total int64) vectors.Arrival {
	return vectors.Arrival{AtMs: at, Claim: &vectors.Claim{
		Request: hash(request), Till: vectors.B16(made("till "+till, 16)), Business: vectors.B16(made("business "+till, 16)), Total: total,
	}}
}

func cancelOf(at int64, request string) vectors.Arrival {
	h := hash(request)
	return vectors.Arrival{AtMs: at, Cancel: &h}
}

// but changes a claim.
func but(a vectors.Arrival, change func(*vectors.Claim)) vectors.Arrival {
	change(a.Claim)
	return a
}

// papers are settlements by the rules of the protocol.
func papers() []paper {
	ends := vectors.Arrival{AtMs: settleBy + 1, Passed: true}
	return []paper{
		{"one claim", 100_00, 0, "", []vectors.Arrival{claim(noon, "a", "luna", 13_00)}, map[string]verdict{"a": paid(13_00)}, false},
		{"in order of arrival until nothing is left", 100_00, 0, "", []vectors.Arrival{
			claim(noon, "a", "luna", 60_00), claim(noon+1, "b", "sol", 60_00), claim(noon+2, "c", "sol", 10_00),
		}, map[string]verdict{"a": paid(60_00), "b": paid(40_00), "c": rejected("EXHAUSTED")}, false},
		{"the issuer pays what it guarantees, for each till", 100_00, 20_00, "", []vectors.Arrival{
			claim(noon, "a", "luna", 90_00), claim(noon+1, "b", "sol", 60_00), claim(noon+2, "c", "sol", 10_00), claim(noon+3, "d", "luna", 30_00),
		}, map[string]verdict{"a": paid(90_00), "b": helped(30_00, 20_00), "c": rejected("EXHAUSTED"), "d": helped(20_00, 20_00)}, false},
		{"a Cancel before its claim", 100_00, 0, "", []vectors.Arrival{
			cancelOf(noon, "a"), but(claim(noon+1, "a", "luna", 13_00), func(c *vectors.Claim) { c.Cancelled = true }),
		}, map[string]verdict{"a": cancelled()}, false},
		{"a Cancel after its claim", 100_00, 0, "", []vectors.Arrival{claim(noon, "a", "luna", 13_00), cancelOf(noon+1, "a")}, map[string]verdict{"a": cancelled()}, false},
		{"a reversal pays an earlier remainder", 100_00, 0, "", []vectors.Arrival{
			claim(noon, "a", "luna", 70_00), claim(noon+1, "b", "sol", 60_00), claim(noon+2, "c", "sol", 10_00), cancelOf(noon+3, "a"),
		}, map[string]verdict{"a": cancelled(), "b": paid(60_00), "c": paid(10_00)}, false},
		{"then it repays the issuer", 100_00, 40_00, "", []vectors.Arrival{
			claim(noon, "a", "luna", 90_00), claim(noon+1, "b", "sol", 40_00), cancelOf(noon+2, "a"),
		}, map[string]verdict{"a": cancelled(), "b": paid(40_00)}, false},
		{"a Cancel over a rejection", 10_00, 0, "", []vectors.Arrival{
			claim(noon, "a", "luna", 10_00), claim(noon+1, "b", "sol", 10_00), cancelOf(noon+2, "b"),
		}, map[string]verdict{"a": paid(10_00), "b": cancelled()}, false},
		{"too late", 100_00, 20_00, "", []vectors.Arrival{claim(settleBy+1, "a", "luna", 13_00)}, map[string]verdict{"a": rejected("TOO_LATE")}, false},
		{"just in time", 100_00, 0, "", []vectors.Arrival{claim(settleBy, "a", "luna", 13_00)}, map[string]verdict{"a": paid(13_00)}, false},
		{"the rest goes back after settle_by", 100_00, 0, "", []vectors.Arrival{claim(noon, "a", "luna", 13_00), ends}, map[string]verdict{"a": paid(13_00)}, false},
		{"a reversal after settle_by goes to the customer", 100_00, 0, "", []vectors.Arrival{
			claim(noon, "a", "luna", 13_00), ends, cancelOf(grace, "a"),
		}, map[string]verdict{"a": cancelled()}, false},
		{"a Cancel so late that it is a dispute", 100_00, 0, "", []vectors.Arrival{
			claim(noon, "a", "luna", 13_00), cancelOf(grace+1, "a"),
		}, map[string]verdict{"a": paid(13_00)}, true},
		{"bound to a request that is cancelled: all is free at once", 13_00, 0, "a", []vectors.Arrival{cancelOf(noon, "a")}, nil, false},
		{"refused for what the till could have checked", 100_00, 20_00, "", []vectors.Arrival{
			but(claim(noon, "a", "luna", 13_00), func(c *vectors.Claim) { c.Refused = "SIGNATURE_INVALID" }),
		}, map[string]verdict{"a": rejected("SIGNATURE_INVALID")}, false},
		{"a reversal frees nothing for what was refused", 50_00, 0, "", []vectors.Arrival{
			claim(noon, "a", "luna", 50_00), but(claim(noon+1, "b", "sol", 13_00), func(c *vectors.Claim) { c.Refused = "SIGNATURE_INVALID" }), cancelOf(noon+2, "a"),
		}, map[string]verdict{"a": cancelled(), "b": rejected("SIGNATURE_INVALID")}, false},
	}
}

// TestMakeSettlements makes the vectors of settlement, and compares what comes
// out with what was written down.
func TestMakeSettlements(t *testing.T) {
	var all []vectors.Settlement
	for _, p := range papers() {
		s := vectors.Settlement{
			Name: p.name, Preauth: vectors.B16(made("preauth", 16)), Instrument: vectors.B16(made("instrument", 16)), Currency: "USD",
			Limit: p.limit, Guarantee: p.guarantee, SettleByMs: settleBy, Arrivals: p.arrivals, BoundTo: vectors.Hex{},
		}
		if p.boundTo != "" {
			h := hash(p.boundTo)
			s.BoundTo = h[:]
		}
		done, err := Settle(s)
		if err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
		p.check(t, done)
		all = append(all, done)
	}
	keep(t, vectors.KindSettlements, "One pre-authorization at the backend: what arrives, the verdicts, and the balances in the end.", all)
}

func (p paper) check(t *testing.T, s vectors.Settlement) {
	t.Helper()
	got := map[vectors.B32]verdict{}
	for _, a := range s.Arrivals {
		for _, o := range a.Changed {
			got[o.Request] = verdict{o.Outcome, o.Reason, o.Settled, o.Guaranteed}
		}
	}
	if len(got) != len(p.want) {
		t.Errorf("%s: verdicts on %d requests, want %d", p.name, len(got), len(p.want))
	}
	for request, want := range p.want {
		if got[hash(request)] != want {
			t.Errorf("%s: %s is %+v, want %+v", p.name, request, got[hash(request)], want)
		}
	}
	if disputed := slices.ContainsFunc(s.Arrivals, func(a vectors.Arrival) bool { return a.Disputed }); disputed != p.disputed {
		t.Errorf("%s: disputed %t", p.name, disputed)
	}
	var sum int64
	for _, b := range s.Balances {
		sum += b.Amount
	}
	if sum != p.limit {
		t.Errorf("%s: balances of %d, want %d", p.name, sum, p.limit)
	}
}
