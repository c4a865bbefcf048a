package preauth

import (
	"bytes"
	"errors"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// signedCharge opens an encoding of a charge under a good signature, so that
// only the encoding can be at fault.
func signedCharge(t *testing.T, enc []byte) error {
	t.Helper()
	_, err := Open[*peerv1.Charge](envelope(t, "customer", "charge", enc))
	return err
}

// fields splits an encoding into its fields.
func fields(t *testing.T, b []byte) [][]byte {
	t.Helper()
	var out [][]byte
	for len(b) > 0 {
		_, _, n := protowire.ConsumeField(b)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		out, b = append(out, b[:n]), b[n:]
	}
	return out
}

func TestABodyHasOneEncoding(t *testing.T) {
	d := newDeal()
	d.charge.RequestHash, d.charge.Tip = testBytes("request", 32), 0
	good, err := encode(d.charge)
	if err != nil {
		t.Fatal(err)
	}
	f := fields(t, good) // instrument_ref, request_hash, amount, currency, customer_device_id
	if len(f) != 5 {
		t.Fatalf("%d fields", len(f))
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	amount := protowire.AppendTag(nil, 3, protowire.VarintType)
	tests := []struct {
		name string
		enc  []byte
		want error
	}{
		{"as it should be", join(f...), nil},
		{"an unknown field", join(good, protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 1)), ErrDecode},
		{"an unknown field between others", join(f[0], f[1], f[2], f[3], []byte{0x38, 1}, f[4]), ErrDecode},
		{"a field twice", join(f[0], f[0], f[1], f[2], f[3], f[4]), ErrDecode},
		{"an amount twice, the second counts", join(f[0], f[1], append(bytes.Clone(amount), 1), f[2], f[3], f[4]), ErrDecode},
		{"a default value", join(f[0], f[1], f[2], []byte{0x20, 0}, f[3], f[4]), ErrDecode},
		{"fields out of order", join(f[1], f[0], f[2], f[3], f[4]), ErrDecode},
		{"a number longer than it needs", join(f[0], f[1], append(bytes.Clone(amount), 0xb0, 0x89, 0x00), f[3], f[4]), ErrDecode},
		{"a tag longer than it needs", join([]byte{0x8a, 0x00}, f[0][1:], f[1], f[2], f[3], f[4]), ErrDecode},
		{"a length longer than it needs", join([]byte{0x0a, 0x90, 0x00}, f[0][2:], f[1], f[2], f[3], f[4]), ErrDecode},
		{"a trailing byte", join(good, []byte{0}), ErrDecode},
		{"a missing byte", good[:len(good)-1], ErrDecode},
		{"a field of another type", join(f[0], f[1], []byte{0x1d, 1, 0, 0, 0}, f[3], f[4]), ErrDecode},
		{"text that is not UTF-8", join(f[0], f[1], f[2], []byte{0x2a, 3, 'U', 'S', 0xff}, f[4]), ErrDecode},
		{"nothing", nil, ErrDecode},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := signedCharge(t, tt.enc)
			if !errors.Is(err, tt.want) || tt.want != nil && Code(err) != "PEER_PROTOCOL" {
				t.Errorf("%v; want %v", err, tt.want)
			}
		})
	}
}

// Strictness reaches into the messages inside a body.
func TestAMessageWithinHasOneEncodingToo(t *testing.T) {
	bundle, err := encode(newDeal().bundle)
	if err != nil {
		t.Fatal(err)
	}
	f := fields(t, bundle) // epoch, issuers, server_time, revoked_serials, revoked_devices
	inner := append(bytes.Clone(f[1][2:]), 0xf8, 0x01, 1)
	extra := append([]byte{f[1][0], byte(len(inner))}, inner...)
	unpacked := []byte{0x20, 11, 0x20, 12}
	for name, enc := range map[string][]byte{
		"an unknown field in an issuer key": bytes.Join([][]byte{f[0], extra, f[2], f[3], f[4]}, nil),
		"serials that are not packed":       bytes.Join([][]byte{f[0], f[1], f[2], unpacked, f[4]}, nil),
	} {
		if err := proto.Unmarshal(enc, new(peerv1.TrustBundle)); err != nil {
			t.Fatalf("%s: not even a message: %v", name, err)
		}
		if _, err := Open[*peerv1.TrustBundle](envelope(t, "root", "trust-bundle", enc)); !errors.Is(err, ErrDecode) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnEnvelopeIsStrictToo(t *testing.T) {
	good := mustSign(t, "customer", &peerv1.Decline{RequestHash: testBytes("request", 32)}).Bytes
	f := fields(t, good) // body, key_id, sig
	tests := []struct {
		name string
		b    []byte
		want error
	}{
		{"as it should be", good, nil},
		{"a trailing byte", trailing(bytes.Clone(good)), ErrDecode},
		{"an unknown field", append(bytes.Clone(good), 0x20, 1), ErrDecode},
		{"a second signature", append(bytes.Clone(good), f[2]...), ErrDecode},
		{"no body", bytes.Join(f[1:], nil), ErrDecode},
		{"no key id", bytes.Join([][]byte{f[0], f[2]}, nil), ErrDecode},
		{"no signature", bytes.Join(f[:2], nil), ErrDecode},
		{"a short key id", bytes.Join([][]byte{f[0], append([]byte{0x12, 7}, f[1][3:]...), f[2]}, nil), ErrDecode},
		{"a signature of 65 bytes", bytes.Join([][]byte{f[0], f[1], append([]byte{0x1a, 65, 0}, f[2][2:]...)}, nil), ErrDecode},
		{"text", []byte("hello"), ErrDecode},
		{"nothing", nil, ErrDecode},
	}
	for _, tt := range tests {
		if got, err := Open[*peerv1.Decline](tt.b); !errors.Is(err, tt.want) || got.Zero() != (tt.want != nil) {
			t.Errorf("%s: %v; want %v", tt.name, err, tt.want)
		}
	}
}

// sizedVoucher is a signed voucher of n bytes with nothing else wrong.
func sizedVoucher(t *testing.T, n int) []byte {
	t.Helper()
	v := newDeal().voucher
	v.RequestHash, v.PrevHash = testBytes("request", 32), testBytes("previous", 32)
	v.Released = [][]byte{make([]byte, n-1000)}
	short := n - len(forge(t, "customer", v))
	v.Released[0] = make([]byte, n-1000+short)
	return forge(t, "customer", v)
}

// sizedBundle is a signed trust bundle of at least n bytes, and few more.
func sizedBundle(t *testing.T, n int) []byte {
	t.Helper()
	b := newDeal().bundle
	b.RevokedDevices = nil
	for len(forge(t, "root", b)) < n-36 {
		b.RevokedDevices = append(b.RevokedDevices, testBytes("stolen", 16))
	}
	b.RevokedSerials = nil
	for len(forge(t, "root", b)) < n {
		b.RevokedSerials = append(b.RevokedSerials, 1)
	}
	return forge(t, "root", b)
}

func TestOversizeObjectsAreNotEvenDecoded(t *testing.T) {
	voucher, bundle := sizedVoucher(t, messageMax), sizedBundle(t, bundleMax)
	if _, err := Open[*peerv1.Voucher](voucher); err != nil || len(voucher) != messageMax {
		t.Errorf("a voucher of %d bytes: %v", len(voucher), err)
	}
	if _, err := Open[*peerv1.TrustBundle](bundle); err != nil || len(bundle) != bundleMax {
		t.Errorf("a bundle of %d bytes: %v", len(bundle), err)
	}
	voucher, bundle = sizedVoucher(t, messageMax+1), sizedBundle(t, bundleMax+1)
	if _, err := Open[*peerv1.Voucher](voucher); !errors.Is(err, ErrDecode) || len(voucher) != messageMax+1 {
		t.Errorf("a voucher of %d bytes: %v", len(voucher), err)
	}
	if _, err := Open[*peerv1.TrustBundle](bundle); !errors.Is(err, ErrDecode) || len(bundle) != bundleMax+1 {
		t.Errorf("a bundle of %d bytes: %v", len(bundle), err)
	}
}
