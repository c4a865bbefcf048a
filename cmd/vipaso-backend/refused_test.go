package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	wiring "github.com/vipaso/vipasod/cmd/internal/backend"
)

func TestWrongInput(t *testing.T) {
	s := serve(t, t.TempDir())
	defer s.stop()
	ada := s.create("customer_id", "customer", "create", "--name", "Ada")
	s.create("business_id", "business", "create", "--name", "A farm", "--mcc", "0742")
	gone := "0192f0c4-7f3a-7c11-b0a5-3d2f0c9e5a10"
	typo, unused := filepath.Join(t.TempDir(), "typo.db"), filepath.Join(t.TempDir(), "unused.db")
	must(t, os.WriteFile(unused, nil, 0o600))
	tests := []struct {
		name string
		args []string
		code int
		says string
	}{
		{"an unknown command", []string{"bank"}, exitUsage, `unknown command "bank"`},
		{"no subcommand", []string{"business"}, exitUsage, "vipaso-backend: admin business needs a subcommand\n"},
		{"a word too many", []string{"issuer", "list", "extra"}, exitUsage, `admin issuer list takes no argument, not "extra"`},
		{"an amount below zero", []string{"guarantee", "set", "-5.00", "USD"}, exitUsage, "Next: AMOUNT_SYNTAX"},
		{"no key", []string{"issuer", "withdraw"}, exitUsage, "vipaso-backend: admin issuer withdraw wants KEY\n"},
		{"evidence there is not", []string{"evidence", "export", gone, "-o", typo}, exitConflict, "Next: `vipaso-backend admin --dir DIR evidence list`"},
		{"an unknown flag", []string{"device", "list", "--all"}, exitUsage, "unknown flag"},
		{"no name", []string{"business", "create"}, exitUsage, "plain text"},
		{"a name that turns text around", []string{"business", "create", "--name", "a\u202eb"}, exitUsage, "plain text"},
		{"a category with five digits", []string{"business", "create", "--name", "A", "--mcc", "58120"}, exitUsage, "four digits"},
		{"a category with two digits", []string{"business", "create", "--name", "A", "--mcc", "12"}, exitUsage, `four digits, such as 5812 or 0742, not "12"`},
		{"a category that is no number", []string{"business", "create", "--name", "A", "--mcc", "abcd"}, exitUsage, "four digits"},
		{"a category with a sign", []string{"business", "create", "--name", "A", "--mcc", "+742"}, exitUsage, "four digits"},
		{"a time without a unit", []string{"enroll-code", "create", "--customer", ada, "--ttl", "5"}, exitUsage, `--ttl takes a time with its unit, such as 90s, 10m or 24h, not "5"`},
		{"an unknown payment", []string{"payment", "show", gone}, exitConflict, "Next: find the id with `vipasoctl payments list`"},
		{"a negative balance", []string{"instrument", "create", "--customer", ada, "--balance", "-1"}, exitUsage, "AMOUNT_SYNTAX"},
		{"too many decimals", []string{"instrument", "create", "--customer", ada, "--balance", "1.001"}, exitUsage, "AMOUNT_PRECISION"},
		{"an unknown currency", []string{"instrument", "create", "--customer", ada, "--currency", "ZZZ"}, exitUsage, "CURRENCY_UNKNOWN"},
		{"an unknown type", []string{"instrument", "create", "--customer", ada, "--type", "CASH"}, exitUsage, "CARD, BANK_ACCOUNT, MNO"},
		{"an id that is none", []string{"payment", "show", "7"}, exitUsage, "ids look like"},
		{"an unknown customer", []string{"instrument", "create", "--customer", gone, "--balance", "1"}, exitConflict, "not found"},
		{"an unknown instrument", []string{"instrument", "delegate", "--instrument", gone, "--to", ada}, exitConflict, "no such instrument"},
		{"an unknown device", []string{"device", "revoke", gone}, exitConflict, "not found"},
		{"an unknown business", []string{"enroll-code", "create", "--business", gone}, exitConflict, "not found"},
		{"nobody to enroll", []string{"enroll-code", "create"}, exitUsage, "--business ID and --customer ID"},
		{"no time to enroll", []string{"enroll-code", "create", "--customer", ada, "--ttl", "0s"}, exitUsage, "ttl"},
		{"no key file", []string{"enroll-token", "create", "--customer", ada, "--jwk", "/no/such/file"}, exitUsage, "--jwk"},
		{"arguments missing", []string{"guarantee", "set", "1.00"}, exitUsage, "vipaso-backend: admin guarantee set wants AMOUNT CUR\n"},
		{"postgres", []string{"--db", "postgres://x", "device", "list"}, exitConfig, "comes later"},
		{"a database that is not there", []string{"--db", "sqlite:" + typo, "ledger", "check"}, exitConfig, "no database at " + typo},
		{"an import into one", []string{"--db", "sqlite:" + typo, "import", "x"}, exitConfig, "no database at " + typo},
		{"a database nobody has used", []string{"--db", "sqlite:" + unused, "ledger", "check"}, exitConfig, "no backend has used the database"},
		{"another kind of database", []string{"--db", "x.db", "device", "list"}, exitConfig, "sqlite:PATH"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, out, errs := s.admin(tt.args...)
			if code != tt.code || !strings.Contains(errs, tt.says) || out != "" {
				t.Errorf("code %d, want %d; says %q%q, want %q", code, tt.code, out, errs, tt.says)
			}
		})
	}
}

// Each refusal says what, why and what to do next.
func TestServeRefusesWhatItCannotDo(t *testing.T) {
	dir, spoilt := t.TempDir(), t.TempDir()
	file, key := filepath.Join(dir, "file"), filepath.Join(spoilt, "root-key.pem")
	must(t, os.WriteFile(file, nil, 0o600))
	must(t, os.WriteFile(key, []byte("once a key"), 0o600))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { must(t, taken.Close()) }()
	port := taken.Addr().String()
	served := t.TempDir()
	other, err := os.Open(served)
	must(t, err)
	defer func() { must(t, other.Close()) }()
	must(t, syscall.Flock(int(other.Fd()), syscall.LOCK_EX)) // as a backend that serves from it does
	tests := []struct {
		name string
		args []string
		code int
		says []string
	}{
		{"a directory that is served", []string{"serve", "--dir", served}, exitConfig, []string{served + ": another backend serves", "Next: stop that one"}},
		{"no directory", []string{"serve"}, exitUsage, []string{"--dir is needed", "See: vipaso-backend serve --help"}},
		{"a file for a directory", []string{"serve", "--dir", file}, exitConfig, []string{"unusable directory", file, "Next: make the directory"}},
		{"a directory below a file", []string{"serve", "--dir", file + "/x"}, exitConfig, []string{file, "not a directory", "mkdir -p"}},
		{"a key that is none", []string{"serve", "--dir", spoilt}, exitConfig, []string{key + " holds no PEM", "Next: put the file back"}},
		{"postgres", []string{"serve", "--dir", dir, "--db", "postgres://x"}, exitConfig, []string{"comes later", "Next: use --db"}},
		{"a life that is too long", []string{"serve", "--dir", dir, "--preauth-life", "169h"}, exitUsage, []string{"preauth-life", "Next: ", "--help"}},
		{"a settlement that is too short", []string{"serve", "--dir", dir, "--settle-after", "1h"}, exitUsage, []string{"settle-after", "Next: "}},
		{"an address that is none", []string{"serve", "--dir", dir, "--listen", "8443"}, exitUsage, []string{"host:port", "Next: "}},
		{"a port that is taken", []string{"serve", "--dir", dir, "--listen", port}, exitConfig,
			[]string{"cannot listen on " + port + ": bind: address already in use", "Next: `ss -ltnp`", "--listen HOST:PORT"}},
		{"a level that is none", []string{"serve", "--dir", dir, "--log-level", "loud"}, exitUsage, []string{"--log-level"}},
		{"admin before the first start", []string{"admin", "--dir", t.TempDir(), "device", "list"}, exitConfig, []string{"was started", "Next: start the backend", "serve --dir"}},
		{"admin in a file", []string{"admin", "--dir", file, "device", "list"}, exitConfig, []string{"unusable directory", "not a directory"}},
		{"admin without a directory", []string{"admin", "device", "list"}, exitUsage, []string{"--dir is needed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := run(t.Context(), tt.args, &out, &errs)
			if code != tt.code {
				t.Errorf("code %d, want %d", code, tt.code)
			}
			for _, says := range tt.says {
				if !strings.Contains(errs.String(), says) {
					t.Errorf("says %q, want %q", errs.String(), says)
				}
			}
		})
	}
}

// A file of another user is not missing: it says whose to be.
func TestPermissionIsNamed(t *testing.T) {
	var out bytes.Buffer
	err := fmt.Errorf("%w: %w", wiring.ErrDir, &fs.PathError{Op: "open", Path: "/b/root-key.pem", Err: fs.ErrPermission})
	explain(&out, err)
	if code := exitCode(err); code != exitConfig || !strings.Contains(out.String(), "/b/root-key.pem") || !strings.Contains(out.String(), "ls -ld") {
		t.Errorf("code %d, says %q", code, out.String())
	}
}

// TestUnknownErrorHasANextStep: also what nobody has foreseen.
func TestUnknownErrorHasANextStep(t *testing.T) {
	var out bytes.Buffer
	if explain(&out, io.ErrUnexpectedEOF); !strings.Contains(out.String(), "Next: ") {
		t.Errorf("says %q", out.String())
	}
}
