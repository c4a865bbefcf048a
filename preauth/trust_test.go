package preauth

import (
	"errors"
	"testing"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

func TestABundleCountsOnlyFromTheRoot(t *testing.T) {
	d := newDeal()
	good := mustSign(t, "root", d.bundle)
	tests := []struct {
		name   string
		bundle []byte
		want   error
	}{
		{"signed by the root", good.Bytes, nil},
		{"signed by an issuer", mustSign(t, "issuer", d.bundle).Bytes, ErrSignature},
		{"altered", lastBit(mustSign(t, "root", d.bundle).Bytes), ErrSignature},
		{"cut off", good.Bytes[:len(good.Bytes)-1], ErrDecode},
		{"missing", nil, ErrDecode},
	}
	for _, tt := range tests {
		got, err := OpenTrust(testPub("root"), tt.bundle)
		if !errors.Is(err, tt.want) || got.Bundle.Zero() != (tt.want != nil) {
			t.Errorf("%s: epoch %d, %v; want %v", tt.name, got.Epoch(), err, tt.want)
		}
	}
	tr := d.trust(t)
	if tr.Root != testPub("root") || tr.Epoch() != 7 || !tr.SignedAt().Equal(noon.Add(-24*time.Hour)) {
		t.Errorf("root %x, epoch %d, signed at %v", tr.Root, tr.Epoch(), tr.SignedAt())
	}
}

func TestNoTrustAcceptsNothing(t *testing.T) {
	d := newDeal()
	var none Trust
	if _, err := none.DeviceCert(d.signTill(t).Bytes, peerv1.Role_ROLE_BUSINESS, noon); !errors.Is(err, ErrIssuer) {
		t.Errorf("device: %v", err)
	}
	if _, err := none.PreauthCert(d.signPreauth(t), noon); !errors.Is(err, ErrIssuer) {
		t.Errorf("pre-authorization: %v", err)
	}
	if none.Epoch() != 0 || none.Revoked(testID("stolen")) {
		t.Errorf("epoch %d", none.Epoch())
	}
}

// devices are the reasons to refuse a device, in the order of the checks.
var devices = []struct {
	name    string
	spoil   func(*deal)
	want    error
	genuine bool // settlement still takes it
}{
	{"malformed", func(d *deal) { d.tamperCert = then(d.tamperCert, trailing) }, ErrDecode, false},
	{"of an unknown issuer", func(d *deal) { d.issuerKey = "stranger" }, ErrIssuer, false},
	{"altered", func(d *deal) { d.tamperCert = then(d.tamperCert, lastBit) }, ErrSignature, false},
	{"of an issuer key that has ended", func(d *deal) { d.bundle.Issuers[0].NotAfterMs = d.now.UnixMilli() }, ErrExpired, true},
	{"expired", func(d *deal) { d.tillCert.NotAfterMs = d.now.UnixMilli() }, ErrExpired, true},
	{"of a customer", func(d *deal) {
		d.tillCert.Role, d.tillCert.BusinessId, d.tillCert.DisplayName, d.tillCert.Mcc = peerv1.Role_ROLE_CUSTOMER, nil, "", 0
	}, ErrRole, true},
	{"revoked", func(d *deal) { d.tillCert.DeviceId = testBytes("stolen", 16) }, ErrRevoked, true},
}

func (d *deal) shownTill(t *testing.T) []byte {
	t.Helper()
	b := forge(t, d.issuerKey, d.tillCert)
	if d.tamperCert != nil {
		b = d.tamperCert(b)
	}
	return b
}

func TestADeviceIsNotDealtWithIfItsCertificateIs(t *testing.T) {
	for i, tt := range devices {
		t.Run(tt.name, func(t *testing.T) {
			d := newDeal()
			tt.spoil(d)
			got, err := d.trust(t).DeviceCert(d.shownTill(t), peerv1.Role_ROLE_BUSINESS, d.now)
			if !errors.Is(err, tt.want) || Code(err) != Code(tt.want) || !got.Zero() {
				t.Errorf("%v; want %v", err, tt.want)
			}
			got, err = d.trust(t).GenuineDevice(d.shownTill(t))
			if tt.genuine != (err == nil) || tt.genuine == got.Zero() {
				t.Errorf("genuine: %v; want %v", err, tt.genuine)
			}
			for _, later := range devices[i+1:] {
				d := newDeal()
				tt.spoil(d)
				later.spoil(d)
				if _, err := d.trust(t).DeviceCert(d.shownTill(t), peerv1.Role_ROLE_BUSINESS, d.now); !errors.Is(err, tt.want) {
					t.Errorf("and %s: %v; want %v", later.name, err, tt.want)
				}
			}
		})
	}
}

func TestADeviceIsDealtWithThough(t *testing.T) {
	tests := []struct {
		name  string
		alter func(*deal)
	}{
		{"nothing is unusual", func(*deal) {}},
		{"it ends in a millisecond", func(d *deal) { d.tillCert.NotAfterMs = d.now.UnixMilli() + 1 }},
		{"it begins after this device's clock", func(d *deal) { d.tillCert.NotBeforeMs = d.now.UnixMilli() + 1 }},
		{"an older issuer key is listed before", func(d *deal) {
			old := testPub("issuer 0")
			d.bundle.Issuers = append([]*peerv1.IssuerKey{{PublicKey: old[:], NotBeforeMs: 1, NotAfterMs: 2}}, d.bundle.Issuers...)
		}},
	}
	for _, tt := range tests {
		d := newDeal()
		tt.alter(d)
		c, err := d.trust(t).DeviceCert(d.shownTill(t), peerv1.Role_ROLE_BUSINESS, d.now)
		if err != nil || c.Body.GetDisplayName() != "Café Linden" {
			t.Errorf("%s: %v, %v", tt.name, c.Body, err)
		}
	}
	d := newDeal()
	if _, err := d.trust(t).DeviceCert(d.signCustomer(t).Bytes, peerv1.Role_ROLE_CUSTOMER, noon); err != nil {
		t.Errorf("a customer: %v", err)
	}
}

// Revocation stops acceptance, never settlement.
func TestSettlementTakesAVoidedPreauthorization(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*deal)
		want  error
	}{
		{"good", func(*deal) {}, nil},
		{"revoked", func(d *deal) { d.preauth.Serial = 11 }, nil},
		{"of an issuer key that has ended", func(d *deal) { d.bundle.Issuers[0].NotAfterMs = d.now.UnixMilli() - 1 }, nil},
		{"past spend_by", func(d *deal) { d.preauth.SpendByMs = d.now.UnixMilli() - 1 }, nil},
		{"malformed", func(d *deal) { d.tamperCert = trailing }, ErrDecode},
		{"of an unknown issuer", func(d *deal) { d.issuerKey = "stranger" }, ErrIssuer},
		{"altered", func(d *deal) { d.tamperCert = lastBit }, ErrSignature},
	}
	for _, tt := range tests {
		d := newDeal()
		tt.spoil(d)
		c, err := d.trust(t).GenuinePreauth(d.signPreauth(t))
		if !errors.Is(err, tt.want) || c.Zero() != (tt.want != nil) {
			t.Errorf("%s: %v; want %v", tt.name, err, tt.want)
		}
	}
}

func TestAVerdictCountsOnlyFromTheBackend(t *testing.T) {
	d := newDeal()
	v := &peerv1.Verdict{
		RequestHash: testBytes("request", 32), VoucherHash: testBytes("voucher", 32),
		Outcome: peerv1.Outcome_OUTCOME_SETTLED, Amount: 1300, TimeMs: noon.UnixMilli(),
	}
	tests := []struct {
		name    string
		verdict []byte
		want    error
	}{
		{"an issuer", mustSign(t, "issuer", v).Bytes, nil},
		{"the till", mustSign(t, "till", v).Bytes, ErrIssuer},
		{"nobody, altered", lastBit(mustSign(t, "issuer", v).Bytes), ErrSignature},
		{"nobody, malformed", trailing(mustSign(t, "issuer", v).Bytes), ErrDecode},
	}
	for _, tt := range tests {
		got, err := d.trust(t).Verdict(tt.verdict)
		if !errors.Is(err, tt.want) || got.Zero() != (tt.want != nil) {
			t.Errorf("%s: %v; want %v", tt.name, err, tt.want)
		}
	}
	d.bundle.Issuers[0].NotAfterMs = noon.UnixMilli() - 1
	if _, err := d.trust(t).Verdict(mustSign(t, "issuer", v).Bytes); err != nil {
		t.Errorf("of an issuer key that has ended since: %v", err)
	}
}

func TestRevokedNamesDevicesOnly(t *testing.T) {
	tr := newDeal().trust(t)
	if !tr.Revoked(testID("stolen")) || tr.Revoked(testID("till")) {
		t.Error("the bundle revokes the stolen device and no other")
	}
}
