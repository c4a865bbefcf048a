package main

import (
	"errors"
	"strings"
	"testing"
)

// TestCaret shows the whole text of typical mistakes.
func TestCaret(t *testing.T) {
	tests := []struct {
		name, file, want string
	}{
		{"unknown key", "role = \"business\"\n[radio]\nadaptor = \"hci1\"\n", `FILE:3
what   unknown key "radio.adaptor"
  3 | adaptor = "hci1"
    | ^^^^^^^
why    A key that is not known is refused, because ignoring it would hide a mistake.
next   Write "adapter", if that is meant; ` + "`vipasod config example`" + ` shows every key.
`},
		{"wrong type", "role = \"business\"\n[radio]\nadapter = 1\n", `FILE:3
what   wrong kind of value
  3 | adapter = 1
    |           ^
why    radio.adapter takes text in quotes.
next   ` + nextExample + "\n"},
		{"duration without unit", "role = \"business\"\n[backend]\nsplay = \"5\"\n", `FILE:3
what   "5" is not a time span such as "5s" or "1h30m"
  3 | splay = "5"
    |         ^^^
why    backend.splay takes a time span such as "5s".
next   ` + nextExample + "\n"},
		{"bad syntax", "role = business\n", `FILE:1
what   `},
		{"too many decimals", "role = \"business\"\n[limits]\noffline_payment_max = { EUR = \"1.00\", USD = \"12.001\" }\n", `FILE:3
what   12.001 has 3 decimals, USD has 2 decimals: more decimals than the currency has
  3 | offline_payment_max = { EUR = "1.00", USD = "12.001" }
    |                                             ^^^^^^^^
`},
		{"amount in a table of its own", "role = \"business\"\n[limits.offline_total_max]\nXXX = \"1\"\n", `FILE:3
what   `},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := write(t, test.file)
			_, _, err := Load(path, nil, nil)
			var wrong *InvalidError
			if !errors.As(err, &wrong) {
				t.Fatalf("Load = %v, want an InvalidError", err)
			}
			got := strings.ReplaceAll(wrong.Explain(), path, "FILE")
			if !strings.HasPrefix(got, "CONFIG_INVALID  "+test.want) {
				t.Errorf("Load explains\n%s\nwant\n%s", got, test.want)
			}
			if strings.Contains(got, "main.") {
				t.Errorf("the explanation speaks of Go types:\n%s", got)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	long := "/run/" + strings.Repeat("x", 110)
	tests := []struct {
		key, value, want string
	}{
		{"role", "", "role is not set"},
		{"role", "till", `role "till" is not known`},
		{"display_name", strings.Repeat("x", 65), "64 bytes"},
		{"display_name", "a\tb", "64 bytes"},
		{"radio.driver", "usb", "is not known"},
		{"radio.driver", "sim", "needs sim_socket"},
		{"radio.adapter", "hci", "is not an adapter"},
		{"radio.adapter", "1", "is not an adapter"},
		{"radio.adapter", "addr:00:1A:7D:DA:71", "is not an adapter"},
		{"radio.adapter", "hci1 ", "is not an adapter"},
		{"radio.socket", long, "bytes"},
		{"radio.sim_socket", long, "bytes"},
		{"radio.service_uuid", "8f11af12", "is not a UUID"},
		{"radio.service_uuid", "{8f11af12-7361-4e72-a216-930647831153}", "is not a UUID"},
		{"radio.service_uuid", "DBF8882B-260D-49CE-897E-DBDBD5AFEF4F", "is the same as"},
		{"radio.read_uuid", "13a7f011-f733-4540-9845-0f1a96707a1c", "is the same as radio.write_uuid"},
		{"store.dir", "", "is empty"},
		{"backend.url", "http://pay.example.com", "is not the URL"},
		{"backend.url", "pay.example.com:8443", "is not the URL"},
		{"backend.url", "https://pay.example.com/v1", "is not the URL"},
		{"backend.url", "https://user:pw@pay.example.com", "is not the URL"},
		{"backend.splay", "-1s", "backend.splay is -1s"},
		{"backend.splay", "6m", "backend.splay is 6m0s"},
		{"backend.splay", "soon", "not a time span"},
		{"backend.retry_max", "0s", "backend.retry_max is 0s"},
		{"limits.offline_payment_max", "USD=1e9", "not an amount"},
		{"limits.offline_payment_max", "USD", "not written as"},
		{"limits.offline_total_max", "usd=1.00", "unknown currency"},
		{"limits.offline_total_max", "JPY=1.5", "more decimals"},
		{"limits.clock_skew", "2h", "limits.clock_skew is 2h"},
		{"grpc.socket", "", "is empty"},
		{"grpc.socket", long, "bytes"},
		{"grpc.roles.cashier", "vipaso", "neither user:NAME nor group:NAME"},
		{"grpc.roles.admin", "user:", "neither user:NAME nor group:NAME"},
		{"http.listen", "127.0.0.1:7480", "cannot be served"},
		{"log.level", "loud", "is not known"},
		{"log.lever", "info", "unknown key"},
	}
	for _, test := range tests {
		t.Run(test.key+"="+test.value, func(t *testing.T) {
			flags := map[string]string{"role": "business"}
			flags[test.key] = test.value
			_, _, err := Load("", nil, flags)
			var wrong *InvalidError
			if !errors.As(err, &wrong) || len(wrong.Problems) != 1 {
				t.Fatalf("Load = %v, want one problem", err)
			}
			p := wrong.Problems[0]
			if !strings.Contains(p.What, test.want) || p.Origin == "" || p.Why == "" || p.Next == "" {
				t.Errorf("problem %+v, want %q", p, test.want)
			}
		})
	}
}

func TestLoadAccepts(t *testing.T) {
	for key, value := range map[string]string{
		"radio.adapter": "addr:00:1a:7D:DA:71:13", "backend.url": "https://[::1]:8443/",
		"backend.splay": "0s", "limits.offline_total_max": "KWD=1.234", "grpc.roles.manager": "user:1000,group:staff",
	} {
		if _, _, err := Load("", nil, map[string]string{"role": "customer", key: value}); err != nil {
			t.Errorf("%s = %s: %v", key, value, err)
		}
	}
}

func TestUnknownEnvironment(t *testing.T) {
	_, _, err := Load("", []string{"VIPASO_ROLE=business", "VIPASO_RADIO_ADAPTOR=hci1"}, nil)
	if err == nil || !strings.Contains(err.Error(), "environment VIPASO_RADIO_ADAPTOR") {
		t.Errorf("Load = %v, want the variable named", err)
	}
}
