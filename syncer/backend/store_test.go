package backend

import (
	"context"
	"crypto/ecdsa"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/ledger"
)

func TestOpenRefusesWhatItCannotUse(t *testing.T) {
	for _, bad := range []string{"", "books.db", "sqlite:", "postgres://x/y", "sqlite:/no/such/dir/books.db"} {
		if _, err := Open(t.Context(), bad); !errors.Is(err, ErrDatabase) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := Open(t.Context(), "postgres://x/y"); !strings.Contains(err.Error(), "comes later") {
		t.Errorf("postgres: %v", err)
	}
}

func TestPragmasAreReadBack(t *testing.T) {
	s, err := connect(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "a b?c.db"))
	must(t, err)
	defer func() { must(t, s.Close()) }()
	if _, err := s.writer.Exec("PRAGMA synchronous = NORMAL"); err != nil {
		t.Fatal(err)
	}
	if err := checkPragmas(t.Context(), s.writer); !errors.Is(err, ErrDurability) {
		t.Errorf("synchronous NORMAL: %v", err)
	}
}

func TestTwoProcessesShareTheBooks(t *testing.T) {
	b := newBench(t, Options{})
	beside, err := Open(t.Context(), "sqlite:"+b.path)
	must(t, err)
	defer func() { must(t, beside.Close()) }()
	admin := Admin{Store: beside, Now: b.now}
	done := make(chan error, 2)
	for _, a := range []Admin{admin, b.admin} {
		go func() {
			for i := range 20 {
				if _, err := a.CreateCustomer(b.ctx, fmt.Sprint("customer ", i)); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 2 {
		must(t, <-done)
	}
	b.count(t, "customers", `SELECT count(*) FROM customers`, 40)
}

func TestBooksAreAppendOnly(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 100_00)
	s.till.expect(w.sale(s.till, 10_00).claim(), settled(10_00))
	for _, query := range []string{
		`UPDATE postings SET amount = amount + 1`, `DELETE FROM postings`, `UPDATE verdicts SET paid = 0`,
		`INSERT INTO postings (transfer_seq, kind, account_id, currency, amount) VALUES (1, 'ELSEWHERE', zeroblob(16), 'USD', 1)`,
		`UPDATE preauths SET limit_minor = 0`, `UPDATE preauths SET settle_by_ms = 0`,
	} {
		if err := s.store.Write(s.ctx, func(t Tx) error { return t.exec(query) }); err == nil {
			t.Errorf("%s went through", query)
		}
	}
}

func TestForeignKeysDoNotFit(t *testing.T) {
	b := newBench(t, Options{})
	other := b.authority
	other.Root = newKey(t)
	if _, err := New(b.ctx, b.store, other, Options{Now: b.now}); !errors.Is(err, ErrForeign) || !errors.Is(err, ErrDatabase) {
		t.Errorf("another root key: %v", err)
	}
}

// TestAKeyThatLiesAboutDoesNotTakeOver: a server that is given another issuer
// key than the books name does not sign with it, and starts only if it can find
// the one they name.
func TestAKeyThatLiesAboutDoesNotTakeOver(t *testing.T) {
	r := newRotor(t)
	before, named := r.refresh(r.till), r.authority.Issuer
	other := r.authority
	other.Issuer, other.Find = newKey(t), nil
	if _, err := New(r.ctx, r.store, other, Options{Now: r.now}); !errors.Is(err, ErrForeign) {
		t.Errorf("without the key that signs: %v", err)
	}
	other.Find = func(preauth.PublicKey) (*ecdsa.PrivateKey, error) { return named, nil }
	r.authority = other
	r.restart()
	r.till.connect()
	if after := r.refresh(r.till); after.Epoch() != before.Epoch() || len(after.Bundle.Body.Issuers) != len(before.Bundle.Body.Issuers) {
		t.Errorf("bundle is %v", after.Bundle.Body)
	}
}

func TestFullBundleListsTheNewest(t *testing.T) {
	b := newBench(t, Options{})
	must(t, b.store.Write(b.ctx, func(t Tx) error {
		for i := range uint64(serialsMax + 10) {
			if err := t.listVoided(1<<34+i, b.now().Add(day)); err != nil {
				return err
			}
		}
		return nil
	}))
	must(t, b.store.Write(b.ctx, func(t Tx) error {
		if err := t.exec(`PRAGMA defer_foreign_keys = ON`); err != nil {
			return err
		}
		for i := range devicesMax + 10 {
			id := preauth.ID{byte(i), byte(i >> 8), 1}
			if err := t.putDevice(Device{ID: id, Party: Party{Business: preauth.ID{7}}, Created: b.now()}); err != nil {
				return err
			}
			if err := t.revokeDevice(id, b.now().Add(day)); err != nil {
				return err
			}
		}
		return t.putBusiness(Business{ID: preauth.ID{7}, Name: "Cafe Luna"}, b.now())
	}))
	b.authority.Sealing = sealingKey(t)
	find := b.rotateMuch()
	b.close()
	b.authority.Find = find
	b.open(Options{})
	must(t, b.store.Read(b.ctx, func(tx Tx) error {
		bundle, err := b.server.bundle(tx, b.now()) // it would not be made if it were too large
		if err != nil {
			return err
		}
		if n, m := len(bundle.Body.Issuers), len(bundle.Body.Handovers); n != issuersListed || m != preauth.HandoversMax {
			t.Errorf("%d issuers, %d handovers", n, m)
		}
		serials, devices := bundle.Body.RevokedSerials, bundle.Body.RevokedDevices
		if len(serials) != serialsMax || serials[serialsMax-1] != 1<<34+serialsMax+9 || len(devices) != devicesMax {
			t.Errorf("%d serials up to %d, %d devices", len(serials), serials[len(serials)-1], len(devices))
		}
		return nil
	}))
}

func TestOptionsAreBounded(t *testing.T) {
	b := newBench(t, Options{})
	for _, o := range []Options{
		{PreauthLife: PreauthLifeMax + 1}, {PreauthLife: time.Second - 1}, {SettleAfter: SettleAfterMin - 1},
	} {
		if _, err := New(b.ctx, b.store, b.authority, o); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestHealthNeedsNoCertificate(t *testing.T) {
	b := newBench(t, Options{})
	resp, err := healthv1.NewHealthClient(b.dial(nil, nil)).Check(b.ctx, &healthv1.HealthCheckRequest{})
	if err != nil || resp.Status != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("health is %v, %v", resp, err)
	}
}

func TestErrorsHaveReasons(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range conditions {
		err := toStatus(fmt.Errorf("about 17: %w", c.err))
		s := status.Convert(err)
		if s.Code() != c.code || reasonOf(err) != c.reason || Reason(c.err) != c.reason {
			t.Errorf("%v became %v with reason %s", c.err, s.Code(), reasonOf(err))
		}
		if !strings.Contains(s.Message(), "about 17") {
			t.Errorf("%v became %q", c.err, s.Message())
		}
		seen[c.reason] = true
	}
	for _, promised := range []string{
		"CODE_INVALID", "WRONG_ROLE", "PROOF_INVALID", "INSTRUMENT_NOT_FOUND", "NOT_PREAUTH_CAPABLE",
		"INSUFFICIENT_FUNDS", "CURRENCY_MISMATCH", "LIMIT_TOTAL", "REQUEST_ID_REUSED",
	} {
		if !seen[promised] {
			t.Errorf("the interface promises %s", promised)
		}
	}
	secret := toStatus(errors.New("disk at /srv/books is gone"))
	if s := status.Convert(secret); s.Code().String() != "Internal" || strings.Contains(s.Message(), "/srv") || reasonOf(secret) != "INTERNAL" {
		t.Errorf("callers are told %q", s.Message())
	}
}

func TestPanicIsOneCallsEnd(t *testing.T) {
	b := newBench(t, Options{})
	err := b.server.recovered(b.ctx, "boom")
	if got := status.Convert(toStatus(err)); got.Code().String() != "Internal" || strings.Contains(got.Message(), "boom") {
		t.Errorf("callers are told %v", got)
	}
}

func TestRunSweepsAndEnds(t *testing.T) {
	b := newBench(t, Options{})
	ctx, stop := context.WithCancel(b.ctx)
	done := make(chan error)
	go func() { done <- b.server.Run(ctx) }()
	b.server.wakeSweep()
	b.server.wakeSweep()
	stop()
	must(t, <-done)
}

// An explainer shows each step of the plan of each query before it runs.
type explainer struct {
	querier
	step func(query, step string)
}

func (e explainer) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := e.explain(ctx, query, args); err != nil {
		return nil, err
	}
	return e.querier.QueryContext(ctx, query, args...)
}

func (e explainer) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if err := e.explain(ctx, query, args); err != nil {
		e.step(query, "SCAN because "+err.Error())
	}
	return e.querier.QueryRowContext(ctx, query, args...)
}

func (e explainer) explain(ctx context.Context, query string, args []any) error {
	rows, err := e.querier.QueryContext(ctx, "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		return err
	}
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			return errors.Join(err, rows.Close())
		}
		e.step(query, step)
	}
	return errors.Join(rows.Err(), rows.Close())
}

// The queries that run per payment must find their rows by index, however
// large the books are.
func TestHotQueriesUseIndexes(t *testing.T) {
	b := newBench(t, Options{})
	id, hash, key, now := preauth.ID{1}, preauth.Hash{1}, preauth.PublicKey{1}, b.now()
	tests := []struct {
		name string
		run  func(Tx) error
	}{
		{"balance", func(t Tx) error { _, err := t.balance(ledger.Account{Kind: ledger.Held, ID: id}, "USD"); return err }},
		{"caller", func(t Tx) error { _, _, err := t.deviceKey(key); return err }},
		{"device", func(t Tx) error { _, _, err := t.device(id); return err }},
		{"signer", func(t Tx) error { _, err := t.signers(key.KeyID()); return err }},
		{"request", func(t Tx) error { _, _, err := t.request(hash); return err }},
		{"payment", func(t Tx) error { _, err := t.requestsOf(id); return err }},
		{"claim", func(t Tx) error { _, _, err := t.claim(hash); return err }},
		{"verdict", func(t Tx) error { _, _, err := t.verdict(1); return err }},
		{"hold", func(t Tx) error { _, _, err := t.hold(id); return err }},
		{"hold by request id", func(t Tx) error { _, _, err := t.holdByRequestID(id, id); return err }},
		{"bound holds", func(t Tx) error { _, err := t.holdsBoundTo(hash); return err }},
		{"open holds", func(t Tx) error { _, err := t.openHolds(id); return err }},
		{"ending holds", func(t Tx) error { _, err := t.holdsEnding(now, 100); return err }},
		{"next end", func(t Tx) error { _, err := t.nextEnd(); return err }},
		{"books of a hold", func(t Tx) error { _, err := t.books(hold{id: id}); return err }},
		{"books for a claim", func(t Tx) error { _, err := t.booksFor(hold{id: id, guarantee: 1}, id); return err }},
		{"vouchers", func(t Tx) error { _, err := t.vouchersAt(id, 1); return err }},
		{"sum of vouchers", func(t Tx) error { _, err := t.promisedAtMost(id, hash, 1); return err }},
		{"uncancelled vouchers", func(t Tx) error { _, err := t.uncancelled(id); return err }},
		{"evidence", func(t Tx) error { _, err := t.proven(id, overLimit); return err }},
		{"vouchers of a request", func(t Tx) error { _, err := t.vouchers(`request_hash = ?`, hash[:]); return err }},
		{"claims of a till", func(t Tx) error { _, err := t.claimsAt(id, id); return err }},
		{"kept Cancel", func(t Tx) error { _, err := t.cancelBy(hash, id); return err }},
		{"window", func(t Tx) error { _, _, err := t.window(id, id); return err }},
		{"registration", func(t Tx) error { _, err := t.registered(id); return err }},
		{"instruments", func(t Tx) error { _, err := t.instruments(id); return err }},
		{"instrument", func(t Tx) error { _, _, err := t.usable(id, id); return err }},
		{"currency", func(t Tx) error { _, _, err := t.nextCurrency("USD"); return err }},
		{"ended revocations", func(t Tx) error { _, err := t.revocationsEnded(now); return err }},
		{"credential", func(t Tx) error { _, _, err := t.enrollCode(hash); return err }},
		{"used credential", func(t Tx) error { _, _, err := t.enrollment(hash); return err }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			plans := 0
			must(t, b.store.Read(b.ctx, func(tx Tx) error {
				tx.sql = explainer{tx.sql, func(query, step string) {
					plans++
					if strings.HasPrefix(step, "SCAN") || strings.Contains(step, "TEMP B-TREE") {
						t.Errorf("%s: %s", query, step)
					}
				}}
				return tt.run(tx)
			}))
			if plans == 0 {
				t.Error("no query was explained")
			}
		})
	}
}

// A transaction that panics is taken back at once, whoever catches that: there
// is one connection that writes, and all others wait for it.
func TestAPanicLeavesTheBooksToOthers(t *testing.T) {
	b := newBench(t, Options{})
	for name, use := range map[string]func(context.Context, func(Tx) error) error{"write": b.store.Write, "read": b.store.Read} {
		for range 5 { // more than there are connections
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: no panic", name)
					}
				}()
				_ = use(context.WithoutCancel(b.ctx), func(tx Tx) error {
					if _, err := tx.epoch(); err != nil {
						t.Error(err)
					}
					panic("halfway")
				})
			}()
			ctx, stop := context.WithTimeout(b.ctx, time.Minute)
			if err := use(ctx, func(tx Tx) error { _, err := tx.epoch(); return err }); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			stop()
		}
	}
}
