package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// unit is a unit of deploy: the values of each key, in order.
type unit map[string][]string

func readUnit(t *testing.T, name string) unit {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	u := unit{}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			u[key] = append(u[key], value)
		}
	}
	return u
}

// one returns the only value of a key.
func (u unit) one(t *testing.T, key string) string {
	t.Helper()
	if len(u[key]) != 1 {
		t.Fatalf("%s= has the values %q", key, u[key])
	}
	return u[key][0]
}

// flag returns what ExecStart= gives a flag.
func (u unit) flag(t *testing.T, name string) string {
	t.Helper()
	words := strings.Fields(u.one(t, "ExecStart"))
	for i, word := range words[:len(words)-1] {
		if word == "--"+name {
			return words[i+1]
		}
	}
	t.Fatalf("%q has no --%s", words, name)
	return ""
}

// TestUnitsAgree: the units, the users and the packaged configuration name the
// same places.
func TestUnitsAgree(t *testing.T) {
	c, _, err := Load(filepath.Join(root, "deploy", "vipasod.toml"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	daemon, radio, uplink := readUnit(t, "vipasod.service"), readUnit(t, "vipasod-radio.service"), readUnit(t, "vipasod-uplink.service")
	users, err := os.ReadFile(filepath.Join(root, "deploy", "vipasod.sysusers"))
	if err != nil {
		t.Fatal(err)
	}
	for _, same := range []struct{ what, a, b string }{
		{"radio socket", c.Radio.Socket, radio.flag(t, "socket")},
		{"its directory", filepath.Dir(c.Radio.Socket), "/run/" + radio.one(t, "RuntimeDirectory")},
		{"uplink socket", c.Backend.Uplink, uplink.flag(t, "socket")},
		{"its directory", filepath.Dir(c.Backend.Uplink), "/run/" + uplink.one(t, "RuntimeDirectory")},
		{"API socket's directory", filepath.Dir(c.GRPC.Socket), "/run/" + daemon.one(t, "RuntimeDirectory")},
		{"group of the API", socketGroup, daemon.one(t, "Group")},
		{"store", c.Store.Dir, "/var/lib/" + daemon.one(t, "StateDirectory")},
		{"configuration of the daemon", defaultConfig, daemon.flag(t, "config")},
		{"configuration of the radio", defaultConfig, radio.flag(t, "config")},
		{"network of the daemon", daemon.one(t, "PrivateNetwork"), "yes"},
	} {
		if same.a != same.b {
			t.Errorf("%s: %q and %q", same.what, same.a, same.b)
		}
	}
	for _, u := range []unit{radio, uplink} {
		if member := "m " + daemon.one(t, "User") + " " + u.one(t, "Group") + "\n"; !strings.Contains(string(users), member) {
			t.Errorf("vipasod.sysusers has no %q", member)
		}
	}
}
