package preauth

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

var update = flag.Bool("update", false, "write testdata/vectors anew")

// objectVector is a good signed object. Bytes are hexadecimal.
type objectVector struct {
	Name       string `json:"name"`
	Kind       string `json:"kind"`
	PrivateKey string `json:"private_key"`
	PublicKey  string `json:"public_key"`
	Body       string `json:"body"`
	Signed     string `json:"signed"`
	Hash       string `json:"hash"`
}

// refusedVector is an object that does not open, or does not verify, and why.
type refusedVector struct {
	Name      string `json:"name"`
	Kind      string `json:"kind"`
	PublicKey string `json:"public_key"`
	Signed    string `json:"signed"`
	Code      string `json:"code"`
}

// tillVector is one decision of a till: all it knows, what it is shown, and
// what it says. An empty code means accepted.
type tillVector struct {
	Name        string `json:"name"`
	Root        string `json:"root"`
	Bundle      string `json:"bundle"`
	NowMs       int64  `json:"now_ms"`
	Request     string `json:"request"`
	Customer    string `json:"customer_device_id"`
	Cancelled   bool   `json:"cancelled,omitempty"`
	Seen        string `json:"seen_with_this_counter,omitempty"`
	Used        int64  `json:"guarantee_used,omitempty"`
	PaymentMax  int64  `json:"payment_max"`
	TotalMax    int64  `json:"total_max"`
	CountMax    int64  `json:"count_max"`
	Total       int64  `json:"unsettled_total"`
	Count       int64  `json:"unsettled_count"`
	PreauthCert string `json:"preauth_cert"`
	Voucher     string `json:"voucher"`
	Code        string `json:"code"`
	Guaranteed  int64  `json:"guaranteed,omitempty"`
	AtRisk      int64  `json:"at_risk,omitempty"`
}

func objectVectors(t *testing.T) []objectVector {
	var out []objectVector
	for _, s := range samples(t) {
		private, err := testKey(s.key).Bytes()
		if err != nil {
			t.Fatal(err)
		}
		body, err := encode(s.body)
		if err != nil {
			t.Fatal(err)
		}
		public, b := testPub(s.key), forge(t, s.key, s.body)
		out = append(out, objectVector{
			s.name, kindOf(s.body), hex.EncodeToString(private), hex.EncodeToString(public[:]),
			hex.EncodeToString(body), hex.EncodeToString(b), hashOf(kindOf(s.body), body).String(),
		})
	}
	return out
}

// refusedVectors spoils each kind in the ways that every implementation must
// notice, and each bound of each kind.
func refusedVectors(t *testing.T) []refusedVector {
	var out []refusedVector
	add := func(name, kind, key string, b []byte, code string) {
		public := testPub(key)
		out = append(out, refusedVector{name, kind, hex.EncodeToString(public[:]), hex.EncodeToString(b), code})
	}
	for _, s := range fullest(t) {
		kind, good := kindOf(s.body), forge(t, s.key, s.body)
		body, err := encode(s.body)
		if err != nil {
			t.Fatal(err)
		}
		add(kind+" with an altered signature", kind, s.key, lastBit(bytes.Clone(good)), "SIGNATURE_INVALID")
		add(kind+" signed by another", kind, s.key, envelope(t, "stranger", kind, body), "SIGNATURE_INVALID")
		add(kind+" signed as another kind", kind, s.key, envelope(t, s.key, "enrollment", body), "SIGNATURE_INVALID")
		add(kind+" with a trailing byte", kind, s.key, trailing(bytes.Clone(good)), "PEER_PROTOCOL")
		add(kind+" cut off", kind, s.key, good[:len(good)-1], "PEER_PROTOCOL")
		unknown := append(bytes.Clone(body), 0xf8, 0x07, 1) // field 127
		add(kind+" with an unknown field", kind, s.key, envelope(t, s.key, kind, unknown), "PEER_PROTOCOL")
		first := fields(t, body)[0]
		add(kind+" with a field twice", kind, s.key, envelope(t, s.key, kind, append(bytes.Clone(first), body...)), "PEER_PROTOCOL")
		add(kind+" without its first field", kind, s.key, envelope(t, s.key, kind, body[len(first):]), "PEER_PROTOCOL")
		add(kind+" with its first field last", kind, s.key, envelope(t, s.key, kind, append(bytes.Clone(body[len(first):]), first...)), "PEER_PROTOCOL")
	}
	for _, b := range bends() {
		for _, s := range fullest(t) {
			before := forge(t, s.key, s.body)
			b.bend(s.body)
			if after := forge(t, s.key, s.body); !bytes.Equal(before, after) {
				add(b.name, kindOf(s.body), s.key, after, "PEER_PROTOCOL")
			}
		}
	}
	return out
}

func tillVectors(t *testing.T) []tillVector {
	var out []tillVector
	good := flaw{name: "all is well", spoil: func(*deal) {}}
	part := flaw{name: "the guarantee covers a part", spoil: func(d *deal) { d.used = 1500 }}
	bound := flaw{name: "bound to this request", spoil: func(d *deal) {
		h := d.signRequest(t).Hash
		d.preauth.BoundTo, d.used = h[:], 2000
	}}
	for _, f := range append([]flaw{good, part, bound}, flaws...) {
		d := newDeal()
		f.spoil(d)
		root, limit := testPub(d.rootKey), d.exposure.Limits.Currencies["USD"]
		v := tillVector{
			Name: f.name, Root: hex.EncodeToString(root[:]), Bundle: hex.EncodeToString(mustSign(t, d.rootKey, d.bundle).Bytes),
			NowMs: d.now.UnixMilli(), Request: hex.EncodeToString(d.signRequest(t).Bytes), Cancelled: d.cancelled, Used: d.used,
			Customer:   hex.EncodeToString(d.customerCert.DeviceId),
			PaymentMax: limit.PaymentMax, TotalMax: limit.TotalMax, CountMax: d.exposure.Limits.CountMax,
			Total: d.exposure.Totals["USD"], Count: d.exposure.Count,
			PreauthCert: hex.EncodeToString(d.signPreauth(t)), Voucher: hex.EncodeToString(d.signVoucher(t)),
		}
		if !d.seen.Zero() {
			v.Seen = d.seen.String()
		}
		got, err := d.check(t)
		if v.Guaranteed, v.AtRisk = got.Guaranteed, got.AtRisk; err != nil {
			v.Code = Code(err)
		}
		out = append(out, v)
	}
	return out
}

// golden reads the vectors of a file, after it wrote them if asked to, and
// checks that the file says what is made from the fixtures today.
func golden[V comparable](t *testing.T, name string, today []V) []V {
	t.Helper()
	path := filepath.Join("testdata", "vectors", name)
	if *update {
		b, err := json.MarshalIndent(today, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, append(b, '\n'), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var stored []V
	if err := json.Unmarshal(b, &stored); err != nil {
		t.Fatal(err)
	}
	if len(stored) != len(today) {
		t.Fatalf("%s holds %d vectors, today there are %d; if that is meant, run with -update", path, len(stored), len(today))
	}
	for i := range stored {
		if stored[i] != today[i] {
			t.Errorf("%s: vector %d changed\nwas %+v\nnow %+v", path, i, stored[i], today[i])
		}
	}
	return stored
}

func TestObjectVectors(t *testing.T) {
	for _, v := range golden(t, "objects.json", objectVectors(t)) {
		got, err := openers[v.Kind](fromHex(t, v.Signed))
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		if err := got.check(PublicKey(fromHex(t, v.PublicKey))); err != nil || got.hash.String() != v.Hash {
			t.Errorf("%s: H = %s, want %s; %v", v.Name, got.hash, v.Hash, err)
		}
	}
}

func TestRefusedVectors(t *testing.T) {
	for _, v := range golden(t, "refused.json", refusedVectors(t)) {
		got, err := openers[v.Kind](fromHex(t, v.Signed))
		if err == nil {
			err = got.check(PublicKey(fromHex(t, v.PublicKey)))
		}
		if err == nil || Code(err) != v.Code {
			t.Errorf("%s: %v; want %s", v.Name, err, v.Code)
		}
	}
}

func TestTillVectors(t *testing.T) {
	for _, v := range golden(t, "till.json", tillVectors(t)) {
		trust, err := OpenTrust(PublicKey(fromHex(t, v.Root)), fromHex(t, v.Bundle))
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		request, err := Open[*peerv1.Request](fromHex(t, v.Request))
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		var seen Hash
		copy(seen[:], fromHex(t, v.Seen))
		till := Till{
			Trust: trust, Now: time.UnixMilli(v.NowMs), Request: request, Customer: ID(fromHex(t, v.Customer)), Cancelled: v.Cancelled,
			Seen:       func(ID, uint32) (Hash, bool) { return seen, v.Seen != "" },
			Guaranteed: func(ID) int64 { return v.Used },
			Exposure: Exposure{
				Limits: Limits{Currencies: map[string]Limit{"USD": {PaymentMax: v.PaymentMax, TotalMax: v.TotalMax}}, CountMax: v.CountMax},
				Totals: map[string]int64{"USD": v.Total}, Count: v.Count,
			},
		}
		got, err := till.CheckVoucher(fromHex(t, v.Voucher), fromHex(t, v.PreauthCert))
		if (err == nil) != (v.Code == "") || err != nil && Code(err) != v.Code || got.Guaranteed != v.Guaranteed || got.AtRisk != v.AtRisk {
			t.Errorf("%s: guaranteed %d, at risk %d, %v; want %s", v.Name, got.Guaranteed, got.AtRisk, err, v.Code)
		}
	}
}
