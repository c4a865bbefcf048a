package link

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestBeaconBytes(t *testing.T) {
	b := Beacon{Version: 1, Resume: true, EID: EID{0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6}, BaseHandle: DefaultBaseHandle, TxPower: -8}
	if got, want := hex.EncodeToString(b.Encode()), "11a1a2a3a4a5a61000f8"; got != want {
		t.Errorf("encoded %s, want %s", got, want)
	}
}

func TestBeaconRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Beacon{
			Version: rapid.Uint8Range(1, 15).Draw(t, "version"), Resume: rapid.Bool().Draw(t, "resume"),
			Targeted: rapid.Bool().Draw(t, "targeted"), Critical: rapid.Bool().Draw(t, "critical"), EID: EID(rapid.SliceOfN(rapid.Byte(), 6, 6).Draw(t, "eid")),
			BaseHandle: rapid.Uint16().Draw(t, "handle"), TxPower: rapid.Int8().Draw(t, "power"),
		}
		got, err := DecodeBeacon(want.Encode())
		if err != nil || got != want {
			t.Fatalf("%+v became %+v, %v", want, got, err)
		}
	})
}

func TestDecodeBeaconRefuses(t *testing.T) {
	good := Beacon{Version: 1}.Encode()
	for name, data := range map[string][]byte{
		"nothing": nil, "short": good[:9], "long": append(bytes.Clone(good), 0), "version 0": make([]byte, BeaconLen),
	} {
		if b, err := DecodeBeacon(data); !errors.Is(err, errBeacon) {
			t.Errorf("%s: %+v, %v", name, b, err)
		}
	}
}

func TestDecodeBeaconOfALaterVersion(t *testing.T) {
	want := Beacon{Version: 2, EID: EID{1}}
	data := want.Encode()
	data[0] |= 0x04
	if b, err := DecodeBeacon(data); err != nil || b != want {
		t.Errorf("with a flag to ignore: %+v, %v", b, err)
	}
	data[0] |= 0x08
	want.Critical = true
	if b, err := DecodeBeacon(data); err != nil || b != want {
		t.Errorf("with a critical flag: %+v, %v", b, err)
	}
}

func TestResume(t *testing.T) {
	key := [16]byte{1, 2, 3}
	eid := ResumeEID(key, [3]byte{7, 8, 9})
	// r, and the first 3 bytes of HMAC-SHA256 of "vbp-adv" and r under the key.
	if got, want := hex.EncodeToString(eid[:]), "070809e837db"; got != want {
		t.Errorf("eid %s, want %s", got, want)
	}
	if !MatchesResume(key, eid) {
		t.Error("the till does not recognise its customer")
	}
	if MatchesResume([16]byte{1, 2, 4}, eid) {
		t.Error("another till recognises the customer")
	}
	for i := range eid {
		changed := eid
		changed[i] ^= 1
		if MatchesResume(key, changed) {
			t.Errorf("recognised with byte %d changed", i)
		}
	}
}

func TestLimits(t *testing.T) {
	want := Limits{VersionMin: 1, VersionMax: 3, Features: 0, Window: 4, MessageMax: 4096}
	value := want.Encode()
	if got := hex.EncodeToString(value); got != "010300040010" {
		t.Errorf("encoded %s", got)
	}
	for _, value := range [][]byte{value, append(bytes.Clone(value), 9, 9)} { // a later version says more
		if got, err := DecodeLimits(value); err != nil || got != want {
			t.Errorf("%x became %+v, %v", value, got, err)
		}
	}
	for name, value := range map[string][]byte{
		"nothing": nil, "short": value[:5], "long": make([]byte, ReadValueMax+1),
		"version 0": {0, 1, 0, 4, 0, 16}, "versions upside down": {2, 1, 0, 4, 0, 16},
	} {
		if l, err := DecodeLimits(value); !errors.Is(err, errLimits) {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
	}
}

func TestAdapterError(t *testing.T) {
	var err error = &AdapterError{Reason: "ADAPTER_BUSY", Detail: "hci1 is in use"}
	var a *AdapterError
	if !errors.Is(err, ErrAdapter) || !errors.As(err, &a) || a.Reason != "ADAPTER_BUSY" {
		t.Errorf("%v is not an ErrAdapter with its reason", err)
	}
	if got, want := err.Error(), "adapter unusable: ADAPTER_BUSY: hci1 is in use"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := (&AdapterError{Reason: "ADAPTER_DOWN"}).Error(), "adapter unusable: ADAPTER_DOWN"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
