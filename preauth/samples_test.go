package preauth

import (
	"testing"

	"google.golang.org/protobuf/proto"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// sample is one good body of a kind and the key that signs it.
type sample struct {
	name, key string
	body      proto.Message
}

// samples are good bodies of every kind, one of them with every field set and
// one with none that may be missing.
func samples(t testing.TB) []sample {
	d := newDeal()
	second := testPub("second root")
	request := d.signRequest(t)
	paid := testBytes("voucher", 32)
	voucher := d.voucher
	voucher.RequestHash, voucher.PrevHash = request.Hash[:], testBytes("previous", 32)
	first := proto.Clone(voucher).(*peerv1.Voucher)
	first.Tip, first.DeviceTimeMs, first.Remaining = 0, 0, 0
	cancel := mustSign(t, "till", &peerv1.Cancel{RequestHash: testBytes("other", 32), Reason: peerv1.CancelReason_CANCEL_REASON_TIMEOUT})
	voucher.Released = [][]byte{cancel.Bytes, cancel.Bytes}
	d.charge.RequestHash = request.Hash[:]
	bound := proto.Clone(d.preauth).(*peerv1.PreauthCert)
	bound.BoundTo, bound.Delegated, bound.Assurance, bound.PaymentsMax = request.Hash[:], true, peerv1.Assurance_ASSURANCE_TPM, 32
	whole, bare := proto.Clone(d.bundle).(*peerv1.TrustBundle), proto.Clone(d.bundle).(*peerv1.TrustBundle)
	whole.IssuerCerts, whole.Handovers = [][]byte{issuerCert(t, "root", "issuer")}, handovers(t, "first root", "second root", "root")
	whole.SealingKey = testBytes("sealing", 32)
	bare.RevokedSerials, bare.RevokedDevices = nil, nil
	offline := proto.Clone(request.Body).(*peerv1.Request)
	offline.Tip, offline.Reference, offline.Online, offline.CreatedMs = nil, "", false, 0
	return []sample{
		{"trust bundle", "root", whole},
		{"trust bundle that revokes nothing", "root", bare},
		{"issuer key", "root", d.bundle.Issuers[0]},
		{"root handover", "root", &peerv1.RootHandover{RootKey: second[:], TimeMs: noon.UnixMilli()}},
		{"certificate of a till", "issuer", d.tillCert},
		{"certificate of a customer", "issuer", d.customerCert},
		{"pre-authorization", "issuer", d.preauth},
		{"pre-authorization bound to a request", "issuer", bound},
		{"request", "till", request.Body},
		{"request without tip, text and network", "till", offline},
		{"voucher", "customer", voucher},
		{"first voucher, without tip, that spends all", "customer", first},
		{"charge", "customer", d.charge},
		{"decline", "customer", &peerv1.Decline{RequestHash: request.Hash[:], Reason: "too dear"}},
		{"decline without a word", "customer", &peerv1.Decline{RequestHash: request.Hash[:]}},
		{"receipt for a stored voucher", "till", &peerv1.Receipt{RequestHash: request.Hash[:], VoucherHash: paid, Status: 1, StoredMs: noon.UnixMilli()}},
		{"receipt for a settled voucher", "till", &peerv1.Receipt{RequestHash: request.Hash[:], VoucherHash: paid, Status: 2, StoredMs: noon.UnixMilli()}},
		{"cancel because another paid", "till", &peerv1.Cancel{RequestHash: request.Hash[:], Reason: peerv1.CancelReason_CANCEL_REASON_OTHER_PAID}},
		{"cancel because a check failed", "till", &peerv1.Cancel{
			RequestHash: request.Hash[:], Reason: peerv1.CancelReason_CANCEL_REASON_REFUSED, Code: "COUNTER_REUSED",
		}},
		{"verdict settled in part", "issuer", &peerv1.Verdict{
			RequestHash: request.Hash[:], VoucherHash: paid, Outcome: peerv1.Outcome_OUTCOME_SETTLED, Amount: 1000, Shortfall: 300, TimeMs: noon.UnixMilli(),
		}},
		{"verdict rejected", "issuer", &peerv1.Verdict{
			RequestHash: request.Hash[:], VoucherHash: paid, Outcome: peerv1.Outcome_OUTCOME_REJECTED, Shortfall: 1300, Reason: "EXHAUSTED", TimeMs: noon.UnixMilli(),
		}},
		{"verdict cancelled before any voucher", "issuer", &peerv1.Verdict{
			RequestHash: request.Hash[:], Outcome: peerv1.Outcome_OUTCOME_CANCELLED, TimeMs: noon.UnixMilli(),
		}},
		{"head of a journal", "till", &peerv1.JournalHead{
			DeviceId: testBytes("till", 16), Sequence: 7, Hash: testBytes("journal", 32), TimeMs: noon.UnixMilli(),
		}},
	}
}

// opened is what every Signed has, whatever its kind.
type opened struct {
	bytes []byte
	hash  Hash
	body  proto.Message
	check func(PublicKey) error
}

func openKind[M proto.Message](b []byte) (opened, error) {
	s, err := Open[M](b)
	return opened{s.Bytes, s.Hash, s.Body, s.VerifiedBy}, err
}

// openers opens an object by the name of its kind.
var openers = map[string]func([]byte) (opened, error){
	"device-cert":   openKind[*peerv1.DeviceCert],
	"preauth-cert":  openKind[*peerv1.PreauthCert],
	"trust-bundle":  openKind[*peerv1.TrustBundle],
	"issuer-key":    openKind[*peerv1.IssuerKey],
	"root-handover": openKind[*peerv1.RootHandover],
	"verdict":       openKind[*peerv1.Verdict],
	"request":       openKind[*peerv1.Request],
	"receipt":       openKind[*peerv1.Receipt],
	"cancel":        openKind[*peerv1.Cancel],
	"voucher":       openKind[*peerv1.Voucher],
	"charge":        openKind[*peerv1.Charge],
	"decline":       openKind[*peerv1.Decline],
	"journal-head":  openKind[*peerv1.JournalHead],
}
