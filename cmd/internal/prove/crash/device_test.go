//go:build amd64

package crash

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

const storeFile, storeHead = "store.db", "store.head"

// The flows of devices.
var (
	till = flow{name: "till", run: runTill, sound: soundAs(store.Business), file: storeFile, head: storeHead, fileMax: 260 << 10, diskMax: deviceDisk, balances: []string{
		`SELECT currency, count, total, guaranteed FROM unsettled`,
		`SELECT id, state, amount, tip, guaranteed FROM sales WHERE state IN ('AWAITING', 'PROVISIONAL')`,
	}}
	wallet = flow{name: "wallet", run: runWallet, sound: soundAs(store.Customer), file: storeFile, head: storeHead, fileMax: 260 << 10, diskMax: deviceDisk, balances: []string{
		`SELECT currency, count, total, guaranteed FROM unsettled`,
		`SELECT id, held, spent, counter FROM authorizations`,
		`SELECT payment, state, amount, tip FROM attempts WHERE voucher IS NOT NULL AND state NOT IN ('CANCELLED', 'OTHER_PAID', 'RELEASED')`,
	}}
	restored = flow{name: "restored", prepare: putBack, run: runRestored, sound: soundAs(store.Customer), file: storeFile, head: storeHead, returns: true}
)

// deviceDisk leaves room for some payments: devices take no writes with less
// than 8 MiB.
const deviceDisk = 8<<20 + 300<<10

// start is when all flows begin.
var start = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

func at(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }

func idOf(parts ...any) preauth.ID {
	h := hashOf(parts...)
	return preauth.ID(h[:16])
}

func hashOf(parts ...any) preauth.Hash { return sha256.Sum256([]byte(fmt.Sprint(parts...))) }

// A device is an open store in a flow.
type device struct {
	*store.Store
	told func()
}

func openDevice(dir, role string, told func(), weaken func(any) error) (*device, error) {
	s, err := store.Open(context.Background(), dir, store.Options{Role: role, Now: func() time.Time { return start }})
	if err != nil {
		return nil, err
	}
	if weaken != nil {
		err = weaken(s)
	}
	return &device{s, told}, err
}

// commit stores changes, one after the other, and tells of each.
func (d *device) commit(changes ...*store.Change) error {
	for _, c := range changes {
		if err := d.Commit(context.Background(), c); err != nil {
			return err
		}
		d.told()
	}
	return nil
}

// soundAs opens a store, looks at it, and closes it. A store that takes
// writes and has seen nothing but power cuts must have noted what it has
// taken, or it would be locked some day.
func soundAs(role string) func(dir string) error {
	return func(dir string) error {
		d, err := openDevice(dir, role, nil, nil)
		if err != nil {
			return err
		}
		if st, err := d.Stats(context.Background()); err != nil || st.Reason == store.Inconsistent {
			return errors.Join(fmt.Errorf("%w: %s", errShown, st.Detail), err, d.Close())
		}
		found, err := d.Check(context.Background())
		if err == nil && len(found) > 0 {
			err = fmt.Errorf("%w: %q", errReported, found)
		}
		return errors.Join(err, d.Close())
	}
}

// runTill sells often enough for the log to be folded into the file while it
// is open, and once more after it was closed.
func runTill(dir string, told func(), weaken func(any) error) error {
	sold := 0
	for _, n := range []int{34, 3} {
		d, err := openDevice(dir, store.Business, told, weaken)
		if err != nil {
			return err
		}
		if err := d.commit(identity(false)); err != nil {
			return err
		}
		for range n {
			sold++
			if err := d.commit(sells(sold)...); err != nil {
				return err
			}
		}
		if err := d.Close(); err != nil {
			return err
		}
	}
	return nil
}

// sells are the steps of the nth sale: asked, paid, and of some settled.
func sells(n int) []*store.Change {
	id := idOf("payment", n)
	v := store.Sale{
		Sale:   payment.Sale{ID: id, State: payment.Open, Rev: 1, UpdatedAt: at(n)},
		Amount: 12_00, Currency: "USD", Reference: fmt.Sprint("order ", n), Policy: store.PreferOnline,
		CreatedAt: at(n), Deadline: at(n + 60),
	}
	a := store.Ask{
		Ask: payment.Ask{Request: hashOf("request", n)}, Payment: id, Customer: idOf("customer"),
		CustomerCert: make([]byte, 300), RequestBytes: make([]byte, 500), Currency: "USD", ResumeKey: idOf("resume", n), CreatedAt: at(n),
	}
	asked := &store.Change{Sale: &v, Asks: []store.Ask{a}, Events: []*paymentv1.Event{opened(id)}, Floor: at(n)}
	paid, won := v, a
	won.Voucher, won.Receipt, won.VoucherBytes, won.CertBytes = hashOf("voucher", n), true, make([]byte, 300), make([]byte, 350)
	won.Preauth, won.Counter, won.Total, won.Guaranteed, won.StoredAt, won.Owed = idOf("preauth"), uint32(n), 12_00, 5_00, at(n), true
	paid.State, paid.Rev, paid.Winner, paid.Guaranteed = payment.Provisional, 2, won.Request, won.Guaranteed
	key := store.ItemKey{Kind: payment.ItemClaim, Request: a.Request}
	item := store.Item{ItemKey: key, Payment: id, Deadline: at(n + 1000), Total: 12_00, Currency: "USD", CreatedAt: at(n)}
	steps := []*store.Change{asked, {Sale: &paid, Asks: []store.Ask{won}, Outbox: []store.Item{item}, Events: []*paymentv1.Event{opened(id)}}}
	if n%8 == 0 {
		settled := paid
		settled.State, settled.Rev, settled.Settled, settled.VerdictBytes = payment.Settled, 3, 12_00, make([]byte, 200)
		steps = append(steps, &store.Change{Sale: &settled, Done: []store.ItemKey{key}})
	}
	return steps
}

func opened(id preauth.ID) *paymentv1.Event {
	return &paymentv1.Event{Event: &paymentv1.Event_PaymentOpened{PaymentOpened: &paymentv1.PaymentOpened{PaymentId: id.String(), Amount: "12.00", Currency: "USD"}}}
}

// runWallet enrolls, is locked and unlocked, gets a pre-authorization and
// pays with it, in two lives.
func runWallet(dir string, told func(), weaken func(any) error) error {
	on, err := authorization()
	if err != nil {
		return err
	}
	d, err := openDevice(dir, store.Customer, told, weaken)
	if err != nil {
		return err
	}
	if err := d.commit(identity(false), identity(true), &store.Change{Floor: at(1)}, identity(false), &store.Change{Put: []store.Authorization{on}}); err != nil {
		return err
	}
	for n := 1; n <= 4; n++ {
		if err := d.commit(pays(on, n)...); err != nil {
			return err
		}
	}
	if err := d.Close(); err != nil {
		return err
	}
	if d, err = openDevice(dir, store.Customer, told, weaken); err != nil {
		return err
	}
	if err := d.commit(pays(on, 5)...); err != nil {
		return err
	}
	if err := d.DueAll(context.Background()); err != nil {
		return err
	}
	told()
	return d.Close()
}

func identity(locked bool) *store.Change {
	return &store.Change{Identity: &store.Identity{DeviceCert: make([]byte, 300), BackendURL: "https://x", Locked: locked}}
}

// authorization returns a pre-authorization of 1000.00 USD.
func authorization() (store.Authorization, error) {
	seed := hashOf("issuer")
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:])
	if err != nil {
		return store.Authorization{}, err
	}
	id, instrument, owner, spender := idOf("preauth"), idOf("instrument"), idOf("owner"), preauth.PublicKeyOf(&key.PublicKey)
	cert, err := preauth.Sign(key, &peerv1.PreauthCert{
		PreauthId: id[:], Serial: 1, Spender: spender[:], InstrumentRef: instrument[:], OwnerRef: owner[:],
		Currency: "USD", Limit: 1_000_00, PaymentMax: 1_000_00, PaymentsMax: 1000,
		IssuedMs: start.UnixMilli(), SpendByMs: at(86_400).UnixMilli(), SettleByMs: at(1_000_000).UnixMilli(),
		Assurance: peerv1.Assurance_ASSURANCE_SOFTWARE,
	})
	return store.Authorization{Authorization: preauth.Authorization{Cert: cert, Instrument: instrument, Prev: cert.Hash}}, err
}

// pays are the steps of the nth payment: asked, accepted, received, and of
// some settled or cancelled.
func pays(on store.Authorization, n int) []*store.Change {
	a := store.Attempt{
		Attempt: payment.Attempt{
			Request: hashOf("request", n), Payment: idOf("payment", n), Business: idOf("till"),
			State: payment.Requested, Rev: 1, UpdatedAt: at(n),
		},
		RequestBytes: make([]byte, 500), Amount: 12_00, Currency: "USD", ResumeKey: idOf("resume", n), Code: "1234",
		CreatedAt: at(n), ExpiresAt: at(n + 60), Latest: true,
	}
	accepted := a
	accepted.State, accepted.Rev, accepted.Voucher, accepted.VoucherBytes = payment.Authorized, 2, hashOf("voucher", n), make([]byte, 300)
	accepted.Preauth, accepted.Instrument, accepted.Counter, accepted.SettleBy = on.ID(), on.Instrument, uint32(n), at(1_000_000)
	received := accepted
	received.State, received.Rev, received.Receipt, received.ReceiptBytes = payment.Provisional, 3, true, make([]byte, 150)
	ended := received
	ended.State, ended.Rev = payment.Settled, 4
	if n%2 == 0 {
		ended.State, ended.Cancel, ended.CancelBytes = payment.Cancelled, true, make([]byte, 150)
	}
	var steps []*store.Change
	for _, step := range []store.Attempt{a, accepted, received, ended} {
		steps = append(steps, &store.Change{Attempts: []store.Attempt{step}, Events: []*paymentv1.Event{opened(a.Payment)}, Floor: at(n)})
	}
	return steps
}

// putBack leaves a store as it is when an older copy was put back.
func putBack(dir string) error {
	path := filepath.Join(dir, storeFile)
	var copied []byte
	for i := range 2 {
		d, err := openDevice(dir, store.Customer, func() {}, nil)
		if err != nil {
			return err
		}
		if err := errors.Join(d.commit(identity(false), &store.Change{Floor: at(i)}), d.Close()); err != nil {
			return err
		}
		if i == 0 {
			if copied, err = os.ReadFile(path); err != nil {
				return err
			}
		}
	}
	return os.WriteFile(path, copied, 0o600)
}

// runRestored opens the older copy, works on while locked, and is unlocked.
// It tells only of a lock that is there.
func runRestored(dir string, told func(), weaken func(any) error) error {
	on, err := authorization()
	if err != nil {
		return err
	}
	for _, locked := range []bool{true, false} {
		d, err := openDevice(dir, store.Customer, told, weaken)
		if err != nil {
			return err
		}
		if id, err := d.Identity(context.Background()); err != nil || id.Locked != locked {
			return fmt.Errorf("locked is %v, want %v: %w", id.Locked, locked, err)
		}
		told()
		steps := []*store.Change{{Put: []store.Authorization{on}}, {Floor: at(9)}, identity(false)}
		if !locked {
			steps = pays(on, 1)
		}
		if err := errors.Join(d.commit(steps...), d.Close()); err != nil {
			return err
		}
	}
	return nil
}
