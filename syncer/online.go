package syncer

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"fmt"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// PreAuthorized is funds set aside.
type PreAuthorized struct {
	Cert       preauth.PreauthCert
	Trust      preauth.Trust // the bundle that a till may ask for
	Instrument Instrument    // as it is now
	ServerTime time.Time
}

// PreAuthorize sets amount minor units aside on an instrument, for the
// signed Request boundRequest only if that is not nil. The same requestID
// gets the same certificate again. The certificate is verified: it is of this
// device's key, for what was asked.
//
// The error is one of those of ask.
func (s *Syncer) PreAuthorize(ctx context.Context, requestID, instrument preauth.ID, amount int64, currency string, boundRequest []byte) (PreAuthorized, error) {
	req := &backendv1.PreAuthorizeRequest{
		RequestId: requestID[:], InstrumentId: instrument[:], Amount: amount,
		Currency: currency, BoundRequest: boundRequest,
	}
	resp, creds, err := ask(ctx, s, callLimit, func(ctx context.Context, c backendv1.SettlementServiceClient) (*backendv1.PreAuthorizeResponse, error) {
		return c.PreAuthorize(ctx, req)
	})
	if err != nil {
		return PreAuthorized{}, err
	}
	got, err := readPreAuthorized(creds, resp)
	if err != nil {
		return PreAuthorized{}, err
	}
	return got, got.fits(creds, req)
}

func readPreAuthorized(creds Credentials, resp *backendv1.PreAuthorizeResponse) (got PreAuthorized, err error) {
	if got.Trust, err = openTrust(creds, resp.TrustBundle); err != nil {
		return PreAuthorized{}, err
	}
	if got.Cert, err = got.Trust.GenuinePreauth(resp.PreauthCert); err != nil {
		return PreAuthorized{}, fmt.Errorf("pre-authorization: %w: %w", ErrAnswer, err)
	}
	if got.Instrument, err = readInstrument(resp.Instrument); err != nil {
		return PreAuthorized{}, err
	}
	got.ServerTime, err = timeOf(resp)
	return got, err
}

// fits checks that the certificate says what was asked for. One that says
// less would be found out at a till, with the customer standing there.
func (got PreAuthorized) fits(creds Credentials, req *backendv1.PreAuthorizeRequest) error {
	body := got.Cert.Body
	var bound []byte
	if len(req.BoundRequest) > 0 {
		r, err := preauth.Open[*peerv1.Request](req.BoundRequest)
		if err != nil {
			return err
		}
		bound = r.Hash[:]
	}
	own, err := ownKey(creds)
	if err != nil {
		return err
	}
	switch {
	case preauth.PublicKey(body.Spender) != own:
		return fmt.Errorf("pre-authorization of another key: %w", ErrAnswer)
	case body.Limit != req.Amount || body.Currency != req.Currency:
		return fmt.Errorf("pre-authorization over %d %s, not %d %s: %w", body.Limit, body.Currency, req.Amount, req.Currency, ErrAnswer)
	case !bytes.Equal(body.BoundTo, bound):
		return fmt.Errorf("pre-authorization bound to %x, not %x: %w", body.BoundTo, bound, ErrAnswer)
	case got.Trust.Epoch() < body.MinEpoch:
		return fmt.Errorf("pre-authorization asks for bundle %d, came with %d: %w", body.MinEpoch, got.Trust.Epoch(), ErrAnswer)
	}
	return nil
}

// Voided is a pre-authorization that may not be spent any more.
type Voided struct {
	Trust      preauth.Trust
	ReleasedAt time.Time // when the unused rest returns
	ServerTime time.Time
}

// Void stops spending on a pre-authorization. Again is harmless.
//
// The error is one of those of ask.
func (s *Syncer) Void(ctx context.Context, requestID, preauthID preauth.ID) (Voided, error) {
	resp, creds, err := ask(ctx, s, callLimit, func(ctx context.Context, c backendv1.SettlementServiceClient) (*backendv1.VoidPreAuthorizationResponse, error) {
		return c.VoidPreAuthorization(ctx, &backendv1.VoidPreAuthorizationRequest{RequestId: requestID[:], PreauthId: preauthID[:]})
	})
	if err != nil {
		return Voided{}, err
	}
	trust, err := openTrust(creds, resp.TrustBundle)
	if err != nil {
		return Voided{}, err
	}
	at, err := timeOf(resp)
	return Voided{Trust: trust, ReleasedAt: time.UnixMilli(resp.ReleasedAtMs), ServerTime: at}, err
}

// RegisterPayment opens the minutes in which the backend takes a Charge for
// the payment. Again is harmless.
//
// The error is one of those of ask.
func (s *Syncer) RegisterPayment(ctx context.Context, paymentID preauth.ID) error {
	_, _, err := ask(ctx, s, callLimit, func(ctx context.Context, c backendv1.SettlementServiceClient) (*backendv1.RegisterPaymentResponse, error) {
		return c.RegisterPayment(ctx, &backendv1.RegisterPaymentRequest{PaymentId: paymentID[:]})
	})
	return err
}

// verdictsOn returns the verdicts on at most 100 requests as they came, and
// what to judge them by.
func (s *Syncer) verdictsOn(ctx context.Context, requests []preauth.Hash) ([][]byte, preauth.Trust, error) {
	req := &backendv1.QueryRequest{RequestHashes: make([][]byte, len(requests))}
	for i, r := range requests {
		req.RequestHashes[i] = bytes.Clone(r[:])
	}
	resp, creds, err := ask(ctx, s, batchLimit, func(ctx context.Context, c backendv1.SettlementServiceClient) (*backendv1.QueryResponse, error) {
		return c.Query(ctx, req)
	})
	return resp.GetVerdicts(), creds.Trust, err
}

// ownKey is the public key of the device's TLS certificate, which is its
// signing key.
func ownKey(creds Credentials) (preauth.PublicKey, error) {
	key, ok := creds.TLS.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return preauth.PublicKey{}, fmt.Errorf("signing key of the device is a %T: %w", creds.TLS.PrivateKey, ErrNotEnrolled)
	}
	return preauth.PublicKeyOf(&key.PublicKey), nil
}

// openTrust verifies a bundle under the root key of the enrollment.
func openTrust(creds Credentials, bundle []byte) (preauth.Trust, error) {
	t, err := preauth.OpenTrust(creds.Root, bundle)
	if err != nil {
		return preauth.Trust{}, fmt.Errorf("trust bundle: %w: %w", ErrAnswer, err)
	}
	return t, nil
}

// instrumentTypes are the names of the wire's numbers.
var instrumentTypes = map[uint32]string{1: "CARD", 2: "BANK_ACCOUNT", 3: "MNO"}

func readInstrument(in *backendv1.Instrument) (Instrument, error) {
	id, err := preauth.IDFrom(in.GetInstrumentId())
	if err != nil {
		return Instrument{}, fmt.Errorf("instrument: %w: %w", ErrAnswer, err)
	}
	kind, ok := instrumentTypes[in.GetType()]
	if !ok {
		return Instrument{}, fmt.Errorf("instrument %s of type %d: %w", id, in.GetType(), ErrAnswer)
	}
	return Instrument{
		ID: id, Type: kind, Label: in.Label, Currency: in.Currency, Balance: in.Balance,
		PreAuthCapable: in.PreAuthCapable, Delegated: in.Delegated,
	}, nil
}
