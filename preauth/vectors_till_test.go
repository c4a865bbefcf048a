package preauth

import (
	"testing"
	"time"

	"github.com/vipaso/vipasod/preauth/vectors"
)

// decided writes down what a till knows and is shown, and lets it decide.
func (d *deal) decided(t *testing.T, name string, charge bool) vectors.Decision {
	t.Helper()
	e := d.exposure
	v := vectors.Decision{
		Name: name, Root: vectors.B33(testPub("root")), Bundle: mustSign(t, d.rootKey, d.bundle).Bytes, NowMs: d.now.UnixMilli(),
		Request: d.signRequest(t).Bytes, Customer: mustSign(t, "issuer", d.customerCert).Bytes,
		Cancelled: d.cancelled, GuaranteeUsed: d.used, Awaited: d.awaited, Limits: []vectors.Limit{},
		CountMax: e.Limits.CountMax, Count: e.Count, Velocities: []vectors.Velocity{},
		OfflineMax: e.Limits.OfflineMax.Milliseconds(), Offline: e.Offline.Milliseconds(), StaleBundle: e.Limits.StaleBundle,
	}
	if !d.seen.Zero() {
		v.Seen = d.seen[:]
	}
	for _, currency := range []string{"EUR", "USD"} {
		if l, ok := e.Limits.Currencies[currency]; ok {
			v.Limits = append(v.Limits, vectors.Limit{
				Currency: currency, PaymentMax: l.PaymentMax, TotalMax: l.TotalMax, CounterpartyMax: l.CounterpartyMax,
				Unsettled: e.Totals[currency], With: e.With.Totals[currency],
			})
		}
	}
	for _, one := range e.Limits.Velocities {
		v.Velocities = append(v.Velocities, vectors.Velocity{Max: one.Max, Within: one.Within.Milliseconds(), Lately: e.With.Lately(one.Within)})
	}
	if charge {
		v.Charge = d.signCharge(t)
		_, err := d.till(t).CheckCharge(v.Charge, d.signCustomer(t))
		v.Class = classOf(err)
		return v
	}
	v.Voucher, v.PreauthCert = d.signVoucher(t), d.signPreauth(t)
	ok, err := d.check(t)
	v.Class, v.Guaranteed, v.AtRisk = classOf(err), ok.Guaranteed, ok.AtRisk
	return v
}

// taken are vouchers that a till takes, and what they are worth.
var taken = []struct {
	name               string
	alter              func(*deal)
	guaranteed, atRisk int64
}{
	{"all is well", func(*deal) {}, 1300, 0},
	{"the guarantee covers a part", func(d *deal) { d.preauth.Guarantee = 1000 }, 1000, 300},
	{"earlier vouchers used a part of the guarantee", func(d *deal) { d.used = 1500 }, 500, 800},
	{"earlier vouchers used more than the guarantee", func(d *deal) { d.used = 2600 }, 0, 1300},
	{"nothing is guaranteed", func(d *deal) { d.preauth.Guarantee = 0 }, 0, 1300},
	{"the guarantee covers all but a cent", func(d *deal) { d.preauth.Guarantee = 1299 }, 1299, 1},
	{"the bundle is 72 hours old", func(d *deal) { d.bundle.ServerTimeMs = d.now.Add(-BundleMaxAge).UnixMilli() }, 1300, 0},
	{"the bundle is older, and somebody has allowed that", func(d *deal) {
		d.bundle.ServerTimeMs, d.exposure.Limits.StaleBundle = d.now.Add(-BundleMaxAge).UnixMilli()-1, true
	}, 0, 1300},
	{"the bundle is 7 days old, and somebody has allowed that", func(d *deal) {
		d.bundle.ServerTimeMs, d.exposure.Limits.StaleBundle = d.now.Add(-BundleOldest).UnixMilli(), true
	}, 0, 1300},
	{"spend_by comes in a millisecond", func(d *deal) { d.preauth.SpendByMs = d.now.UnixMilli() + 1 }, 1300, 0},
	{"the largest tip", func(d *deal) { d.voucher.Tip, d.voucher.Remaining = 300, 8500 }, 1500, 0},
	{"no tip", func(d *deal) { d.voucher.Tip = 0 }, 1200, 0},
	{"the whole limit", func(d *deal) { d.preauth.Limit, d.voucher.Remaining = 1300, 0 }, 1300, 0},
	{"the last payment of the pre-authorization", func(d *deal) { d.voucher.Counter = 1000 }, 1300, 0},
	{"counters are missing before it", func(d *deal) { d.voucher.Counter = 17 }, 1300, 0},
	{"the chain is broken", func(d *deal) { d.voucher.PrevHash = testBytes("other", 32) }, 1300, 0},
	{"it fills every limit of the till", func(d *deal) {
		d.exposure = Exposure{
			Limits: Limits{
				Currencies: map[string]Limit{"USD": {PaymentMax: 1300, TotalMax: 2600, CounterpartyMax: 2000}}, CountMax: 2,
				Velocities: []Velocity{{Max: 2, Within: time.Hour}}, OfflineMax: time.Hour,
			},
			Totals: map[string]int64{"USD": 1300}, Count: 1, Offline: time.Hour,
			With: Dealings{Totals: map[string]int64{"USD": 700}, Lately: lately(1)},
		}
	}, 1300, 0},
	{"a verdict is awaited: no limit counts", func(d *deal) { d.awaited, d.exposure = true, Exposure{} }, 0, 0},
}

// TestTillVectors: what a till takes, each reason to refuse, and of two reasons
// the one that is looked for first.
func TestTillVectors(t *testing.T) {
	var all []vectors.Decision
	for _, tt := range taken {
		d := newDeal()
		tt.alter(d)
		v := d.decided(t, tt.name, false)
		if v.Class != vectors.Accepted || v.Guaranteed != tt.guaranteed || v.AtRisk != tt.atRisk {
			t.Errorf("%s: %s, %d guaranteed, %d at risk", v.Name, v.Class, v.Guaranteed, v.AtRisk)
		}
		all = append(all, v)
	}
	bound, again := newDeal(), newDeal()
	h := bound.signRequest(t).Hash
	bound.preauth.BoundTo, bound.used = h[:], 2000
	first, err := again.check(t)
	if err != nil {
		t.Fatal(err)
	}
	again.seen = first.Voucher.Hash
	all = append(all, bound.decided(t, "bound to this request, the guarantee is used up", false), again.decided(t, "the same voucher once more", false))
	refused := func(name string, want error, spoil ...func(*deal)) {
		d := newDeal()
		for _, s := range spoil {
			s(d)
		}
		v := d.decided(t, name, false)
		if v.Class != Code(want) {
			t.Errorf("%s: %s, want %s", name, v.Class, Code(want))
		}
		all = append(all, v)
	}
	for _, f := range flaws {
		refused(f.name, f.want, f.spoil)
	}
	for i, f := range flaws {
		for _, later := range flaws[i+1:] {
			if later.step > f.step && Code(later.want) != Code(f.want) {
				refused(f.name+", and "+later.name, f.want, f.spoil, later.spoil)
				break
			}
		}
	}
	for _, tt := range charges {
		d := newDeal()
		tt.spoil(d)
		v := d.decided(t, "charge, "+tt.name, true)
		if v.Class != classOf(tt.want) {
			t.Errorf("%s: %s, want %v", v.Name, v.Class, tt.want)
		}
		all = append(all, v)
	}
	keep(t, vectors.KindTill, "A till with no network: all it knows, what a customer shows, and what it says. The first check that fails names the class.", all)
}
