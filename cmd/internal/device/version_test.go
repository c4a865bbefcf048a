package device

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/secure"
)

// TestCustomersOfLaterVersions: a till that meets a customer it cannot speak
// with says so where somebody waits for the payment, with what to do; the
// customer learns which versions would do. Others pay as ever.
func TestCustomersOfLaterVersions(t *testing.T) {
	for name, c := range map[string]struct {
		speaks   secure.Versions
		critical bool
	}{
		"later versions only": {secure.Versions{Min: secure.VersionMax + 1, Max: secure.VersionMax + 1}, false},
		"a critical flag":     {secure.Ours, true},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, r *rig) {
				till := r.till("till")
				later, _ := r.payer("later", "")
				g := later.turn()
				refused := make(chan error, 1)
				go func() { refused <- g.respond(c.speaks, link.Beacon{Version: c.speaks.Max, Critical: c.critical}) }()
				stream, err := till.business.StreamPaymentRequest(r.ctx, &businessv1.StreamPaymentRequestRequest{Request: &businessv1.SendPaymentRequestViaBleRequest{
					RequestId: uuid.NewString(), Amount: "1.00", Currency: "USD", Timeout: durationpb.New(time.Minute),
				}})
				r.must(err)
				for {
					m, err := stream.Recv()
					r.must(err)
					if m.GetResult() != nil {
						t.Fatalf("nobody was told: %v", m)
					}
					if detail := m.GetProgress().GetDetail(); strings.HasPrefix(detail, "PEER_INCOMPATIBLE: ") && strings.Contains(detail, "Update") {
						break
					}
				}
				err = <-refused
				var told *secure.PeerError
				if !errors.Is(err, secure.ErrVersion) || c.critical && (!errors.As(err, &told) || told.VersionMin != secure.VersionMin || told.VersionMax != secure.VersionMax) {
					t.Errorf("the customer learns %v", err)
				}
				r.must(g.Radio.Advertise(r.ctx, link.Advertisement{}))
				ann, card := r.payer("ann", "40.00")
				events := ann.listen(r.ctx)
				ann.accept(r.received(events), card)
				for {
					m, err := stream.Recv()
					r.must(err)
					if m.GetResult().GetPaymentSuccessful() != nil {
						return
					}
				}
			})
		})
	}
}

// respond advertises and answers one till.
func (g *rogueParty) respond(speaks secure.Versions, b link.Beacon) error {
	ctx, cancel := context.WithTimeout(g.r.ctx, patience)
	defer cancel()
	b.BaseHandle, b.EID = link.DefaultBaseHandle, link.EID{1, 2, 3}
	if err := g.Radio.Advertise(ctx, link.Advertisement{On: true, ServiceData: b.Encode()}); err != nil {
		return err
	}
	l, err := g.Radio.Accept(ctx)
	if err != nil {
		return err
	}
	loc := g.Local()
	loc.Versions = speaks
	s, err := secure.Respond(ctx, l, loc, secure.Responder{RecentAdvertisement: func([]byte) bool { return true }, Nonce: g.Nonce})
	if err != nil {
		return err
	}
	return s.Close(secure.CloseDone)
}
