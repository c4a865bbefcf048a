package ledger

import (
	"errors"
	"slices"
	"testing"
	"time"
)

var (
	end  = time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)
	soon = end.Add(-time.Hour)
	late = end.Add(time.Hour)
	ages = end.Add(Grace + time.Hour)

	lunaTill = [16]byte{1}
	solTill  = [16]byte{2}
	luna     = [16]byte{11}
	sol      = [16]byte{12}
)

// req is the hash of a request with that name.
func req(name byte) [32]byte { return [32]byte{name} }

// at is a voucher for a till.
func at(till [16]byte, name byte, total int64) Claim {
	business := luna
	if till == solTill {
		business = sol
	}
	return Claim{Request: req(name), Till: till, Business: business, Total: total}
}

func holdOf(limit, guarantee int64) Hold {
	return Hold{
		Preauth: [16]byte{21}, Instrument: [16]byte{22}, Currency: "USD",
		Limit: limit, Guarantee: guarantee, SettleBy: end,
	}
}

// A move is one thing that happens to a hold.
type move func(t *testing.T, h Hold) Result

func claimed(c Claim, now time.Time) move {
	return func(t *testing.T, h Hold) Result {
		t.Helper()
		r, err := h.Claim(c, now)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

func cancelled(name byte, now time.Time) move {
	return func(_ *testing.T, h Hold) Result { return h.Cancel(req(name), now) }
}

func closed(now time.Time) move {
	return func(_ *testing.T, h Hold) Result { return h.Close(now) }
}

func as(o Outcome, reason string, c Claim) Claim {
	c.Outcome, c.Reason = o, reason
	return c
}

// got is what a claim ended as.
type got struct {
	outcome    Outcome
	paid       int64
	guaranteed int64
	reason     string
}

func paid(n int64) got { return got{Settled, n, 0, ""} }

func TestSettlement(t *testing.T) {
	bound := func(h Hold) Hold { h.BoundTo = req('a'); return h }
	tests := []struct {
		name  string
		hold  Hold
		moves []move
		want  []got // claims in order of arrival
		held  int64
		back  int64 // released to the customer
	}{
		{"a voucher is paid from the hold", holdOf(100, 0),
			[]move{claimed(at(lunaTill, 'a', 30), soon)}, []got{paid(30)}, 70, 0},
		{"the last instant counts", holdOf(100, 0),
			[]move{claimed(at(lunaTill, 'a', 30), end)}, []got{paid(30)}, 70, 0},
		{"the remainder of an exhausted hold is not paid", holdOf(100, 0),
			[]move{claimed(at(lunaTill, 'a', 70), soon), claimed(at(solTill, 'b', 50), soon)}, []got{paid(70), paid(30)}, 0, 0},
		{"nothing left is EXHAUSTED", holdOf(100, 0),
			[]move{claimed(at(lunaTill, 'a', 100), soon), claimed(at(solTill, 'b', 50), soon)},
			[]got{paid(100), {Rejected, 0, 0, Exhausted}}, 0, 0},
		{"the issuer guarantees a part per till", holdOf(100, 20),
			[]move{claimed(at(lunaTill, 'a', 100), soon), claimed(at(solTill, 'b', 15), soon), claimed(at(solTill, 'c', 15), soon), claimed(at(lunaTill, 'd', 50), soon)},
			[]got{paid(100), {Settled, 0, 15, ""}, {Settled, 0, 5, ""}, {Settled, 0, 20, ""}}, 0, 0},
		{"what comes after settle_by is TOO_LATE, and the rest is released", holdOf(100, 20),
			[]move{claimed(at(lunaTill, 'a', 30), soon), claimed(at(lunaTill, 'b', 30), late)},
			[]got{paid(30), {Rejected, 0, 0, TooLate}}, 0, 70},
		{"a refused voucher is not paid", holdOf(100, 20),
			[]move{claimed(as(Rejected, "TIP_NOT_ALLOWED", at(lunaTill, 'a', 30)), soon)}, []got{{Rejected, 0, 0, "TIP_NOT_ALLOWED"}}, 100, 0},
		{"nor topped up by a reversal", holdOf(100, 20),
			[]move{claimed(as(Rejected, "TIP_NOT_ALLOWED", at(lunaTill, 'a', 30)), soon), claimed(at(lunaTill, 'b', 30), soon), cancelled('b', soon)},
			[]got{{Rejected, 0, 0, "TIP_NOT_ALLOWED"}, {Cancelled, 0, 0, ""}}, 100, 0},
		{"a Cancel before the claim leaves it unpaid", holdOf(100, 20),
			[]move{claimed(as(Cancelled, "", at(lunaTill, 'a', 30)), soon)}, []got{{Cancelled, 0, 0, ""}}, 100, 0},
		{"a Cancel after it reverses back to held", holdOf(100, 0),
			[]move{claimed(at(lunaTill, 'a', 30), soon), cancelled('a', soon)}, []got{{Cancelled, 0, 0, ""}}, 100, 0},
		{"after settle_by it reverses to the customer", holdOf(100, 0),
			[]move{claimed(at(lunaTill, 'a', 30), soon), cancelled('a', late)}, []got{{Cancelled, 0, 0, ""}}, 0, 100},
		{"a Cancel of something rejected makes it CANCELLED", holdOf(100, 0),
			[]move{claimed(at(lunaTill, 'a', 100), soon), claimed(at(solTill, 'b', 1), soon), cancelled('b', soon), claimed(at(solTill, 'c', 1), late), cancelled('c', ages)},
			[]got{paid(100), {Cancelled, 0, 0, ""}, {Cancelled, 0, 0, ""}}, 0, 0},
		{"a reversal pays earlier remainders in order of arrival", holdOf(100, 0),
			[]move{claimed(at(lunaTill, 'a', 60), soon), claimed(at(solTill, 'b', 60), soon), claimed(at(lunaTill, 'c', 60), soon), cancelled('a', soon)},
			[]got{{Cancelled, 0, 0, ""}, paid(60), paid(40)}, 0, 0},
		{"then repays the issuer", holdOf(100, 20),
			[]move{claimed(at(lunaTill, 'a', 70), soon), claimed(at(solTill, 'b', 60), soon), claimed(at(lunaTill, 'c', 10), soon), cancelled('a', soon)},
			[]got{{Cancelled, 0, 0, ""}, paid(60), paid(10)}, 30, 0},
		{"every remainder comes before any repayment", holdOf(100, 10),
			[]move{claimed(at(lunaTill, 'a', 30), soon), claimed(at(lunaTill, 'b', 70), soon), claimed(at(solTill, 'c', 30), soon), claimed(at(solTill, 'd', 20), soon), cancelled('a', soon)},
			[]got{{Cancelled, 0, 0, ""}, paid(70), {Settled, 20, 10, ""}, {Settled, 10, 0, ""}}, 0, 0},
		{"a reversal frees the till's guarantee for its other vouchers", holdOf(100, 20),
			[]move{claimed(at(solTill, 'a', 100), soon), claimed(at(lunaTill, 'b', 20), soon), claimed(at(lunaTill, 'c', 20), soon), cancelled('b', soon)},
			[]got{paid(100), {Cancelled, 0, 0, ""}, {Settled, 0, 20, ""}}, 0, 0},
		{"a late reversal pays remainders before the customer", holdOf(100, 10),
			[]move{claimed(at(lunaTill, 'a', 60), soon), claimed(at(solTill, 'b', 60), soon), cancelled('a', late)},
			[]got{{Cancelled, 0, 0, ""}, paid(60)}, 0, 40},
		{"a Cancel twice does nothing twice", holdOf(100, 0),
			[]move{claimed(at(lunaTill, 'a', 60), soon), cancelled('a', soon), cancelled('a', late)}, []got{{Cancelled, 0, 0, ""}}, 0, 100},
		{"after the grace a paid claim stays", holdOf(100, 0),
			[]move{claimed(at(lunaTill, 'a', 60), soon), closed(late), cancelled('a', ages)}, []got{paid(60)}, 0, 40},
		{"the last instant of the grace reverses", holdOf(100, 0),
			[]move{claimed(at(lunaTill, 'a', 60), soon), cancelled('a', end.Add(Grace))}, []got{{Cancelled, 0, 0, ""}}, 0, 100},
		{"closing too early does nothing", holdOf(100, 0), []move{closed(end)}, nil, 100, 0},
		{"closing releases the rest once", holdOf(100, 0), []move{closed(late), closed(ages)}, nil, 0, 100},
		{"a bound hold is freed at once by its Cancel", bound(holdOf(100, 100)), []move{cancelled('a', soon)}, nil, 0, 100},
		{"also if it was paid", bound(holdOf(100, 100)),
			[]move{claimed(at(lunaTill, 'a', 100), soon), cancelled('a', soon)}, []got{{Cancelled, 0, 0, ""}}, 0, 100},
		{"but not by another's", bound(holdOf(100, 100)), []move{cancelled('b', soon)}, nil, 100, 0},
		{"a Cancel without a hash frees nothing", holdOf(100, 0), []move{cancelled(0, soon)}, nil, 100, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := tt.hold
			for _, m := range tt.moves {
				h = checked(t, h, m)
			}
			var claims []got
			for _, c := range h.Claims {
				claims = append(claims, got{c.Outcome, c.Paid, c.Guaranteed, c.Reason})
			}
			if !slices.Equal(claims, tt.want) {
				t.Errorf("claims are %+v, want %+v", claims, tt.want)
			}
			if h.Held() != tt.held || h.Released != tt.back {
				t.Errorf("%d held and %d released, want %d and %d", h.Held(), h.Released, tt.held, tt.back)
			}
		})
	}
}

// checked makes a move and compares its transfers with what it says of the
// hold: nothing is moved that is not said, and nothing said that is not moved.
func checked(t *testing.T, before Hold, m move) Hold {
	t.Helper()
	kept := slices.Clone(before.Claims)
	r := m(t, before)
	if !slices.Equal(before.Claims, kept) {
		t.Error("the operation changed its argument")
	}
	if r.Disputed && len(r.Changed) > 0 {
		t.Errorf("a dispute moved money: %+v", r)
	}
	sums := map[Account]int64{}
	for _, tr := range r.Transfers {
		if tr.Amount <= 0 || tr.Currency != "USD" {
			t.Errorf("transfer of %d %s", tr.Amount, tr.Currency)
		}
		var sum int64
		for _, p := range tr.Postings() {
			sums[p.Account] += p.Amount
			sum += p.Amount
		}
		if sum != 0 {
			t.Errorf("postings sum to %d", sum)
		}
	}
	want := map[Account]int64{
		before.held():              r.Hold.Held() - before.Held(),
		before.instrument():        r.Hold.Released - before.Released,
		{Kind: Issuer}:             issued(before) - issued(r.Hold),
		{Kind: Business, ID: luna}: due(r.Hold, luna) - due(before, luna),
		{Kind: Business, ID: sol}:  due(r.Hold, sol) - due(before, sol),
	}
	for a, n := range want {
		if sums[a] != n {
			t.Errorf("postings of %s sum to %d, the hold says %d", a.Kind, sums[a], n)
		}
	}
	if h := r.Hold; h.Held() < 0 || h.Paid()+h.Held()+h.Released != h.Limit || h.Closed && h.Held() != 0 {
		t.Errorf("limit %d, paid %d, held %d, released %d", h.Limit, h.Paid(), h.Held(), h.Released)
	}
	for _, c := range r.Changed {
		if i := before.find(c.Request); i >= 0 && before.Claims[i] == c {
			t.Errorf("claim %x is called changed", c.Request[:1])
		}
	}
	return r.Hold
}

func issued(h Hold) (sum int64) {
	for _, c := range h.Claims {
		sum += c.Guaranteed
	}
	return sum
}

func due(h Hold, business [16]byte) (sum int64) {
	for _, c := range h.Claims {
		if c.Business == business {
			sum += c.Settled()
		}
	}
	return sum
}

func TestDispute(t *testing.T) {
	h := checked(t, holdOf(100, 0), claimed(at(lunaTill, 'a', 60), soon))
	h = checked(t, h, closed(late))
	if r := h.Cancel(req('a'), ages); !r.Disputed {
		t.Error("a Cancel after the grace is not disputed")
	}
	if r := h.Cancel(req('a'), end.Add(Grace)); r.Disputed {
		t.Error("a Cancel within the grace is disputed")
	}
}

func TestClaimErrors(t *testing.T) {
	h := checked(t, holdOf(100, 0), claimed(at(lunaTill, 'a', 60), soon))
	if _, err := h.Claim(at(lunaTill, 'a', 60), soon); !errors.Is(err, ErrClaimed) {
		t.Errorf("a second claim: %v", err)
	}
	if _, err := h.Claim(at(lunaTill, 'b', 0), soon); !errors.Is(err, ErrAmount) {
		t.Errorf("a claim of nothing: %v", err)
	}
}

func TestReservation(t *testing.T) {
	tests := []struct {
		name  string
		limit int64
		free  int64
		err   error
	}{
		{"all that is free can be reserved", 100, 100, nil},
		{"one unit more cannot", 101, 100, ErrInsufficient},
		{"nothing cannot", 0, 100, ErrAmount},
		{"less than nothing cannot", -1, 100, ErrAmount},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := holdOf(tt.limit, 0)
			tr, err := Reservation(h, tt.free)
			if !errors.Is(err, tt.err) {
				t.Fatalf("error is %v, want %v", err, tt.err)
			}
			want := Transfer{Reason: Reserve, From: h.instrument(), To: h.held(), Amount: tt.limit, Currency: "USD"}
			if err == nil && tr != want {
				t.Errorf("transfer is %+v", tr)
			}
		})
	}
}

func TestFunding(t *testing.T) {
	tr, err := Funding([16]byte{5}, 700, "JPY")
	want := Transfer{Reason: Fund, From: Account{Kind: World}, To: Account{Instrument, [16]byte{5}}, Amount: 700, Currency: "JPY"}
	if err != nil || tr != want {
		t.Errorf("transfer is %+v, %v", tr, err)
	}
	if _, err := Funding([16]byte{5}, 0, "JPY"); !errors.Is(err, ErrAmount) {
		t.Errorf("funding of nothing: %v", err)
	}
}

func TestCharge(t *testing.T) {
	c := Charge{Claim: at(lunaTill, 'a', 30), Instrument: [16]byte{5}, Currency: "USD", Received: soon}
	if _, _, err := c.Take(29); !errors.Is(err, ErrInsufficient) {
		t.Errorf("more than there is: %v", err)
	}
	taken, tr, err := c.Take(30)
	want := Transfer{Reason: ChargeNow, From: Account{Instrument, [16]byte{5}}, To: Account{Business, luna}, Amount: 30, Currency: "USD", Request: req('a')}
	if err != nil || tr != want || taken.Outcome != Settled || taken.Paid != 30 {
		t.Errorf("charge is %+v, transfer %+v, %v", taken, tr, err)
	}
	if _, _, disputed := taken.Undo(soon.Add(Grace + 1)); !disputed {
		t.Error("a Cancel after the grace is not disputed")
	}
	undone, back, disputed := taken.Undo(soon.Add(Grace))
	want.Reason, want.From, want.To = Reverse, want.To, want.From
	if disputed || len(back) != 1 || back[0] != want || undone.Outcome != Cancelled || undone.Paid != 0 {
		t.Errorf("undone is %+v, transfers %+v", undone, back)
	}
	rejected := c
	rejected.Outcome, rejected.Reason = Rejected, "CHARGE_WINDOW"
	if again, back, disputed := rejected.Undo(ages); disputed || back != nil || again.Outcome != Cancelled || again.Reason != "" {
		t.Errorf("a rejected charge became %+v", again)
	}
}
