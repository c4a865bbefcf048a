package main

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
)

// allowance is what a manager has allowed half an hour ago.
func allowance() *devicev1.Allowance {
	return &devicev1.Allowance{
		Kind: devicev1.AllowanceKind_ALLOWANCE_KIND_OWN_LIMITS, Reason: "big party, table 4", By: "ann",
		Since: timestamppb.New(noon.Add(-30 * time.Minute)), Until: timestamppb.New(noon.Add(30 * time.Minute)),
	}
}

func TestOverrideList(t *testing.T) {
	f := answering(t)
	if got := f.run("override", "list"); got.code != 0 || got.stdout != "" || got.stderr == "" {
		t.Errorf("nothing: %+v", got)
	}
	st := offlineTill()
	st.Status.Allowances = []*devicev1.Allowance{allowance()}
	f.answer("GetStatus", st)
	golden(t, "override_list.txt", f.run("override", "list").stdout)
	if got := f.run("override", "list", "--json"); !strings.Contains(got.stdout, `"by":"ann"`) {
		t.Errorf("for scripts: %+v", got)
	}
}

// An override without a reason, or of something else, is not asked for.
func TestOverrideMisused(t *testing.T) {
	f := answering(t)
	for _, args := range []string{
		"override own-limits", "override own-limits --reason", "override end", "override end everything", "override end unspecified", "emergency on --for 4h",
		"emergency on --reason why --for 59s", "override own-limits --reason why --for 25h",
	} {
		if got := f.run(strings.Fields(args)...); got.code != 2 || f.last("Allow") != nil || f.last("EndAllowance") != nil {
			t.Errorf("%s: %+v", args, got)
		}
	}
}

// TestAnEmergencyIsCutShort: who gets less time than was asked for is told.
func TestAnEmergencyIsCutShort(t *testing.T) {
	f := answering(t)
	f.answer("Allow", &devicev1.AllowResponse{Allowance: allowance()}) // for an hour
	for during, want := range map[string]string{"1h": "", "9h": "that is 1h, not 9h: no longer is signed\n"} {
		if got := f.run("emergency", "on", "--reason", "why", "--for", during); got.code != 0 || got.stderr != want {
			t.Errorf("%s: %+v, want %q", during, got, want)
		}
	}
	if got := f.run("override", "own-limits", "--reason", "why", "--for", "25h"); !strings.Contains(got.stderr, "--for 25h: want 1m to 24h") {
		t.Errorf("%+v", got)
	}
}
