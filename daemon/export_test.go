package daemon

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"google.golang.org/grpc"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// device returns a client of DeviceService.
func (b *bench) device(role callerRole) devicev1.DeviceServiceClient {
	return devicev1.NewDeviceServiceClient(b.serve(role))
}

// drain reads a stream to its end.
func drain[M any](t testing.TB, stream grpc.ServerStreamingClient[M], err error) []*M {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var all []*M
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
}

// A backup is a store of its own that holds the same, and leaves nothing
// behind in the directory.
func TestBackupStore(t *testing.T) {
	b := withHistory(t, asTill, payment.Settled, payment.Provisional)
	before := namesIn(t, b.opt.Dir)
	leftover := filepath.Join(b.opt.Dir, backupName)
	if err := os.WriteFile(leftover, []byte("of a crash"), 0o600); err != nil {
		t.Fatal(err)
	}
	stream, err := b.device(manager).BackupStore(t.Context(), &devicev1.BackupStoreRequest{})
	var copied bytes.Buffer
	for _, m := range drain(t, stream, err) {
		if len(m.GetChunk()) == 0 || len(m.GetChunk()) > chunkMax {
			t.Errorf("chunk of %d bytes", len(m.GetChunk()))
		}
		copied.Write(m.GetChunk())
	}
	if got := namesIn(t, b.opt.Dir); !slices.Equal(got, before) {
		t.Errorf("directory has %q, had %q", got, before)
	}
	restored := t.TempDir()
	if err := os.WriteFile(filepath.Join(restored, "store.db"), copied.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(t.Context(), restored, store.Options{Role: store.Business})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	sales, _, err := st.Sales(t.Context(), store.Filter{})
	if err != nil || len(sales) != 2 || sales[0].ID != paymentName(1) || sales[0].State != payment.Provisional {
		t.Errorf("restored %v (%v)", sales, err)
	}
}

func namesIn(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// The copy has no name while it is sent, and nobody else may read it while it
// has one.
func TestBackupFileIsPrivate(t *testing.T) {
	b := newBench(t, asTill, nil)
	f, err := (&deviceService{d: b.Device}).copyStore(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v)", info.Mode(), err)
	}
	if _, err := os.Stat(f.Name()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("still there by name: %v", err)
	}
}

func TestCheckStore(t *testing.T) {
	b := withHistory(t, asCustomer, payment.Settled, payment.Authorized)
	resp, err := b.device(manager).CheckStore(t.Context(), &devicev1.CheckStoreRequest{})
	if err != nil || !resp.GetOk() || len(resp.GetProblems()) > 0 {
		t.Errorf("sound store: %v (%v)", resp, err)
	}
}

func TestExportPayments(t *testing.T) {
	for _, tt := range []struct {
		role          peerv1.Role
		states        []payment.State
		all, unsynced string
	}{
		{asTill, tillStates, "0 1 2 3 4 5 6", "2 3 5"},
		{asCustomer, customerStates, "0 1 2 3 4 5 6", "2 3 4 5"},
	} {
		b := withHistory(t, tt.role, tt.states...)
		client := b.device(manager)
		for unsynced, want := range map[bool]string{false: tt.all, true: tt.unsynced} {
			stream, err := client.ExportPayments(t.Context(), &devicev1.ExportPaymentsRequest{UnsyncedOnly: unsynced})
			var got []*paymentv1.Payment
			for _, m := range drain(t, stream, err) {
				got = append(got, m.GetPayment())
			}
			wantNumbers(t, tt.role.String(), got, want)
			for _, p := range got {
				wantEvidence(t, p)
			}
		}
	}
}

// wantEvidence checks that what was promised is there as it was signed, also
// where there is no receipt yet.
func wantEvidence(t testing.TB, p *paymentv1.Payment) {
	t.Helper()
	switch state := p.GetState(); state {
	case paymentv1.PaymentState_PAYMENT_STATE_OPEN, paymentv1.PaymentState_PAYMENT_STATE_REQUESTED,
		paymentv1.PaymentState_PAYMENT_STATE_EXPIRED, paymentv1.PaymentState_PAYMENT_STATE_DECLINED:
		if p.GetReceipt() != nil {
			t.Errorf("%s has a receipt", state)
		}
	default:
		hash, err := promised(p)
		if err != nil || hash.String() != p.GetReceipt().GetVoucherHash() {
			t.Errorf("%s: voucher %s (%v), its hash is said to be %s", state, hash, err, p.GetReceipt().GetVoucherHash())
		}
		if r, err := preauth.Open[*peerv1.Request](p.GetReceipt().GetRequest()); err != nil || r.Hash.String() != p.GetRequestHash() {
			t.Errorf("%s: request %v (%v)", state, r, err)
		}
	}
}

// promised checks the signature of what a customer promised: a Voucher to the
// tills of these tests, a Charge by their customers.
func promised(p *paymentv1.Payment) (preauth.Hash, error) {
	key, b := preauth.PublicKeyOf(&fixedKey("customer").PublicKey), p.GetReceipt().GetVoucher()
	if p.GetRole() == paymentv1.Role_ROLE_BUSINESS {
		v, err := preauth.Open[*peerv1.Voucher](b)
		if err != nil {
			return v.Hash, err
		}
		return v.Hash, v.VerifiedBy(key)
	}
	c, err := preauth.Open[*peerv1.Charge](b)
	if err != nil {
		return c.Hash, err
	}
	return c.Hash, c.VerifiedBy(key)
}

// A long history is read page by page, and what comes or goes meanwhile
// disturbs nothing.
func TestExportReadsEveryPage(t *testing.T) {
	pages := map[string][]int{"": {9, 8, 7}, "b": {6, 5}, "c": {4}, "d": {}}
	next := map[string]string{"": "b", "b": "c", "c": "d"}
	var asked []string
	list := func(f store.Filter) ([]int, string, error) {
		asked = append(asked, f.After)
		if !f.Unsynced || f.Limit != exportPage {
			t.Errorf("filter %+v", f)
		}
		return pages[f.After], next[f.After], nil
	}
	var got []int
	visit := func(n int) error {
		got = append(got, n)
		return nil
	}
	if err := backwards(true, list, func(n int) int { return n }, visit); err != nil {
		t.Fatal(err)
	}
	if want := []int{4, 5, 6, 7, 8, 9}; !slices.Equal(got, want) {
		t.Errorf("visited %v, want %v", got, want)
	}
	if want := []string{"", "b", "c", "d"}; !slices.Equal(asked, want) {
		t.Errorf("asked for pages %q, want %q", asked, want)
	}
	broken := errors.New("disk")
	fails := func(store.Filter) ([]int, string, error) { return nil, "", broken }
	if err := backwards(true, fails, func(n int) int { return n }, visit); !errors.Is(err, broken) {
		t.Errorf("error of a page: %v", err)
	}
	if err := backwards(true, list, func(n int) int { return n }, func(int) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("error of a visit: %v", err)
	}
}

// Who stops reading ends the export.
func TestExportStopsWithItsReader(t *testing.T) {
	b := withHistory(t, asTill, payment.Settled, payment.Settled)
	left := errors.New("left")
	calls := 0
	err := b.export(t.Context(), false, func(*paymentv1.Payment) error {
		calls++
		return left
	})
	if !errors.Is(err, left) || calls != 1 {
		t.Errorf("%d calls: %v", calls, err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.export(gone, false, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("gone before: %v", err)
	}
}

func TestChunks(t *testing.T) {
	var got []int
	c := chunks{func(b []byte) error {
		got = append(got, len(b))
		return nil
	}}
	if n, err := c.Write(make([]byte, 2*chunkMax+1)); n != 2*chunkMax+1 || err != nil {
		t.Errorf("wrote %d (%v)", n, err)
	}
	if want := []int{chunkMax, chunkMax, 1}; !slices.Equal(got, want) {
		t.Errorf("chunks of %v, want %v", got, want)
	}
	broken := errors.New("stream")
	if n, err := (chunks{func([]byte) error { return broken }}).Write([]byte{1}); n != 0 || !errors.Is(err, broken) {
		t.Errorf("wrote %d (%v)", n, err)
	}
}
