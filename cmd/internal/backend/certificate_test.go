package backend

import (
	"bytes"
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// served makes the certificate of a port, and fails if no device could use it.
func served(t *testing.T, dir, host string, now time.Time) tls.Certificate {
	t.Helper()
	a, err := loadAuthority(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	got, err := serverCertificate(dir, a, host, now)
	if err != nil {
		t.Fatal(err)
	}
	if now.Before(got.Leaf.NotBefore) || now.AddDate(3, 0, 0).After(got.Leaf.NotAfter) {
		t.Errorf("at %s it is valid from %s to %s", now, got.Leaf.NotBefore, got.Leaf.NotAfter)
	}
	public, private := encodeCert(got.Leaf.Raw), filepath.Join(t.TempDir(), "key")
	if err := writeKey(private, got.PrivateKey); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(private)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tls.X509KeyPair(public, key); err != nil {
		t.Errorf("the port has another key than its certificate: %v", err)
	}
	return got
}

// The port keeps its certificate as long as that serves, and gets another one
// when it does not.
func TestServerCertificate(t *testing.T) {
	now := time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		host  string
		after time.Duration
		lost  string
		fresh bool
	}{
		{"nothing has changed", "pay.example", time.Hour, "", false},
		{"another name", "till.example", time.Hour, "", true},
		{"its certificate is lost", "pay.example", time.Hour, serverFile, true},
		{"its key is lost", "pay.example", time.Hour, serverKeyFile, true},
		{"long after, for a process that may run long", "pay.example", serverLife - serverRenew + time.Hour, "", true},
		{"it was made when the clock was wrong", "pay.example", -100 * 24 * time.Hour, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			before := served(t, dir, "pay.example", now)
			if tt.lost != "" {
				if err := os.Remove(filepath.Join(dir, tt.lost)); err != nil {
					t.Fatal(err)
				}
			}
			after := served(t, dir, tt.host, now.Add(tt.after))
			if same := bytes.Equal(before.Leaf.Raw, after.Leaf.Raw); same == tt.fresh {
				t.Errorf("the same certificate: %v", same)
			}
			if err := after.Leaf.VerifyHostname(tt.host); err != nil {
				t.Error(err)
			}
		})
	}
}
