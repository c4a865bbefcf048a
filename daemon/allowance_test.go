package daemon

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
	"github.com/vipaso/vipasod/syncer"
)

const (
	staleBundle = devicev1.AllowanceKind_ALLOWANCE_KIND_STALE_BUNDLE
	ownLimits   = devicev1.AllowanceKind_ALLOWANCE_KIND_OWN_LIMITS
	emergency   = devicev1.AllowanceKind_ALLOWANCE_KIND_EMERGENCY
)

func allowing(call string, kind devicev1.AllowanceKind, during time.Duration) *devicev1.AllowRequest {
	return &devicev1.AllowRequest{RequestId: namedID(call).String(), Kind: kind, Reason: "the line is down", For: durationpb.New(during)}
}

// strict is a till with lower limits of its own, and emergency limits that the
// backend has signed for two hours.
func strict(o *Options, p *papers) {
	o.Limits.Currencies = map[string]preauth.Limit{"USD": {PaymentMax: 20_00, TotalMax: 200_00}}
	p.cert.Caps[0].EmergencyPaymentMax, p.cert.Caps[0].EmergencyTotalMax = 70_00, 900_00
	p.cert.EmergencyMaxMs = (2 * time.Hour).Milliseconds()
}

// largest is the largest payment in USD that a status shows.
func largest(st *devicev1.Status) string { return st.GetLimits()[0].GetPaymentMax() }

// changes are the details of the events of a kind, oldest first.
func (b *bench) changes(what string) []string {
	b.t.Helper()
	events, err := b.store.Events(b.t.Context(), 0, 100)
	must(b.t, err)
	var details []string
	for _, e := range events {
		if c := e.GetDeviceChanged(); c.GetWhat() == what {
			details = append(details, c.GetDetail())
		}
	}
	return details
}

// A manager lifts what the device's own setting lowers, and takes it back.
// Both are told, with who and why, and a repeat of either changes nothing.
func TestAllow(t *testing.T) {
	b := newBench(t, asTill, strict)
	c := b.device(manager)
	if st := statusOf(t, b); largest(st) != "20.00" || len(st.GetAllowances()) != 0 {
		t.Fatalf("before: %v", st)
	}
	first := allowing("first", ownLimits, time.Hour)
	first.For = nil // an hour, if nothing is said
	for range 2 {
		resp, err := c.Allow(t.Context(), first)
		must(t, err)
		a, st := resp.GetAllowance(), statusOf(t, b)
		if a.GetKind() != ownLimits || a.GetReason() != "the line is down" || a.GetBy() == "" || a.GetUntil().AsTime().Sub(a.GetSince().AsTime()) != time.Hour {
			t.Errorf("allowed: %v", a)
		}
		if len(st.GetAllowances()) != 1 || largest(st) != "50.00" {
			t.Errorf("status: %v", st)
		}
		wantMessage(t, "in the status", st.GetAllowances()[0], a)
		want := "OWN_LIMITS by " + a.GetBy() + " until " + a.GetUntil().AsTime().Format(time.RFC3339) + ": the line is down"
		if got := b.changes("ALLOWED"); !slices.Equal(got, []string{want}) {
			t.Errorf("events %q, want %q", got, want)
		}
	}
	_, err := c.Allow(t.Context(), allowing("first", ownLimits, 2*time.Hour))
	wantStatus(t, "another call", err, codes.AlreadyExists, "REQUEST_ID_REUSED")

	for range 2 {
		_, err := c.EndAllowance(t.Context(), &devicev1.EndAllowanceRequest{RequestId: namedID("end").String(), Kind: ownLimits})
		must(t, err)
		if st := statusOf(t, b); largest(st) != "20.00" || len(st.GetAllowances()) != 0 {
			t.Errorf("after: %v", st)
		}
		got := b.changes("ALLOWANCE_ENDED")
		if len(got) != 1 || !strings.HasPrefix(got[0], "OWN_LIMITS by ") || !strings.HasSuffix(got[0], ": the line is down") {
			t.Errorf("events %q", got)
		}
	}
	resp, err := c.Allow(t.Context(), first)
	if err != nil || resp.GetAllowance() != nil {
		t.Errorf("a repeat of what has ended: %v %v", resp, err)
	}
	_, err = c.EndAllowance(t.Context(), &devicev1.EndAllowanceRequest{RequestId: namedID("again").String(), Kind: emergency})
	must(t, err)
	if n := len(b.changes("ALLOWANCE_ENDED")); n != 1 {
		t.Errorf("%d ends", n)
	}
}

func TestAllowIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name     string
		customer bool
		req      *devicev1.AllowRequest
		code     codes.Code
		reason   string
	}{
		{"an emergency that nobody signed", false, allowing("a", emergency, time.Hour), codes.FailedPrecondition, "EMERGENCY_NOT_SIGNED"},
		{"a stale bundle where none is judged by", true, allowing("a", staleBundle, time.Hour), codes.FailedPrecondition, "WRONG_ROLE"},
		{"nothing", false, allowing("a", 0, time.Hour), codes.InvalidArgument, "FIELD_INVALID"},
		{"for more than a day", false, allowing("a", ownLimits, 25*time.Hour), codes.InvalidArgument, "FIELD_INVALID"},
		{"without reason", false, &devicev1.AllowRequest{RequestId: namedID("a").String(), Kind: ownLimits, For: durationpb.New(time.Hour)}, codes.InvalidArgument, "FIELD_INVALID"},
		{"for a reason that deceives", false, &devicev1.AllowRequest{
			RequestId: namedID("a").String(), Kind: ownLimits, Reason: "fine\nALLOWED by root", For: durationpb.New(time.Hour),
		}, codes.InvalidArgument, "FIELD_INVALID"},
	} {
		role := asTill
		if tt.customer {
			role = asCustomer
		}
		b := newBench(t, role, nil)
		_, err := b.device(manager).Allow(t.Context(), tt.req)
		wantStatus(t, tt.name, err, tt.code, tt.reason)
		if open, err := b.store.Allowances(t.Context()); err != nil || len(open)+len(b.changes("ALLOWED")) > 0 {
			t.Errorf("%s: %+v %v", tt.name, open, err)
		}
	}
	_, err := newBench(t, asTill, nil).device(cashier).Allow(t.Context(), allowing("a", ownLimits, time.Hour))
	wantStatus(t, "a cashier", err, codes.PermissionDenied, "NOT_PERMITTED")
}

// An emergency ends when its time is over, and then nobody can declare another
// before the backend has heard of it.
func TestAnEmergencyIsTimeBoxed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asTill, func(o *Options, p *papers) {
			strict(o, p)
			o.Limits = preauth.Limits{}
		}).run()
		must(t, b.Heard(t.Context(), time.Now()))
		c := b.device(manager)
		resp, err := c.Allow(t.Context(), allowing("first", emergency, 12*time.Hour))
		must(t, err)
		a := resp.GetAllowance()
		if got := a.GetUntil().AsTime().Sub(a.GetSince().AsTime()); got != 2*time.Hour || largest(statusOf(t, b)) != "70.00" {
			t.Errorf("lasts %s, %v", got, statusOf(t, b).GetLimits())
		}
		pause(t.Context(), 2*time.Hour-time.Second)
		if got := largest(statusOf(t, b)); got != "70.00" {
			t.Errorf("just before its end: %s", got)
		}
		pause(t.Context(), time.Second)
		synctest.Wait()
		if st := statusOf(t, b); largest(st) != "50.00" || len(st.GetAllowances()) != 0 {
			t.Errorf("after its end: %v", st)
		}
		if got := b.changes("ALLOWANCE_ENDED"); len(got) != 1 || !strings.HasPrefix(got[0], "EMERGENCY in time, allowed by ") {
			t.Errorf("events %q", got)
		}
		_, err = c.Allow(t.Context(), allowing("second", emergency, time.Hour))
		wantStatus(t, "another one", err, codes.FailedPrecondition, "EMERGENCY_USED")

		report, err := b.Report(t.Context())
		must(t, err)
		if len(report.Allowances) != 1 || report.Allowances[0].Kind != "EMERGENCY" || report.Allowances[0].Reason != "the line is down" {
			t.Fatalf("report %+v", report.Allowances)
		}
		must(t, b.Heard(t.Context(), time.Now()))
		must(t, b.Refreshed(t.Context(), syncer.Refresh{Trust: b.self.Load().trust, Told: report.Allowances}))
		if report, err = b.Report(t.Context()); err != nil || len(report.Allowances) != 0 {
			t.Errorf("told again: %+v %v", report.Allowances, err)
		}
		_, err = c.Allow(t.Context(), allowing("third", emergency, time.Hour))
		must(t, err)
	})
}

// While something is allowed nothing is stored but its beginning and its end;
// a payment under it stores how far its time has come.
func TestAnOpenAllowanceCostsNoCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var back time.Duration
		b := newBench(t, asTill, func(o *Options, p *papers) {
			strict(o, p)
			o.Limits = preauth.Limits{}
			o.Wall = func() time.Time { return time.Now().Add(-back) }
		})
		must(t, b.Heard(t.Context(), time.Now()))
		stop := b.runFor()
		before := b.Counters().Commits
		_, err := b.device(manager).Allow(t.Context(), allowing("first", emergency, 2*time.Hour))
		must(t, err)
		commits := func(what string, want int64) {
			t.Helper()
			synctest.Wait()
			if got := b.Counters().Commits - before; got != want {
				t.Errorf("%s: %d commits, want %d", what, got, want)
			}
		}
		commits("begun", 1)
		pause(t.Context(), time.Hour)
		commits("in an hour", 1)
		b.sold(0, payment.Provisional)
		commits("with a payment", 2)
		stop()

		// The clock is set back to the beginning: the hour stays used.
		back = time.Hour
		b.Device, err = New(t.Context(), b.opt)
		must(t, err)
		before = b.Counters().Commits
		stop = b.runFor()
		defer stop()
		pause(t.Context(), time.Hour-time.Second)
		if got := largest(statusOf(t, b)); got != "70.00" {
			t.Errorf("just before its end: %s", got)
		}
		commits("over the restart, which tells of the clock", 1)
		pause(t.Context(), time.Second)
		if got := largest(statusOf(t, b)); got == "70.00" {
			t.Errorf("after its end: %s", got)
		}
		commits("ended", 2)
	})
}

// An emergency that the backend was told of while it was open goes on to count
// when it has ended, and over a restart, until the backend answers again.
func TestAnEmergencyToldWhileOpenCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asTill, strict)
		must(t, b.Heard(t.Context(), time.Now()))
		declare := func(call string, during time.Duration) error {
			_, err := b.device(manager).Allow(t.Context(), allowing(call, emergency, during))
			return err
		}
		told := func() {
			t.Helper()
			report, err := b.Report(t.Context())
			must(t, err)
			must(t, b.Heard(t.Context(), time.Now()))
			must(t, b.Refreshed(t.Context(), syncer.Refresh{Trust: b.self.Load().trust, Told: report.Allowances}))
		}
		must(t, declare("first", 90*time.Minute))
		pause(t.Context(), 30*time.Minute)
		told()
		pause(t.Context(), time.Hour)
		_, err := b.endPassed(t.Context())
		must(t, err)
		must(t, declare("what is left", time.Hour))
		if a, err := b.allowances(t.Context()); err != nil || a[preauth.AllowEmergency].Until.Sub(b.now()).Round(time.Second) != 30*time.Minute {
			t.Errorf("the rest: %+v %v", a, err)
		}
		pause(t.Context(), 30*time.Minute)
		wantStatus(t, "one more", declare("one more", time.Hour), codes.FailedPrecondition, "EMERGENCY_USED")
		if b.Device, err = New(t.Context(), b.opt); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, "after a restart", declare("after a restart", time.Hour), codes.FailedPrecondition, "EMERGENCY_USED")
		told()
		must(t, declare("the backend knows", time.Hour))
	})
}

// An emergency that the backend has not heard of counts, however much else it
// has not heard of before.
func TestAnEmergencyIsCountedBehindOtherAllowances(t *testing.T) {
	b := newBench(t, asTill, strict)
	must(t, b.Heard(t.Context(), time.Now()))
	before := func(kind preauth.AllowanceKind) {
		t.Helper()
		a := preauth.Allow(kind, b.now().Add(-3*time.Hour), b.clock.Floor().Add(-3*time.Hour), time.Hour)
		b.change(&store.Change{Allow: &store.Allowance{Allowance: a, Reason: "the line is down", Person: "ann"}})
	}
	for range reportMax {
		before(preauth.AllowOwnLimits)
	}
	before(preauth.AllowEmergency)
	_, err := b.device(manager).Allow(t.Context(), allowing("again", emergency, time.Hour))
	wantStatus(t, "another one", err, codes.FailedPrecondition, "EMERGENCY_USED")
}

// An allowance lasts over a restart, no longer than before, and ends with the
// enrollment.
func TestAnAllowanceOverARestart(t *testing.T) {
	b := newBench(t, asTill, strict)
	_, err := b.device(manager).Allow(t.Context(), allowing("first", ownLimits, time.Hour))
	must(t, err)
	again, err := New(t.Context(), b.opt)
	must(t, err)
	if l, err := again.limitsOf(t.Context(), again.self.Load()); err != nil || l.Currencies["USD"].PaymentMax != 50_00 {
		t.Errorf("after a restart: %+v %v", l, err)
	}
	b.Device = again
	_, err = b.device(admin).Logout(t.Context(), &devicev1.LogoutRequest{RequestId: namedID("logout").String()})
	must(t, err)
	if got := b.changes("ALLOWANCE_ENDED"); len(got) != 1 || !strings.HasPrefix(got[0], "OWN_LIMITS with the enrollment, ") {
		t.Errorf("events %q", got)
	}
	if open, err := b.store.Allowances(t.Context()); err != nil || len(open) != 0 {
		t.Errorf("open: %+v %v", open, err)
	}
}

// With a stale bundle a till takes payments only where somebody has allowed
// that, and all of them are at risk.
func TestAStaleBundleIsAllowed(t *testing.T) {
	b := newBench(t, asTill, func(_ *Options, p *papers) { p.bundle.ServerTimeMs = time.Now().Add(-80 * time.Hour).UnixMilli() })
	judge := func() (string, store.Ask) {
		t.Helper()
		ask, v := vouched(t, b)
		in, err := v.judge(t.Context(), b.Device, b.self.Load(), nil, store.Sale{}, &ask)
		must(t, err)
		return in.Code, ask
	}
	if code, _ := judge(); code != "BUNDLE_STALE" || statusOf(t, b).GetNextStep() != nextOf("BUNDLE_STALE") {
		t.Errorf("before: %q", code)
	}
	_, err := b.device(manager).Allow(t.Context(), allowing("first", staleBundle, time.Hour))
	must(t, err)
	if code, ask := judge(); code != "" || ask.Total != 12_00 || ask.Guaranteed != 0 {
		t.Errorf("allowed: %q, %d of %d guaranteed", code, ask.Guaranteed, ask.Total)
	}
	resp, err := b.readiness(b.serve(observer), "", "")
	if err != nil || !resp.GetReady() {
		t.Errorf("readiness: %v %v", resp, err)
	}
	if st := statusOf(t, b); !strings.HasPrefix(st.GetNextStep(), "connect a network within ") {
		t.Errorf("next step %q", st.GetNextStep())
	}
}
