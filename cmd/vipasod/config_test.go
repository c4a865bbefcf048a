package main

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// write makes a configuration file.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vipasod.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRoleIsTheOnlyKeyNeeded(t *testing.T) {
	got, _, err := Load(write(t, `role = "customer"`), nil, nil)
	want := defaults()
	want.Role = "customer"
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Load = %+v, %v, want the defaults", got, err)
	}
}

func TestLoadLayers(t *testing.T) {
	path := write(t, `role = "business"
display_name = "from file"
[backend]
splay = "3s"
retry_max = "30s"
[limits]
offline_total_max = { USD = "500.00", JPY = "70000" }
[grpc.roles]
cashier = ["user:ann"]
`)
	env := []string{
		"HOME=/root", "VIPASO_BACKEND_RETRY_MAX=20s", "VIPASO_LOG_LEVEL=debug", "VIPASO_DISPLAY_NAME=",
		"VIPASO_LIMITS_OFFLINE_PAYMENT_MAX=USD=10.00,EUR=9.00", "VIPASO_GRPC_ROLES_ADMIN=user:bob, group:staff",
		"VIPASO_SOCKET=/run/other.sock",
	}
	got, origins, err := Load(path, env, map[string]string{"log.level": "warn"})
	if err != nil {
		t.Fatal(err)
	}
	want := defaults()
	want.Role, want.DisplayName = "business", ""
	want.Backend = Backend{Splay: Duration(3 * time.Second), RetryMax: Duration(20 * time.Second)}
	want.Limits.OfflinePaymentMax = map[string]string{"USD": "10.00", "EUR": "9.00"}
	want.Limits.OfflineTotalMax = map[string]string{"USD": "500.00", "JPY": "70000"}
	want.GRPC.Roles = Roles{Cashier: []string{"user:ann"}, Admin: []string{"user:bob", "group:staff"}}
	want.Log.Level = "warn"
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Load = %+v\nwant   %+v", got, want)
	}
	for key, origin := range map[string]string{
		"role": path + ":1", "display_name": "environment VIPASO_DISPLAY_NAME", "store.dir": "default",
		"backend.splay": path + ":4", "backend.retry_max": "environment VIPASO_BACKEND_RETRY_MAX",
		"limits.offline_total_max": path + ":7", "grpc.roles.cashier": path + ":9", "log.level": "flag --set",
	} {
		if origins[key] != origin {
			t.Errorf("origin of %s = %q, want %q", key, origins[key], origin)
		}
	}
}

func TestEveryKeyHasAnOrigin(t *testing.T) {
	c, origins, err := Load("", []string{"VIPASO_ROLE=customer"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range settings(&c) {
		if origins[s.key] == "" {
			t.Errorf("%s has no origin", s.key)
		}
	}
	if len(origins) != len(settings(&c)) {
		t.Errorf("%d origins for %d keys", len(origins), len(settings(&c)))
	}
}

func TestLoadReportsEverything(t *testing.T) {
	_, _, err := Load(write(t, "role = \"till\"\n[log]\nlevel = \"loud\"\n"), []string{"VIPASO_RADIO_DRIVER=usb"}, nil)
	var wrong *InvalidError
	if !errors.As(err, &wrong) || len(wrong.Problems) != 3 {
		t.Fatalf("Load = %v, want three problems", err)
	}
	for i, want := range []string{":1: role", "environment VIPASO_RADIO_DRIVER: driver", ":3: level"} {
		if line := strings.Split(err.Error(), "\n")[i]; !strings.Contains(line, want) {
			t.Errorf("problem %d is %q, want %q", i, line, want)
		}
	}
}

func TestDuration(t *testing.T) {
	tests := map[string]string{"5m": "5m", "60s": "1m", "90m": "1h30m", "2h": "2h", "10s": "10s", "1h0m5s": "1h0m5s", "0s": "0s", "20m": "20m"}
	for text, want := range tests {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := d.MarshalText(); err != nil || string(got) != want {
			t.Errorf("%s is written %s (%v), want %s", text, got, err, want)
		}
	}
}

func TestNearest(t *testing.T) {
	tests := map[string]string{
		"radio.adaptor": "radio.adapter", "rol": "role", "store.path": "", "grpc.role.cashier": "grpc.roles.cashier",
	}
	for key, want := range tests {
		if got := nearest(key); got != want {
			t.Errorf("nearest(%q) = %q, want %q", key, got, want)
		}
	}
}
