package daemon

import (
	"slices"
	"testing"
	"time"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/daemon/catalogue"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
	"github.com/vipaso/vipasod/syncer"
)

// byNextIssuer alters a bundle: another issuer key takes the place of those it
// listed, just now.
func byNextIssuer(b *peerv1.TrustBundle) {
	b.ServerTimeMs = time.Now().UnixMilli()
	key := preauth.PublicKeyOf(&fixedKey("next issuer").PublicKey)
	b.Issuers = []*peerv1.IssuerKey{{PublicKey: key[:], NotBeforeMs: b.Issuers[0].NotBeforeMs, NotAfterMs: b.Issuers[0].NotAfterMs}}
}

// TestDisowned: a device whose own certificate is of a key that was withdrawn
// says so, for nobody who knows believes it, until it is certified anew.
func TestDisowned(t *testing.T) {
	var own *peerv1.TrustBundle
	b := newBench(t, asTill, func(_ *Options, p *papers) { own = p.bundle })
	problems := func() (reasons []string) {
		t.Helper()
		resp, err := b.checkReadiness(t.Context(), &paymentv1.CheckReadinessRequest{})
		must(t, err)
		for _, p := range resp.GetProblems() {
			if p.GetNextStep() == "" {
				t.Errorf("%s without a next step", p.GetReason())
			}
			reasons = append(reasons, p.GetReason())
		}
		return reasons
	}
	before := problems()
	must(t, b.adoptBundle(t.Context(), passed(t, own, "root", byNextIssuer)))
	if got := problems(); !slices.Equal(got, append(before, catalogue.CertInvalid)) {
		t.Errorf("problems %q, before %q", got, before)
	}
	if f := b.checkEnrollment(t.Context()); f.reason != catalogue.CertInvalid || f.result == devicev1.CheckResult_CHECK_RESULT_OK {
		t.Errorf("the doctor finds %+v", f)
	}
	who := b.self.Load()
	anew := signedBy(t, "next issuer", who.cert.Body)
	must(t, b.Renewed(t.Context(), anew.Bytes, who.TLSCert))
	if got := problems(); !slices.Equal(got, before) {
		t.Errorf("certified anew: problems %q, before %q", got, before)
	}
	if f := b.checkEnrollment(t.Context()); f.reason != "" {
		t.Errorf("certified anew: the doctor finds %+v", f)
	}
}

// TestPreauthSignedAnew: the backend may put another issuer key's signature on
// a pre-authorization, and change nothing that it says.
func TestPreauthSignedAnew(t *testing.T) {
	b := newBench(t, asCustomer, nil)
	b.change(&store.Change{Put: []store.Authorization{setAside(t, b, "kept", namedID("card"), nil)}})
	auths, err := b.store.Authorizations(t.Context())
	must(t, err)
	before, who := auths[0], b.self.Load()
	body := before.Cert.Body
	same := signedBy(t, "next issuer", body)
	body.Limit++
	more := signedBy(t, "next issuer", body)
	body.PreauthId = namedBytes("another")
	another := signedBy(t, "next issuer", body)
	for _, tt := range []struct {
		name  string
		certs []preauth.PreauthCert
		want  []byte
	}{
		{"another pre-authorization, and one that says more", []preauth.PreauthCert{another, more}, before.Cert.Bytes},
		{"the same", []preauth.PreauthCert{same}, same.Bytes},
		{"again", []preauth.PreauthCert{same}, same.Bytes},
	} {
		must(t, b.Refreshed(t.Context(), syncer.Refresh{Trust: who.trust, Preauths: tt.certs}))
		after, err := b.store.Authorizations(t.Context())
		must(t, err)
		if len(after) != len(auths) || string(after[0].Cert.Bytes) != string(tt.want) || !sameDraw(after[0], before) {
			t.Errorf("%s: %+v", tt.name, after)
		}
	}
}

// sameDraw reports whether both have drawn the same.
func sameDraw(a, b store.Authorization) bool {
	return a.Counter == b.Counter && a.Prev == b.Prev && a.Held == b.Held && a.Spent == b.Spent && a.Voided == b.Voided
}

func namedBytes(name string) []byte {
	id := namedID(name)
	return id[:]
}
