package backend

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"

	"github.com/mattn/go-sqlite3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
)

// A faultyDriver is SQLite whose next COMMIT goes wrong: end says what becomes
// of the transaction and what is reported.
type faultyDriver struct {
	address string
	end     func(driver.Tx) error
}

func (d *faultyDriver) Driver() driver.Driver { return &sqlite3.SQLiteDriver{} }

func (d *faultyDriver) Connect(context.Context) (driver.Conn, error) {
	c, err := d.Driver().Open(d.address)
	if err != nil {
		return nil, err
	}
	return faultyConn{c.(*sqlite3.SQLiteConn), d}, nil
}

type faultyConn struct {
	*sqlite3.SQLiteConn
	d *faultyDriver
}

func (c faultyConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	t, err := c.SQLiteConn.BeginTx(ctx, o)
	return faultyTx{t, c.d}, err
}

type faultyTx struct {
	driver.Tx
	d *faultyDriver
}

func (t faultyTx) Commit() error {
	if t.d.end == nil {
		return t.Tx.Commit()
	}
	return t.d.end(t.Tx)
}

// breakCommits puts a faulty disk below the writer.
func (b *bench) breakCommits(end func(driver.Tx) error) {
	b.t.Helper()
	must(b.t, b.store.writer.Close())
	d := &faultyDriver{address: "file:" + b.path + "?" + pragmas + "&_txlock=immediate", end: end}
	b.store.writer = sql.OpenDB(d)
	b.store.writer.SetMaxOpenConns(1)
}

var diskFault = sqlite3.Error{Code: sqlite3.ErrIoErr}

// Whether a COMMIT that reports a fault is on disk or not: nobody gets an
// answer from this process any more, nothing more is written, and the next
// process answers what the disk says.
func TestAFailedCommitEndsTheProcess(t *testing.T) {
	for _, tt := range []struct {
		name   string
		end    func(driver.Tx) error
		stored int
	}{
		{"not on disk", func(tx driver.Tx) error { return errors.Join(diskFault, tx.Rollback()) }, 0},
		{"on disk all the same", func(tx driver.Tx) error { return errors.Join(diskFault, tx.Commit()) }, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStreet(t)
			w := s.phone.preauthorize(s.card, 100_00)
			d, other := w.sale(s.till, 10_00), w.sale(s.till, 20_00)
			s.breakCommits(tt.end)
			run := make(chan error, 1)
			go func() { run <- s.server.Run(s.ctx) }()
			answers := make(chan error, 2)
			go func() {
				_, err := s.till.calls.Submit(s.ctx, &backendv1.SubmitRequest{Items: []*backendv1.Item{d.claim()}})
				answers <- err
			}()
			select {
			case err := <-run:
				if !errors.Is(err, ErrCommit) {
					t.Errorf("the server ends with %v", err)
				}
			case err := <-answers:
				t.Fatalf("answered before the server has ended: %v", err)
			}
			go func() { // a call that comes later, and only reads
				_, err := s.phone.calls.Refresh(s.ctx, &backendv1.RefreshRequest{})
				answers <- err
			}()
			if err := s.store.Write(s.ctx, func(Tx) error { t.Error("something is written"); return nil }); !errors.Is(err, ErrCommit) {
				t.Errorf("a later write: %v", err)
			}
			must(t, s.store.Close())
			s.grpc.Stop()
			for range 2 {
				if err := <-answers; status.Code(err) != codes.Unavailable || reasonOf(err) != err.Error() {
					t.Errorf("the answer is %v", err)
				}
			}
			must(t, <-s.served)

			s.open(Options{})
			for _, p := range []*party{s.till, s.phone} {
				p.connect()
			}
			s.count(t, "claims", `SELECT count(*) FROM claims`, tt.stored)
			s.till.expect(d.claim(), settled(10_00))
			s.till.expect(other.claim(), settled(20_00))
			if got := s.owed(s.till.owner); got != 30_00 {
				t.Errorf("the shop is owed %d", got)
			}
		})
	}
}

// A COMMIT that is refused before anything is written is no reason to end.
func TestARefusedCommitIsAnError(t *testing.T) {
	b := newBench(t, Options{})
	till := b.till(b.business("Cafe Luna"))
	err := b.store.Write(b.ctx, func(t Tx) error {
		return t.exec(`INSERT INTO requests (hash, payment_id, till_id, business_id, currency, total, bytes, received_ms, verdict_seq)
			SELECT zeroblob(32), zeroblob(16), id, business_id, 'USD', 1, x'', 0, 7 FROM devices WHERE id = ?`, till.id[:])
	})
	if err == nil || broken(err) {
		t.Errorf("a verdict that is not there: %v", err)
	}
	ctx, leave := context.WithCancel(b.ctx)
	err = b.store.Write(ctx, func(Tx) error { leave(); return nil })
	if !errors.Is(err, context.Canceled) && !errors.Is(err, sql.ErrTxDone) || errors.Is(err, ErrCommit) {
		t.Errorf("a caller that left: %v", err)
	}
	if _, err := b.admin.CreateCustomer(b.ctx, "Ada"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
