package link

import (
	"bytes"
	"testing"
)

// FuzzDecodeBeacon: service data is no advertisement of ours, or says what its
// bytes say, and is recognised by no key that it was not made with.
func FuzzDecodeBeacon(f *testing.F) {
	key := [16]byte{1}
	good := Beacon{Version: 1, Resume: true, EID: ResumeEID(key, [3]byte{7, 8, 9}), BaseHandle: DefaultBaseHandle, TxPower: -12}
	f.Add(good.Encode())
	good.Resume, good.Targeted = false, true
	f.Add(good.Encode())
	good.Critical = true
	f.Add(good.Encode())
	f.Add(good.Encode()[:9])
	f.Add(make([]byte, BeaconLen))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := DecodeBeacon(data)
		if err != nil {
			if b != (Beacon{}) {
				t.Fatalf("%x is refused, and says %+v", data, b)
			}
			return
		}
		again, known := b.Encode(), bytes.Clone(data)
		known[0] &^= 4 // a flag of later versions that is ignored
		if !bytes.Equal(again, known) || b.Version == 0 {
			t.Fatalf("%x became %x", data, again)
		}
		if MatchesResume(key, b.EID) != (b.EID == ResumeEID(key, [3]byte(b.EID[:3]))) {
			t.Fatalf("%x is recognised, or not, by chance", b.EID)
		}
	})
}

// FuzzDecodeLimits: a read value is none of ours, or says what its first bytes
// say.
func FuzzDecodeLimits(f *testing.F) {
	good := Limits{VersionMin: 1, VersionMax: 2, Window: 4, MessageMax: 4096}.Encode()
	f.Add(good)
	f.Add(append(bytes.Clone(good), 1, 2, 3))
	f.Add(good[:5])
	f.Add(make([]byte, 21))
	f.Fuzz(func(t *testing.T, value []byte) {
		l, err := DecodeLimits(value)
		if err != nil {
			return
		}
		if again := l.Encode(); !bytes.HasPrefix(value, again) || len(value) > ReadValueMax || l.VersionMin == 0 || l.VersionMin > l.VersionMax {
			t.Fatalf("%x became %+v", value, l)
		}
	})
}
