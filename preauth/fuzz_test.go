package preauth

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// fuzzOpen: no input makes Open panic, and what it accepts is the only
// encoding of its meaning. Inputs are bodies and whole objects.
func fuzzOpen[M proto.Message](f *testing.F) {
	for _, s := range samples(f) {
		m, ok := s.body.(M)
		if !ok {
			continue
		}
		enc, err := encode(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(enc)
		f.Add(forge(f, s.key, m))
	}
	var none M
	kind := kindOf(none)
	f.Fuzz(func(t *testing.T, b []byte) {
		wrapped, err := encode(&peerv1.Signed{Body: b, KeyId: make([]byte, 8), Sig: make([]byte, 64)})
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range [][]byte{b, wrapped} {
			s, err := Open[M](in)
			if err != nil {
				if Code(err) != "PEER_PROTOCOL" {
					t.Fatalf("refused with %s: %v", Code(err), err)
				}
				continue
			}
			body, err := encode(s.Body)
			if err != nil {
				t.Fatal(err)
			}
			again, err := encode(&peerv1.Signed{Body: body, KeyId: s.keyID[:], Sig: s.sig})
			if err != nil || !bytes.Equal(again, in) || !bytes.Equal(s.Bytes, in) || s.Hash != hashOf(kind, body) {
				t.Fatalf("%x was opened, and is %x again: %v", in, again, err)
			}
		}
	})
}

func FuzzOpenDeviceCert(f *testing.F)   { fuzzOpen[*peerv1.DeviceCert](f) }
func FuzzOpenPreauthCert(f *testing.F)  { fuzzOpen[*peerv1.PreauthCert](f) }
func FuzzOpenTrustBundle(f *testing.F)  { fuzzOpen[*peerv1.TrustBundle](f) }
func FuzzOpenIssuerKey(f *testing.F)    { fuzzOpen[*peerv1.IssuerKey](f) }
func FuzzOpenRootHandover(f *testing.F) { fuzzOpen[*peerv1.RootHandover](f) }
func FuzzOpenVerdict(f *testing.F)      { fuzzOpen[*peerv1.Verdict](f) }
func FuzzOpenRequest(f *testing.F)      { fuzzOpen[*peerv1.Request](f) }
func FuzzOpenReceipt(f *testing.F)      { fuzzOpen[*peerv1.Receipt](f) }
func FuzzOpenCancel(f *testing.F)       { fuzzOpen[*peerv1.Cancel](f) }
func FuzzOpenVoucher(f *testing.F)      { fuzzOpen[*peerv1.Voucher](f) }
func FuzzOpenCharge(f *testing.F)       { fuzzOpen[*peerv1.Charge](f) }
func FuzzOpenDecline(f *testing.F)      { fuzzOpen[*peerv1.Decline](f) }
func FuzzOpenJournalHead(f *testing.F)  { fuzzOpen[*peerv1.JournalHead](f) }

// FuzzCheckVoucher: a till takes a voucher and its certificate as they were
// signed, and no bytes that say anything else.
func FuzzCheckVoucher(f *testing.F) {
	d := newDeal()
	till, voucher, cert := d.till(f), d.signVoucher(f), d.signPreauth(f)
	f.Add(voucher, cert)
	f.Add(cert, voucher)
	f.Add(lastBit(bytes.Clone(voucher)), cert)
	f.Add(voucher, trailing(bytes.Clone(cert)))
	v, err := Open[*peerv1.Voucher](voucher)
	if err != nil {
		f.Fatal(err)
	}
	c, err := Open[*peerv1.PreauthCert](cert)
	if err != nil {
		f.Fatal(err)
	}
	for _, w := range flaws {
		d := newDeal()
		w.spoil(d)
		d.voucher.PrevHash = c.Hash[:] // a broken chain alone is no reason to refuse
		f.Add(d.signVoucher(f), d.signPreauth(f))
	}
	f.Fuzz(func(t *testing.T, shown, backing []byte) {
		got, err := till.CheckVoucher(shown, backing)
		if bytes.Equal(shown, voucher) && bytes.Equal(backing, cert) {
			if err != nil || got.Total != 1300 {
				t.Fatalf("the true voucher: %v", err)
			}
			return
		}
		// An altered but valid signature is the same object.
		if err == nil && (got.Voucher.Hash != v.Hash || got.Cert.Hash != c.Hash) {
			t.Fatalf("accepted voucher %x with certificate %x", shown, backing)
		}
	})
}
