package preauth

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// flaw is one thing wrong with an otherwise good deal.
type flaw struct {
	name  string
	step  int // place of the check in the protocol's order
	spoil func(*deal)
	want  error
}

func trailing(b []byte) []byte { return append(b, 0) }

// lastBit alters the signature, which is the end of every signed object.
func lastBit(b []byte) []byte { b[len(b)-1] ^= 1; return b }

// then does both, in order.
func then(first, second func([]byte) []byte) func([]byte) []byte {
	if first == nil {
		return second
	}
	return func(b []byte) []byte { return second(first(b)) }
}

// flaws are all reasons to refuse a voucher, in the order of the checks.
var flaws = []flaw{
	{"the voucher has a trailing byte", 1, func(d *deal) { d.tamperPay = then(d.tamperPay, trailing) }, ErrDecode},
	{"the certificate has a trailing byte", 2, func(d *deal) { d.tamperCert = then(d.tamperCert, trailing) }, ErrDecode},
	{"no issuer of the bundle signed the certificate", 3, func(d *deal) { d.issuerKey = "stranger" }, ErrIssuer},
	{"the certificate's signature is altered", 4, func(d *deal) { d.tamperCert = then(d.tamperCert, lastBit) }, ErrSignature},
	{"the issuer key has ended", 5, func(d *deal) { d.bundle.Issuers[0].NotAfterMs = d.now.UnixMilli() }, ErrExpired},
	{"the bundle revokes the serial", 6, func(d *deal) { d.preauth.Serial = 12 }, ErrVoided},
	{"the bundle has come to revoke the customer's device", 6, func(d *deal) { d.bundle.RevokedDevices = [][]byte{testBytes("phone", 16)} }, ErrRevoked},
	{"the bundle is older than 72 hours", 7, func(d *deal) {
		d.bundle.ServerTimeMs = d.now.Add(-BundleMaxAge).UnixMilli() - 1
	}, ErrBundleStale},
	{"the certificate asks for a newer bundle", 8, func(d *deal) { d.preauth.MinEpoch = 8 }, ErrBundleEpoch},
	{"spend_by is now", 9, func(d *deal) { d.preauth.SpendByMs = d.now.UnixMilli() }, ErrPreauthExpired},
	{"settle_by is less than 7 days after spend_by", 10, func(d *deal) {
		d.preauth.SettleByMs = d.preauth.SpendByMs + SettleMargin.Milliseconds() - 1
	}, ErrVoucher},
	{"the certificate is in euros", 11, func(d *deal) { d.preauth.Currency = "EUR" }, ErrCurrency},
	{"the voucher is in euros", 11, func(d *deal) { d.voucher.Currency = "EUR" }, ErrCurrency},
	{"the voucher names another pre-authorization", 12, func(d *deal) { d.voucher.PreauthId = testBytes("other", 16) }, ErrVoucher},
	{"another than the spender signed the voucher", 13, func(d *deal) { d.spenderKey = "stranger" }, ErrSignature},
	{"the voucher answers another request", 14, func(d *deal) { d.voucher.RequestHash = testBytes("other", 32) }, ErrRequest},
	{"the certificate is bound to another request", 15, func(d *deal) { d.preauth.BoundTo = testBytes("other", 32) }, ErrBound},
	{"the amount is more than was asked", 16, func(d *deal) { d.voucher.Amount = 1201 }, ErrAmount},
	{"the amount is less than was asked", 16, func(d *deal) { d.voucher.Amount = 1199 }, ErrAmount},
	{"a tip where the request says nothing of tips", 17, func(d *deal) { d.request.Tip = nil }, ErrTip},
	{"a tip where none is taken", 17, func(d *deal) { d.request.Tip.Allowed = false }, ErrTip},
	{"a tip above the largest", 17, func(d *deal) { d.voucher.Tip = 301 }, ErrTip},
	{"amount and tip are above the largest payment", 18, func(d *deal) { d.preauth.PaymentMax = d.total() - 1 }, ErrLimitPayment},
	{"amount and tip are above the limit", 18, func(d *deal) { d.preauth.Limit = d.total() - 1 }, ErrInsufficient},
	{"counter 0", 19, func(d *deal) { d.voucher.Counter = 0 }, ErrVoucher},
	{"a counter above the number of payments", 19, func(d *deal) { d.voucher.Counter = d.preauth.PaymentsMax + 1 }, ErrVoucher},
	{"more remains than can be left", 20, func(d *deal) { d.voucher.Remaining = d.preauth.Limit - d.total() + 1 }, ErrVoucher},
	{"another voucher had this counter", 21, func(d *deal) { d.seen = Hash(testBytes("other", 32)) }, ErrCounter},
	{"the request was cancelled", 22, func(d *deal) { d.cancelled = true }, ErrCancelled},
	{"the backend has not answered for too long", 23, func(d *deal) { d.exposure.Offline = d.exposure.Limits.OfflineMax + time.Millisecond }, ErrLimitOffline},
	{"above the till's limit for one payment", 24, func(d *deal) {
		d.exposure.Limits.Currencies = map[string]Limit{"USD": {PaymentMax: d.total() - 1, TotalMax: 50000, CounterpartyMax: 20000}}
	}, ErrLimitPayment},
	{"the till takes no payments in this currency", 24, func(d *deal) { d.exposure.Limits.Currencies = nil }, ErrLimitPayment},
	{"above the till's limit for all payments", 25, func(d *deal) {
		d.exposure.Totals = map[string]int64{"USD": 50001 - d.total()}
	}, ErrLimitTotal},
	{"as many payments wait as may wait", 26, func(d *deal) { d.exposure.Count = d.exposure.Limits.CountMax }, ErrLimitCount},
	{"above the till's limit for all payments of one customer", 27, func(d *deal) {
		d.exposure.With.Totals = map[string]int64{"USD": 20001 - d.total()}
	}, ErrLimitCounterparty},
	{"this customer has paid too often of late", 28, func(d *deal) { d.exposure.With.Lately = lately(3) }, ErrLimitVelocity},
}

func (d *deal) total() int64 { return d.voucher.Amount + d.voucher.Tip }

// sentinels are all reasons a till can give.
var sentinels = []error{
	ErrDecode, ErrIssuer, ErrSignature, ErrExpired, ErrVoided, ErrRevoked, ErrBundleStale, ErrBundleEpoch, ErrPreauthExpired, ErrCurrency,
	ErrVoucher, ErrRequest, ErrBound, ErrAmount, ErrTip, ErrInsufficient, ErrCounter, ErrCancelled, ErrLimitOffline, ErrLimitPayment,
	ErrLimitTotal, ErrLimitCount, ErrLimitCounterparty, ErrLimitVelocity,
}

// onlyErr checks that err is want and no other reason.
func onlyErr(t *testing.T, err, want error) {
	t.Helper()
	for _, s := range sentinels {
		if errors.Is(err, s) != (s == want) {
			t.Errorf("error %v: is %q = %v; want %v", err, s, errors.Is(err, s), want)
		}
	}
	if want != nil && Code(err) != Code(want) {
		t.Errorf("Code(%v) = %s, want %s", err, Code(err), Code(want))
	}
}

func TestATillRefusesAVoucherBecause(t *testing.T) {
	for _, f := range flaws {
		t.Run(f.name, func(t *testing.T) {
			d := newDeal()
			f.spoil(d)
			got, err := d.check(t)
			onlyErr(t, err, f.want)
			if !got.Voucher.Zero() || !got.Cert.Zero() || got.Total != 0 || got.Guaranteed != 0 || got.AtRisk != 0 {
				t.Errorf("a refused voucher came back as %+v", got)
			}
		})
	}
}

// With two things wrong, the check that comes first in the protocol names the
// reason, so that all tills give the same one.
func TestTheEarlierCheckNamesTheReason(t *testing.T) {
	for i, first := range flaws {
		for _, second := range flaws[i+1:] {
			if second.step == first.step {
				continue
			}
			d := newDeal()
			first.spoil(d)
			second.spoil(d)
			if _, err := d.check(t); !errors.Is(err, first.want) {
				t.Errorf("%s, and %s: %v; want %v", first.name, second.name, err, first.want)
			}
		}
	}
}

func TestATillAcceptsAVoucherThough(t *testing.T) {
	tests := []struct {
		name  string
		alter func(*deal)
	}{
		{"nothing is unusual", func(*deal) {}},
		{"the bundle is 72 hours old", func(d *deal) { d.bundle.ServerTimeMs = d.now.Add(-72 * time.Hour).UnixMilli() }},
		{"the bundle is newer than asked for", func(d *deal) { d.preauth.MinEpoch = 6 }},
		{"spend_by comes in a millisecond", func(d *deal) { d.preauth.SpendByMs = d.now.UnixMilli() + 1 }},
		{"settle_by is just 7 days after spend_by", func(d *deal) {
			d.preauth.SettleByMs = d.preauth.SpendByMs + SettleMargin.Milliseconds()
		}},
		{"it was issued after the till's clock", func(d *deal) { d.preauth.IssuedMs = d.now.UnixMilli() + 1 }},
		{"its issuer key begins after the till's clock", func(d *deal) { d.bundle.Issuers[0].NotBeforeMs = d.now.UnixMilli() + 1 }},
		{"the tip is the largest", func(d *deal) { d.voucher.Tip, d.voucher.Remaining = 300, 8500 }},
		{"the tip is large and unbounded", func(d *deal) { d.request.Tip.Max, d.voucher.Tip, d.voucher.Remaining = 0, 3000, 5800 }},
		{"no tip is given", func(d *deal) { d.voucher.Tip = 0 }},
		{"no tip is given where none is taken", func(d *deal) { d.voucher.Tip, d.request.Tip = 0, nil }},
		{"it is the largest payment of the pre-authorization", func(d *deal) { d.preauth.PaymentMax = 1300 }},
		{"it spends the whole limit", func(d *deal) { d.preauth.Limit, d.voucher.Remaining = 1300, 0 }},
		{"it is the last payment", func(d *deal) { d.voucher.Counter = 1000 }},
		{"counters are missing before it", func(d *deal) { d.voucher.Counter = 17 }},
		{"its chain is broken", func(d *deal) { d.voucher.PrevHash = testBytes("other", 32) }},
		{"it claims that nothing remains", func(d *deal) { d.voucher.Remaining = 0 }},
		{"it fills the till's limits", func(d *deal) {
			d.exposure = Exposure{Limits: Limits{Currencies: map[string]Limit{"USD": {1300, 2600, 1300}}, CountMax: 2}, Totals: map[string]int64{"USD": 1300}, Count: 1}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDeal()
			tt.alter(d)
			got, err := d.check(t)
			if err != nil {
				t.Fatal(err)
			}
			if got.Total != d.total() || got.Guaranteed+got.AtRisk != got.Total {
				t.Errorf("total %d, guaranteed %d, at risk %d of %d", got.Total, got.Guaranteed, got.AtRisk, d.total())
			}
			if string(got.Voucher.Bytes) != string(d.signVoucher(t)) || string(got.Cert.Bytes) != string(d.signPreauth(t)) {
				t.Error("the objects that came back are not the ones that were shown")
			}
		})
	}
}

func TestTheSameVoucherMayBeShownTwice(t *testing.T) {
	d := newDeal()
	first, err := d.check(t)
	if err != nil {
		t.Fatal(err)
	}
	d.seen = first.Voucher.Hash
	if _, err := d.check(t); err != nil {
		t.Errorf("resent: %v", err)
	}
}

func TestGuaranteed(t *testing.T) {
	tests := []struct {
		name             string
		guarantee, used  int64
		bound            bool
		guaranteed, risk int64
	}{
		{"the guarantee covers it", 2000, 0, false, 1300, 0},
		{"the guarantee just covers it", 1300, 0, false, 1300, 0},
		{"the guarantee covers a part", 1000, 0, false, 1000, 300},
		{"nothing is guaranteed", 0, 0, false, 0, 1300},
		{"this till's earlier vouchers used a part of it", 2000, 1500, false, 500, 800},
		{"they used it up", 2000, 2000, false, 0, 1300},
		{"they used more than there is now", 2000, 2600, false, 0, 1300},
		{"bound to this request it needs no guarantee", 0, 0, true, 1300, 0},
		{"bound to this request it asks for no earlier use", 2000, 2000, true, 1300, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDeal()
			d.preauth.Guarantee, d.used = tt.guarantee, tt.used
			if h := d.signRequest(t).Hash; tt.bound {
				d.preauth.BoundTo = h[:]
			}
			got, err := d.check(t)
			if err != nil {
				t.Fatal(err)
			}
			if got.Guaranteed != tt.guaranteed || got.AtRisk != tt.risk {
				t.Errorf("guaranteed %d, at risk %d; want %d and %d", got.Guaranteed, got.AtRisk, tt.guaranteed, tt.risk)
			}
		})
	}
}

// Where a verdict is awaited nothing is at risk: what a till may have out
// offline does not bound the payment, what the certificate says still does.
func TestAnAwaitedVerdictRisksNothing(t *testing.T) {
	d := newDeal()
	d.exposure, d.awaited = Exposure{}, true
	got, err := d.check(t)
	if err != nil || got.Total != d.total() || got.Guaranteed != 0 || got.AtRisk != 0 {
		t.Errorf("total %d, guaranteed %d, at risk %d, %v", got.Total, got.Guaranteed, got.AtRisk, err)
	}
	for _, f := range flaws {
		d := newDeal()
		f.spoil(d)
		d.awaited = true
		want := f.want
		if f.step >= 23 { // the till's own limits
			want = nil
		}
		if _, err := d.check(t); !errors.Is(err, want) {
			t.Errorf("%s: %v; want %v", f.name, err, want)
		}
	}
}

// The bound that stands in the way is named with its amount.
func TestTheBoundIsNamed(t *testing.T) {
	d := newDeal()
	d.preauth.PaymentMax = 1250
	if _, err := d.check(t); err == nil || !strings.Contains(err.Error(), "13.00 USD") || !strings.Contains(err.Error(), "at most 12.50") {
		t.Errorf("above the largest payment: %v", err)
	}
}

// charges are charges as they arrive: one good, the others not, in the order of
// the checks.
var charges = []struct {
	name  string
	spoil func(*deal)
	want  error
}{
	{"a good charge", func(*deal) {}, nil},
	{"malformed", func(d *deal) { d.tamperPay = then(d.tamperPay, trailing) }, ErrDecode},
	{"signed by a stranger", func(d *deal) { d.chargeKey = "stranger" }, ErrSignature},
	{"of another device", func(d *deal) { d.charge.CustomerDeviceId = testBytes("other", 16) }, ErrVoucher},
	{"for another request", func(d *deal) { d.charge.RequestHash = testBytes("other", 32) }, ErrRequest},
	{"for a request that is not online", func(d *deal) { d.request.Online = false }, ErrRequest},
	{"in another currency", func(d *deal) { d.charge.Currency = "EUR" }, ErrCurrency},
	{"for another amount", func(d *deal) { d.charge.Amount = 1100 }, ErrAmount},
	{"with a tip where none is taken", func(d *deal) { d.request.Tip = nil }, ErrTip},
	{"for a cancelled request", func(d *deal) { d.cancelled = true }, ErrCancelled},
}

func TestCheckCharge(t *testing.T) {
	for i, tt := range charges {
		t.Run(tt.name, func(t *testing.T) {
			d := newDeal()
			tt.spoil(d)
			got, err := d.till(t).CheckCharge(d.signCharge(t), d.signCustomer(t))
			onlyErr(t, err, tt.want)
			if got.Zero() != (tt.want != nil) {
				t.Errorf("came back as %v with %v", got.Body, err)
			}
			for _, later := range charges[i+1:] {
				if i == 0 || later.want == tt.want {
					continue
				}
				d := newDeal()
				tt.spoil(d)
				later.spoil(d)
				if _, err := d.till(t).CheckCharge(d.signCharge(t), d.signCustomer(t)); !errors.Is(err, tt.want) {
					t.Errorf("and %s: %v", later.name, err)
				}
			}
		})
	}
}

func TestCodeOfAnythingElseIsAProtocolError(t *testing.T) {
	if got := Code(fmt.Errorf("wrapped: %w", ErrTip)); got != "TIP_NOT_ALLOWED" {
		t.Errorf("wrapped: %s", got)
	}
	if got := Code(errors.New("anything")); got != "PEER_PROTOCOL" {
		t.Errorf("anything: %s", got)
	}
}
