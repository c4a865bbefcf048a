package device

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/cmd/internal/backend"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
)

// TestBothSayWhatIsGuaranteed: both screens show one number, also where a
// manager has allowed a trust bundle of more than three days, behind which
// nothing is guaranteed, and where only the till has heard of the backend since.
func TestBothSayWhatIsGuaranteed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRigOf(t, backend.Options{PreauthLife: preauth.SpendMax})
		r.must(r.admin.SetGuarantee(r.ctx, peerv1.Assurance_ASSURANCE_SOFTWARE, money.Amount{Minor: 12_00, Currency: "USD"}))
		setTill := r.clocks()
		till := r.till("till")
		setAnn := r.clocks()
		ann, card := r.payer("ann", "40.00")
		lost, _ := r.payer("lost", "")
		setOffline(true, till, ann)
		want := func(when, guaranteed, atRisk string) {
			t.Helper()
			id := r.pays(till, ann, "5.00", card)
			for _, p := range []*party{till, ann} {
				if got := p.payment(id); got.Guaranteed != guaranteed || got.AtRisk != atRisk {
					t.Errorf("%s, at %s: %s guaranteed, %s at risk; want %s and %s", when, p.name, got.Guaranteed, got.AtRisk, guaranteed, atRisk)
				}
			}
		}
		want("a new bundle", "5.00", "0.00")
		setTill(80 * time.Hour)
		setAnn(80 * time.Hour)
		_, err := till.device.Allow(r.ctx, &devicev1.AllowRequest{
			RequestId: uuid.NewString(), Kind: devicev1.AllowanceKind_ALLOWANCE_KIND_STALE_BUNDLE, Reason: "flood", For: durationpb.New(time.Hour),
		})
		r.must(err)
		want("a bundle of more than three days", "0.00", "5.00")

		setTill(0)
		id, err := preauth.ParseID(lost.status().GetIdentity().GetDeviceId())
		r.must(err)
		r.must(r.admin.RevokeDevice(r.ctx, id))
		setOffline(false, till)
		r.settled(till)
		setOffline(true, till)
		want("a newer one at the till", "5.00", "0.00")
		setAnn(0)
		want("what is left", "2.00", "3.00")
	})
}
