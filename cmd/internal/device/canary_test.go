package device

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// A canary is a secret that must not sing: it is looked for, in every form in
// which it could be written by accident, where it must not be.
type canary struct {
	name  string
	forms [][]byte
}

// secretBytes is a canary of bytes such as a key.
func secretBytes(name string, b []byte) canary {
	c := canary{name: name, forms: [][]byte{
		b, []byte(hex.EncodeToString(b)), []byte(strings.ToUpper(hex.EncodeToString(b))),
		[]byte(spaced(b, ":")), []byte(spaced(b, " ")),
		[]byte(strings.Trim(fmt.Sprint(b), "[]")), []byte(strings.Trim(strings.ReplaceAll(fmt.Sprint(b), " ", ", "), "[]")),
		[]byte(new(big.Int).SetBytes(b).String()),
		[]byte(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:len(b)/5*5])),
	}}
	quoted, _ := json.Marshal(string(b))
	asText, _ := prototext.Marshal(wrapperspb.Bytes(b))
	_, asText, _ = bytes.Cut(asText, []byte{'"'})
	for _, text := range [][]byte{quoted[1:], []byte(strconv.Quote(string(b)))[1:], asText} {
		c.forms = append(c.forms, text[:len(text)-1])
	}
	slices.Reverse(b)
	c.forms = append(c.forms, slices.Clone(b)) // as numbers of the other byte order
	slices.Reverse(b)
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 { // in a longer text it begins anywhere in a group
			text := e.EncodeToString(slices.Concat(make([]byte, before), b))
			first := (before*8 + 5) / 6 // of the letters that depend on b alone
			last := (before + len(b)) * 8 / 6
			c.forms = append(c.forms, []byte(text[first:last]))
		}
	}
	return c
}

func spaced(b []byte, by string) string {
	var all []string
	for _, one := range b {
		all = append(all, fmt.Sprintf("%02x", one))
	}
	return strings.Join(all, by)
}

// secretText is a canary of text such as a code.
func secretText(name, text string) canary {
	c := secretBytes(name, []byte(text))
	return canary{name: name, forms: append(c.forms, []byte(strings.ReplaceAll(text, "-", "")), []byte(strings.ToLower(text)))}
}

// secretKeys are the private keys in what a directory's key files hold.
func secretKeys(t testing.TB, name string, der []byte) []canary {
	t.Helper()
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		t.Fatal(err)
	}
	all := []canary{secretBytes(name+", encoded", der)}
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		raw, err := k.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		return append(all, secretBytes(name, raw))
	case interface{ Bytes() []byte }:
		return append(all, secretBytes(name, k.Bytes()))
	}
	t.Fatalf("%s is a %T", name, key)
	return nil
}

// sings names the canaries that are in text.
func sings(text []byte, cage []canary) []string {
	var heard []string
	for _, c := range cage {
		if slices.ContainsFunc(c.forms, func(form []byte) bool { return bytes.Contains(text, form) }) {
			heard = append(heard, c.name)
		}
	}
	return heard
}

// logged is b as an attribute of a log line.
func logged(b []byte) string {
	var line bytes.Buffer
	slog.New(slog.NewTextHandler(&line, nil)).Info("key", "value", string(b), "again", b)
	return line.String()
}

// TestCanariesSing: whatever way a key is written, it is heard; what is like
// one is not.
func TestCanariesSing(t *testing.T) {
	secret := make([]byte, 32)
	for i := range secret {
		secret[i] = byte(37*i + 11)
	}
	other := bytes.Clone(secret)
	other[31]++
	cage := []canary{secretBytes("key", secret), secretText("code", "ABCD-EFGH-IJKL-MNOP")}
	reversed := bytes.Clone(secret)
	slices.Reverse(reversed)
	for name, text := range map[string]string{
		"raw": string(secret), "in a struct": "x" + string(secret) + "y", "the other byte order": string(reversed),
		"%x": fmt.Sprintf("%x", secret), "%X": fmt.Sprintf("%X", secret), "% x": fmt.Sprintf("% x", secret), "%v": fmt.Sprintf("key=%v", secret),
		"a Go literal": strings.Trim(fmt.Sprint(secret), "[]"), "with colons": spaced(secret, ":"), "decimal": new(big.Int).SetBytes(secret).String(),
		"base64": base64.StdEncoding.EncodeToString(secret), "base64url": base64.RawURLEncoding.EncodeToString(secret),
		"within base64": base64.StdEncoding.EncodeToString([]byte("a" + string(secret) + "bcd")), "within base64url": base64.URLEncoding.EncodeToString([]byte("ab" + string(secret) + "c")),
		"%q": fmt.Sprintf("%q", secret), "a log line": logged(secret), "a message": prototext.Format(wrapperspb.Bytes(secret)),
		"base32": base32.StdEncoding.EncodeToString(secret), "PEM": "-----BEGIN X-----\n" + base64.StdEncoding.EncodeToString(secret) + "\n",
	} {
		if got := sings([]byte(text), cage); !slices.Equal(got, []string{"key"}) {
			t.Errorf("%s: heard %q in %q", name, got, text)
		}
		like := strings.ReplaceAll(text, string(secret), string(other))
		if like != text && len(sings([]byte(like), cage)) > 0 {
			t.Errorf("%s: heard another key", name)
		}
	}
	for _, text := range []string{"code ABCD-EFGH-IJKL-MNOP.", "abcd-efgh-ijkl-mnop", "ABCDEFGHIJKLMNOP", base64.StdEncoding.EncodeToString([]byte("code=ABCD-EFGH-IJKL-MNOP"))} {
		if got := sings([]byte(text), cage); !slices.Equal(got, []string{"code"}) {
			t.Errorf("heard %q in %q", got, text)
		}
	}
	if got := sings([]byte(fmt.Sprintf("%x and %x", other, other[:31])), cage); len(got) > 0 {
		t.Errorf("heard %q in another key", got)
	}
}
