package preauth

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"testing"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// FuzzTrust: a device takes the bundle that its root key signed, under it the
// certificates that an issuer of it signed, and no bytes that say anything
// else.
func FuzzTrust(f *testing.F) {
	d := newDeal()
	bundle, till, cert := mustSign(f, "root", d.bundle), d.signTill(f), d.signPreauth(f)
	f.Add(bundle.Bytes, till.Bytes)
	f.Add(bundle.Bytes, cert)
	f.Add(till.Bytes, bundle.Bytes)
	f.Add(lastBit(bytes.Clone(bundle.Bytes)), till.Bytes)
	f.Add(bundle.Bytes, trailing(bytes.Clone(till.Bytes)))
	f.Add(forge(f, "issuer", d.bundle), forge(f, "root", d.tillCert))
	genuine := []Hash{till.Hash, hashIn[*peerv1.PreauthCert](f, cert)}
	f.Fuzz(func(t *testing.T, bundled, shown []byte) {
		tr, err := OpenTrust(testPub("root"), bundled)
		if err != nil {
			if tr.Epoch() != 0 {
				t.Fatalf("a bundle that is refused leaves epoch %d", tr.Epoch())
			}
			return
		}
		if tr.Bundle.Hash != bundle.Hash {
			t.Fatalf("took bundle %x", bundled)
		}
		if c, err := tr.DeviceCert(shown, peerv1.Role_ROLE_BUSINESS, noon); err == nil && !slices.Contains(genuine, c.Hash) {
			t.Fatalf("took device %x", shown)
		}
		if c, err := tr.PreauthCert(shown, noon); err == nil && !slices.Contains(genuine, c.Hash) {
			t.Fatalf("took pre-authorization %x", shown)
		}
		if _, err := tr.Verdict(shown); err == nil { // none was ever signed
			t.Fatalf("took verdict %x", shown)
		}
	})
}

// FuzzOpenIssuance: whoever knows the root key learns the issuers that it, or
// the root key it was handed over to, has signed, and no others.
func FuzzOpenIssuance(f *testing.F) {
	genuine := map[string]bool{}
	key := func(name string) []byte { k := testPub(name); return k[:] }
	genuine[string(key("issuer"))], genuine[string(key("issuer 2"))] = true, true
	for _, i := range []*peerv1.Issuance{
		{IssuerCerts: [][]byte{issuerCert(f, "root", "issuer")}},
		{IssuerCerts: [][]byte{issuerCert(f, "root 2", "issuer"), issuerCert(f, "root 2", "issuer 2")}, Handovers: handovers(f, "root", "root 2")},
		{IssuerCerts: [][]byte{issuerCert(f, "stranger", "other issuer")}, Handovers: handovers(f, "thief", "stranger")},
		{IssuerCerts: [][]byte{issuerCert(f, "root", "issuer")}, Handovers: handovers(f, "root", "root 2", "root")},
	} {
		b, err := encode(i)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var i peerv1.Issuance
		if DecodeStrict(b, &i) != nil {
			return
		}
		all, err := OpenIssuance(testPub("root"), &i)
		if err != nil {
			if len(all.keys) > 0 {
				t.Fatalf("an issuance that is refused leaves %d issuers", len(all.keys))
			}
			return
		}
		for _, k := range all.keys {
			if !genuine[string(k.PublicKey)] {
				t.Fatalf("took issuer %x", k.PublicKey)
			}
		}
	})
}

// FuzzAnswer: of what one side says about a request the other takes what was
// signed for it, and no bytes that say anything else.
func FuzzAnswer(f *testing.F) {
	d := newDeal()
	request, till, customer := d.signRequest(f), d.signTill(f), d.signCustomer(f)
	cancel := mustSign(f, "till", &peerv1.Cancel{RequestHash: request.Hash[:], Reason: peerv1.CancelReason_CANCEL_REASON_USER})
	paid := hashIn[*peerv1.Voucher](f, d.signVoucher(f))
	receipt := receiptFor(f, "till", request.Hash, paid)
	decline := mustSign(f, "customer", &peerv1.Decline{RequestHash: request.Hash[:], Reason: "too dear"})
	charge := d.signCharge(f)
	session := Session{Business: till, Binding: [32]byte(testBytes("binding", 32)), NonceHash: sha256.Sum256(testBytes("nonce", 16))}
	genuine := []Hash{request.Hash, cancel.Hash, decline.Hash, hashIn[*peerv1.Receipt](f, receipt), hashIn[*peerv1.Charge](f, charge)}
	for _, good := range [][]byte{request.Bytes, cancel.Bytes, receipt, decline.Bytes, charge} {
		f.Add(good)
		f.Add(lastBit(bytes.Clone(good)))
		f.Add(trailing(bytes.Clone(good)))
	}
	f.Add(forge(f, "stranger", cancel.Body))
	judge := d.till(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var taken []Hash
		if r, err := session.OpenRequest(b); err == nil {
			taken = append(taken, r.Hash)
		}
		if c, err := OpenCancel(b, request, till); err == nil {
			taken = append(taken, c.Hash)
		}
		if r, err := OpenReceipt(b, request, paid, till); err == nil {
			taken = append(taken, r.Hash)
		}
		if d, err := OpenDecline(b, request, customer); err == nil {
			taken = append(taken, d.Hash)
		}
		if c, err := judge.CheckCharge(b, customer); err == nil {
			taken = append(taken, c.Hash)
		}
		if len(taken) > 1 || len(taken) == 1 && !slices.Contains(genuine, taken[0]) {
			t.Fatalf("took %x as %x", b, taken)
		}
	})
}

// FuzzAlteredByte: no signed object stands a single byte that is not what was
// signed, wherever it is: in the envelope, the body or the signature.
func FuzzAlteredByte(f *testing.F) {
	all := samples(f)
	for i := range all {
		f.Add(uint8(i), uint16(20*i), byte(1))
		f.Add(uint8(i), uint16(65535), byte(0x80))
	}
	f.Add(uint8(0), uint16(0), byte(0))
	var signed [][]byte
	for _, s := range all {
		signed = append(signed, forge(f, s.key, s.body))
	}
	f.Fuzz(func(t *testing.T, which uint8, at uint16, by byte) {
		i := int(which) % len(all)
		b := bytes.Clone(signed[i])
		b[int(at)%len(b)] ^= by
		o, err := openers[kindOf(all[i].body)](b)
		if err == nil {
			err = o.check(testPub(all[i].key))
		}
		if (err == nil) != (by == 0) {
			t.Fatalf("%s with byte %d altered by %#x: %v", all[i].name, int(at)%len(b), by, err)
		}
	})
}
