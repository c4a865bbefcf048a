package daemon

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/store"
)

func diagnosis(t testing.TB, b *bench) map[string]*devicev1.Check {
	t.Helper()
	resp, err := b.device(observer).Diagnose(t.Context(), &devicev1.DiagnoseRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	all := map[string]*devicev1.Check{}
	for _, c := range resp.GetChecks() {
		names = append(names, c.GetName())
		all[c.GetName()] = c
		if c.GetResult() == devicev1.CheckResult_CHECK_RESULT_UNSPECIFIED || c.GetDetail() == "" {
			t.Errorf("%s says nothing: %v", c.GetName(), c)
		}
		if c.GetResult() != isOK && c.GetNextStep() == "" {
			t.Errorf("%s does not say what to do: %v", c.GetName(), c)
		}
	}
	want := []string{"store", "keys", "enrollment", "radio", "clock", "backend", "trust bundle", "outbox", "limits", "disk"}
	if !slices.Equal(names, want) {
		t.Errorf("looked at %q, want %q", names, want)
	}
	return all
}

// bad lists the checks that did not come out OK, with their reasons.
func bad(all map[string]*devicev1.Check) string {
	var list []string
	for name, c := range all {
		if c.GetResult() != isOK {
			word := strings.ToLower(strings.TrimPrefix(c.GetResult().String(), "CHECK_RESULT_"))
			list = append(list, name+" "+word+" "+c.GetReason())
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func TestDoctor(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(t *testing.T) *bench
		want string
	}{
		{"a till that is offline is well", func(t *testing.T) *bench { return withHistory(t, asTill, payment.Settled, payment.Provisional) }, ""},
		{"a customer that is offline is well", func(t *testing.T) *bench { return withHistory(t, asCustomer, payment.Authorized) }, ""},
		{"a new device has to be enrolled", func(t *testing.T) *bench { return newBench(t, asTill, notEnrolled) }, "enrollment failed NOT_ENROLLED"},
		{"no adapter", func(t *testing.T) *bench {
			return newBench(t, asTill, func(o *Options, _ *papers) { o.Radio, o.RadioReason = nil, "ADAPTER_MISSING" })
		}, "radio failed ADAPTER_MISSING"},
		{"a radio that is down", func(t *testing.T) *bench {
			b := newBench(t, asTill, nil)
			b.radio.set(link.Status{Reason: "ADAPTER_RFKILL", Detail: "soft blocked"})
			return b
		}, "radio failed ADAPTER_RFKILL"},
		{"an old bundle", func(t *testing.T) *bench {
			return newBench(t, asTill, func(_ *Options, p *papers) { p.bundle.ServerTimeMs = time.Now().Add(-50 * time.Hour).UnixMilli() })
		}, "trust bundle warning BUNDLE_STALE"},
		{"a bundle that is too old", func(t *testing.T) *bench {
			return newBench(t, asTill, func(_ *Options, p *papers) { p.bundle.ServerTimeMs = time.Now().Add(-73 * time.Hour).UnixMilli() })
		}, "trust bundle failed BUNDLE_STALE"},
		{"a key that others may read", func(t *testing.T) *bench {
			b := newBench(t, asTill, nil)
			must(t, os.Chmod(filepath.Join(b.opt.Dir, "noise.key"), 0o640))
			return b
		}, "keys failed KEY_EXPOSED"},
		{"a key that is gone", func(t *testing.T) *bench {
			b := newBench(t, asTill, nil)
			must(t, os.Remove(filepath.Join(b.opt.Dir, "signing.key")))
			return b
		}, "keys failed KEY_UNUSABLE"},
		{"the key of another device", func(t *testing.T) *bench {
			b, other := newBench(t, asTill, nil), newBench(t, asTill, nil)
			must(t, os.Rename(filepath.Join(other.opt.Dir, "signing.key"), filepath.Join(b.opt.Dir, "signing.key")))
			return b
		}, "keys failed KEY_UNUSABLE"},
		{"a key that is no key", func(t *testing.T) *bench {
			b := newBench(t, asTill, nil)
			path := filepath.Join(b.opt.Dir, "noise.key")
			must(t, os.Remove(path))
			must(t, os.WriteFile(path, []byte("x"), 0o400))
			return b
		}, "keys failed KEY_UNUSABLE"},
		{"a limit that is reached", func(t *testing.T) *bench {
			b := newBench(t, asTill, func(_ *Options, p *papers) { p.cert.StoredCountMax = 1 })
			b.sold(1, payment.Provisional)
			return b
		}, "limits failed LIMIT_COUNT"},
		{"the store's directory is gone", func(t *testing.T) *bench {
			return newBench(t, asTill, func(o *Options, _ *papers) { o.Dir = filepath.Join(o.Dir, "gone") })
		}, "disk failed STORE_READ_ONLY, keys failed KEY_UNUSABLE"},
		{"a store that takes no writes", func(t *testing.T) *bench { return newReadOnly(t) }, "store failed MIGRATION_FAILED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := bad(diagnosis(t, tt.make(t))); got != tt.want {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// To look does not make what is missing: a new key would make a stranger of
// the device.
func TestDoctorMakesNoKeys(t *testing.T) {
	b := newBench(t, asTill, nil)
	path := filepath.Join(b.opt.Dir, "signing.key")
	must(t, os.Remove(path))
	diagnosis(t, b)
	if _, err := os.Stat(path); err == nil {
		t.Error("there is a new key")
	}
}

// A store whose counters contradict its payments is not believed: no device
// is made over it.
func TestDamagedStoreMakesNoDevice(t *testing.T) {
	b := withHistory(t, asTill, payment.Provisional)
	must(t, b.store.Close())
	path := filepath.Join(b.opt.Dir, "store.db")
	whole, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, whole[:len(whole)/2], 0o600))
	if _, err := store.Open(t.Context(), b.opt.Dir, store.Options{Role: store.Business}); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("opened: %v", err)
	}
}

// A store that contradicts itself is shown, exported and sealed, and nothing
// is paid with it: status and doctor say what to do.
func TestInconsistentStore(t *testing.T) {
	for _, tt := range []struct {
		role   peerv1.Role
		damage string
	}{
		{asTill, `UPDATE unsettled SET total = 1`},
		{asTill, `UPDATE head SET outbox = 0`},
		{asCustomer, `UPDATE unsettled SET count = 7`},
	} {
		b := withHistory(t, tt.role, payment.Settled, payment.Provisional)
		must(t, b.store.Close())
		edit(t, b.opt.Dir, tt.damage)
		b = reopen(t, b).run()
		got := outcomes(t, b)
		for name, why := range got {
			if why != "FailedPrecondition STORE_INCONSISTENT" && name != "CarrySealed" {
				t.Errorf("%s: %s: %s", tt.damage, name, why)
			}
		}
		for _, name := range []string{"GetStatus", "Diagnose", "WatchEvents", "CheckStore", "BackupStore", "ExportPayments", "SealPayments", "CreateDiagnosticsBundle"} {
			if got[name] != "" {
				t.Errorf("%s: %s: %s", tt.damage, name, got[name])
			}
		}
		if st := statusOf(t, b); st.GetStore().GetReason() != "STORE_INCONSISTENT" || st.GetNextStep() != nextOf("STORE_INCONSISTENT") {
			t.Errorf("%s: status %v", tt.damage, st)
		}
		f := b.checkStore(t.Context())
		if f.reason != "STORE_INCONSISTENT" || !strings.HasPrefix(f.detail, "takes no writes, schema ") || !strings.Contains(f.detail, ": ") {
			t.Errorf("%s: doctor says %+v", tt.damage, f)
		}
		stream, err := b.device(manager).ExportPayments(t.Context(), &devicev1.ExportPaymentsRequest{})
		if got := drain(t, stream, err); len(got) != 2 {
			t.Errorf("%s: exported %d", tt.damage, len(got))
		}
		if items, _ := b.sealed(); tt.role == asTill && len(items) != 1 { // this customer has no receipt
			t.Errorf("%s: sealed %d items", tt.damage, len(items))
		}
		ready := b.customer(observer).CheckReadiness
		if tt.role == asTill {
			_, err = b.business(cashier).SendPaymentRequestViaBle(t.Context(), &businessv1.SendPaymentRequestViaBleRequest{
				RequestId: namedID("call").String(), Amount: "1.00", Currency: "USD",
			})
			wantStatus(t, tt.damage, err, codes.FailedPrecondition, "STORE_INCONSISTENT")
			ready = b.business(observer).CheckReadiness
		}
		r, err := ready(t.Context(), &paymentv1.CheckReadinessRequest{})
		must(t, err)
		if r.GetReady() || r.GetProblems()[0].GetReason() != "STORE_INCONSISTENT" {
			t.Errorf("%s: ready %v", tt.damage, r)
		}
	}
}

// edit changes a closed store behind its back.
func edit(t testing.TB, dir, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(dir, "store.db")) // the driver that package store brings
	must(t, err)
	_, err = db.ExecContext(t.Context(), statement)
	must(t, err)
	must(t, db.Close())
}

// reopen returns the device over its closed store, as after a restart.
func reopen(t testing.TB, b *bench) *bench {
	t.Helper()
	role := store.Customer
	if b.Device.business() {
		role = store.Business
	}
	st, err := store.Open(t.Context(), b.opt.Dir, store.Options{Role: role})
	must(t, err)
	t.Cleanup(func() { st.Close() })
	o := b.opt
	o.Store = st
	again := &bench{t: t, radio: b.radio, log: b.log}
	again.Device, err = New(t.Context(), o)
	must(t, err)
	return again
}

// newReadOnly returns a till with a settled and a provisional payment, whose
// store could not be migrated.
func newReadOnly(t testing.TB) *bench {
	t.Helper()
	b := withHistory(t, asTill, payment.Settled, payment.Provisional)
	must(t, b.store.Close())
	// The file looks older than it is, so the migration meets its own tables.
	edit(t, b.opt.Dir, `DELETE FROM goose_db_version WHERE version_id > 0`)
	return reopen(t, b)
}
