package payment

import (
	"testing"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

func TestWhatAVerdictMeans(t *testing.T) {
	request := preauth.Hash{1}
	for outcome, want := range map[peerv1.Outcome]struct {
		customer CustomerEvent
		till     BusinessEvent
	}{
		peerv1.Outcome_OUTCOME_SETTLED:   {VerdictSettled, SaleSettled},
		peerv1.Outcome_OUTCOME_REJECTED:  {VerdictRejected, SaleRejected},
		peerv1.Outcome_OUTCOME_CANCELLED: {VerdictCancelled, SaleCancelled},
	} {
		v := preauth.Verdict{Body: &peerv1.Verdict{Outcome: outcome, Amount: 12_00, Reason: "why"}}
		if got := OnVerdict(v); got.Event != want.customer || got.Settled != 12_00 || got.Reason != "why" {
			t.Errorf("customer, %s: %+v", outcome, got)
		}
		if got := OnSaleVerdict(request, v); got.Event != want.till || got.Request != request || got.Settled != 12_00 || got.Reason != "why" {
			t.Errorf("till, %s: %+v", outcome, got)
		}
	}
}

func TestWhichAnswerStands(t *testing.T) {
	voucher := preauth.Hash{2}
	for name, tt := range map[string]struct {
		a    Attempt
		want bool
	}{
		"nothing was said":             {Attempt{State: Requested}, false},
		"a voucher":                    {Attempt{State: Authorized, Voucher: voucher}, true},
		"a voucher that was paid":      {Attempt{State: Settled, Voucher: voucher}, true},
		"a voucher that was cancelled": {Attempt{State: Cancelled, Voucher: voucher, Cancel: true}, false},
		"no":                           {Attempt{State: Declined}, true},
		"no, and a Cancel for it":      {Attempt{State: Declined, Cancel: true}, true},
		"nobody answered in time":      {Attempt{State: Expired}, false},
	} {
		if got := tt.a.Stands(); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
