package vectors

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

func TestFields(t *testing.T) {
	messages := []struct {
		m    proto.Message
		want string
	}{
		{&peerv1.Pending{}, `{}`},
		{
			&peerv1.Request{Amount: 1200, Currency: "US\"D", Tip: &peerv1.TipPolicy{Allowed: true}, Nonce: []byte{1, 0xab}, Online: true},
			`{"nonce":"01ab","amount":1200,"currency":"US\"D","tip":{"allowed":true},"online":true}`,
		},
		{&peerv1.Cancel{Reason: peerv1.CancelReason_CANCEL_REASON_USER}, `{"reason":"CANCEL_REASON_USER"}`},
		{
			&peerv1.TrustBundle{Epoch: 1 << 60, RevokedSerials: []uint64{1, 2}, RevokedDevices: [][]byte{{1}, {2, 3}}, Issuers: []*peerv1.IssuerKey{{NotBeforeMs: -1}, {}}},
			`{"epoch":1152921504606846976,"issuers":[{"not_before_ms":-1},{}],"revoked_serials":[1,2],"revoked_devices":["01","0203"]}`,
		},
		{&peerv1.Voucher{Counter: 7}, `{"counter":7}`},
	}
	for _, tt := range messages {
		got := Fields(tt.m)
		if string(got) != tt.want {
			t.Errorf("%v is written as %s, want %s", tt.m, got, tt.want)
		}
		again := tt.m.ProtoReflect().New().Interface()
		if err := SetFields(got, again); err != nil || !proto.Equal(again, tt.m) {
			t.Errorf("%s is read as %v, %v", got, again, err)
		}
	}
	for _, bad := range []string{
		``, `[]`, `{"weather":1}`, `{"amount":"1"}`, `{"amount":1.5}`, `{"nonce":"0"}`, `{"nonce":"AB"}`, `{"tip":1}`, `{"online":1}`, `{"currency":1}`,
	} {
		if err := SetFields([]byte(bad), &peerv1.Request{}); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	for bad, m := range map[string]proto.Message{
		`{"reason":"NONE"}`: &peerv1.Cancel{}, `{"reason":3}`: &peerv1.Cancel{}, `{"released":"00"}`: &peerv1.Voucher{},
		`{"released":["0"]}`: &peerv1.Voucher{}, `{"counter":-1}`: &peerv1.Voucher{}, `{"epoch":-1}`: &peerv1.TrustBundle{},
	} {
		if err := SetFields([]byte(bad), m); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// TestMisencodings: each is another encoding, none is the same as another, and
// none is taken for the message by who encodes again.
func TestMisencodings(t *testing.T) {
	m := &peerv1.Cancel{RequestHash: make([]byte, 32), Reason: peerv1.CancelReason_CANCEL_REASON_REFUSED, Code: "X"}
	enc, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{string(enc): true}
	all := Misencodings(enc)
	for _, bad := range all {
		if seen[string(bad.Enc)] {
			t.Errorf("%s is no other encoding: %x", bad.Name, bad.Enc)
		}
		seen[string(bad.Enc)] = true
	}
	if len(all) != 8 {
		t.Errorf("%d misencodings", len(all))
	}
	same := map[string]bool{}
	for _, bad := range all { // what a lenient decoder takes for m
		var got peerv1.Cancel
		if (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(bad.Enc, &got) == nil && proto.Equal(&got, m) {
			same[bad.Name] = true
		}
	}
	for _, name := range []string{"with an unknown field", "with a field twice", "with a tag longer than it needs", "with a number or length longer than it needs", "with its first field last"} {
		if !same[name] {
			t.Errorf("%s: says something else", name)
		}
	}
	if got := Misencodings(nil); got != nil {
		t.Errorf("of nothing: %v", got)
	}
}

func TestKeep(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.json")
	if err := Keep(path, []byte("a\nb\n"), false); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if err := errors.Join(Keep(path, []byte("a\nb\n"), true), Keep(path, []byte("a\nb\n"), false)); err != nil {
		t.Error(err)
	}
	for changed, line := range map[string]string{"a\nc\n": ":2 ", "a\n": ":2 ", "a\nb\nc\n": ":3 "} {
		if err := Keep(path, []byte(changed), false); err == nil || !strings.Contains(err.Error(), path+line) {
			t.Errorf("%q: %v", changed, err)
		}
	}
}

func TestFile(t *testing.T) {
	b, err := Encode(KindCodes, "some", []Code{{Name: "one", Code: "0042", NB: B16{15: 255}}})
	if err != nil {
		t.Fatal(err)
	}
	f, err := Decode(b)
	if err != nil || f.Kind != KindCodes || f.About != "some" || len(f.Cases) != 1 {
		t.Fatalf("%+v, %v", f, err)
	}
	c, err := Case[Code](f.Cases[0])
	if err != nil || c.Code != "0042" || c.NB[15] != 255 {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := Case[Key](f.Cases[0]); !errors.Is(err, ErrFormat) {
		t.Errorf("as another type: %v", err)
	}
}
