package conformance

import (
	"fmt"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/vectors"
)

// runCertificate lets a device judge what the backend has signed.
func runCertificate(c vectors.Certificate) (name, want, got string) {
	t, err := preauth.OpenTrust(preauth.PublicKey(c.Root), c.Bundle)
	if err != nil {
		return c.Name, c.Class, class(err)
	}
	now := time.UnixMilli(c.NowMs)
	switch c.Type {
	case "device-cert":
		role := peerv1.Role(peerv1.Role_value["ROLE_"+c.Role])
		_, err = t.DeviceCert(c.Signed, role, now)
	case "preauth-cert":
		_, err = t.PreauthCert(c.Signed, now)
	case "verdict":
		_, err = t.Verdict(c.Signed)
	default:
		err = mismatch(fmt.Sprintf("unknown type %q", c.Type))
	}
	return c.Name, c.Class, class(err)
}

// runAnswer lets one side judge what the other says about a request.
func runAnswer(c vectors.Answer) (name, want, got string) {
	return c.Name, c.Class, class(answer(c))
}

func answer(c vectors.Answer) error {
	signer, err := preauth.Open[*peerv1.DeviceCert](c.Signer)
	if err != nil {
		return err
	}
	if c.Type == "request" {
		s := preauth.Session{Business: signer}
		copy(s.Binding[:], c.Binding)
		copy(s.NonceHash[:], c.NonceHash)
		_, err := s.OpenRequest(c.Signed)
		return err
	}
	request, err := preauth.Open[*peerv1.Request](c.Request)
	if err != nil {
		return err
	}
	switch c.Type {
	case "receipt":
		var voucher preauth.Hash
		copy(voucher[:], c.Voucher)
		_, err = preauth.OpenReceipt(c.Signed, request, voucher, signer)
	case "cancel":
		_, err = preauth.OpenCancel(c.Signed, request, signer)
	case "decline":
		_, err = preauth.OpenDecline(c.Signed, request, signer)
	default:
		err = mismatch(fmt.Sprintf("unknown type %q", c.Type))
	}
	return err
}

// runProof verifies a receipt or evidence from the root key alone.
func runProof(c vectors.Proof) (name, want, got string) {
	return c.Name, c.Class, class(proof(c))
}

func proof(c vectors.Proof) error {
	root := preauth.PublicKey(c.Root)
	switch c.Type {
	case "ReceiptProof":
		var p peerv1.ReceiptProof
		if err := preauth.DecodeStrict(c.Proof, &p); err != nil {
			return err
		}
		_, err := preauth.VerifyProof(root, &p)
		return err
	case "Evidence":
		var e peerv1.Evidence
		if err := preauth.DecodeStrict(c.Proof, &e); err != nil {
			return err
		}
		_, err := preauth.VerifyEvidence(root, &e)
		return err
	}
	return mismatch(fmt.Sprintf("unknown type %q", c.Type))
}

// runDecision lets a till judge a voucher or a charge.
func runDecision(c vectors.Decision) (name, want, got string) {
	want = decision(c.Class, c.Guaranteed, c.AtRisk)
	till, customer, err := tillOf(c)
	if err != nil {
		return c.Name, want, "the situation cannot be: " + err.Error()
	}
	if len(c.Charge) > 0 {
		_, err := till.CheckCharge(c.Charge, customer)
		return c.Name, want, decision(class(err), 0, 0)
	}
	ok, err := till.CheckVoucher(c.Voucher, c.PreauthCert)
	return c.Name, want, decision(class(err), ok.Guaranteed, ok.AtRisk)
}

func decision(class string, guaranteed, atRisk int64) string {
	return fmt.Sprintf("%s, %d guaranteed, %d at risk", class, guaranteed, atRisk)
}

// tillOf is a till in the situation of a vector.
func tillOf(c vectors.Decision) (preauth.Till, preauth.DeviceCert, error) {
	trust, err := preauth.OpenTrust(preauth.PublicKey(c.Root), c.Bundle)
	if err != nil {
		return preauth.Till{}, preauth.DeviceCert{}, err
	}
	request, err := preauth.Open[*peerv1.Request](c.Request)
	if err != nil {
		return preauth.Till{}, preauth.DeviceCert{}, err
	}
	customer, err := preauth.Open[*peerv1.DeviceCert](c.Customer)
	if err != nil {
		return preauth.Till{}, preauth.DeviceCert{}, err
	}
	return preauth.Till{
		Trust: trust, Now: time.UnixMilli(c.NowMs), Request: request, Customer: preauth.ID(customer.Body.DeviceId),
		Cancelled: c.Cancelled, Awaited: c.Awaited,
		Seen: func(preauth.ID, uint32) (seen preauth.Hash, ok bool) {
			copy(seen[:], c.Seen)
			return seen, len(c.Seen) > 0
		},
		Guaranteed: func(preauth.ID) int64 { return c.GuaranteeUsed },
		Exposure:   exposureOf(c),
	}, customer, nil
}

// exposureOf is what the till may have out, and has.
func exposureOf(c vectors.Decision) preauth.Exposure {
	ms := func(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
	lately := map[time.Duration]int64{}
	e := preauth.Exposure{
		Limits: preauth.Limits{
			Currencies: map[string]preauth.Limit{}, CountMax: c.CountMax, OfflineMax: ms(c.OfflineMax), StaleBundle: c.StaleBundle,
		},
		Totals: map[string]int64{}, Count: c.Count, Offline: ms(c.Offline),
		With: preauth.Dealings{Totals: map[string]int64{}, Lately: func(within time.Duration) int64 { return lately[within] }},
	}
	for _, l := range c.Limits {
		e.Limits.Currencies[l.Currency] = preauth.Limit{PaymentMax: l.PaymentMax, TotalMax: l.TotalMax, CounterpartyMax: l.CounterpartyMax}
		e.Totals[l.Currency], e.With.Totals[l.Currency] = l.Unsettled, l.With
	}
	for _, v := range c.Velocities {
		e.Limits.Velocities = append(e.Limits.Velocities, preauth.Velocity{Max: v.Max, Within: ms(v.Within)})
		lately[ms(v.Within)] = v.Lately
	}
	return e
}
