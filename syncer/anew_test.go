package syncer

import (
	"testing"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// What the backend has signed anew reaches the book with the bundle that leads
// to it; what does not verify keeps neither from it.
func TestPreauthsSignedAnewAreTaken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		key, at := preauth.PublicKeyOf(&d.key.PublicKey), time.Now()
		body := &peerv1.PreauthCert{
			PreauthId: testBytes("hold", 16), Serial: 1, Spender: key[:], InstrumentRef: testBytes("card", 16), OwnerRef: testBytes("owner", 16),
			Currency: "USD", Limit: 100, PaymentMax: 100, PaymentsMax: 1000,
			IssuedMs: at.UnixMilli(), SpendByMs: at.Add(time.Hour).UnixMilli(), SettleByMs: at.Add(2 * time.Hour).UnixMilli(),
			Assurance: peerv1.Assurance_ASSURANCE_SOFTWARE, MinEpoch: 1,
		}
		good := sign(t, d.b.issuer, body)
		d.b.anew = [][]byte{[]byte("no certificate"), sign(t, d.key, body).Bytes, good.Bytes}
		if _, err := d.s.SyncNow(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if n := len(d.refresh); n != 1 || len(d.refresh[0].Preauths) != 1 || string(d.refresh[0].Preauths[0].Bytes) != string(good.Bytes) {
			t.Errorf("%d refreshes: %+v", n, d.refresh)
		}
	})
}
