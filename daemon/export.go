package daemon

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"google.golang.org/grpc"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

const (
	chunkMax   = 32 << 10 // bytes of a file in one message
	exportPage = 500
	backupName = "backup.tmp" // in the store's directory
)

// chunks is a writer that cuts what is written into pieces and sends them.
type chunks struct{ send func([]byte) error }

// Write implements io.Writer.
func (c chunks) Write(b []byte) (int, error) {
	n := 0
	for piece := range slices.Chunk(b, chunkMax) {
		if err := c.send(slices.Clone(piece)); err != nil {
			return n, err
		}
		n += len(piece)
	}
	return n, nil
}

// BackupStore implements devicev1.DeviceServiceServer. Payments wait while the
// copy is made, but not while it is sent.
func (s *deviceService) BackupStore(_ *devicev1.BackupStoreRequest, stream grpc.ServerStreamingServer[devicev1.BackupStoreResponse]) error {
	f, err := s.copyStore(stream.Context())
	if err != nil {
		return err
	}
	defer f.Close()
	buffer := make([]byte, chunkMax)
	_, err = io.CopyBuffer(chunks{func(b []byte) error {
		return stream.Send(&devicev1.BackupStoreResponse{Chunk: b})
	}}, onlyReader{f}, buffer)
	return err
}

// onlyReader hides what else a file can do, so that io.CopyBuffer reads it
// piece by piece.
type onlyReader struct{ io.Reader }

// copyStore makes a consistent copy of the store and returns it, open. The
// file has no name any more: it is gone when it is closed, or with the
// process.
func (s *deviceService) copyStore(ctx context.Context) (*os.File, error) {
	s.copying.Lock()
	defer s.copying.Unlock()
	path := filepath.Join(s.d.opt.Dir, backupName)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err // a crash left it here
	}
	if err := s.d.store.Backup(ctx, path); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	return f, errors.Join(err, os.Remove(path))
}

// CheckStore implements devicev1.DeviceServiceServer.
func (s *deviceService) CheckStore(ctx context.Context, _ *devicev1.CheckStoreRequest) (*devicev1.CheckStoreResponse, error) {
	problems, err := s.d.store.Check(ctx)
	if err != nil {
		return nil, err
	}
	return &devicev1.CheckStoreResponse{Ok: len(problems) == 0, Problems: problems}, nil
}

// ExportPayments implements devicev1.DeviceServiceServer.
func (s *deviceService) ExportPayments(req *devicev1.ExportPaymentsRequest, stream grpc.ServerStreamingServer[devicev1.ExportPaymentsResponse]) error {
	return s.d.export(stream.Context(), req.GetUnsyncedOnly(), func(p *paymentv1.Payment) error {
		return stream.Send(&devicev1.ExportPaymentsResponse{Payment: p})
	})
}

// export calls send with every payment, oldest first, with its signed objects.
// Which payments is settled when it begins; each is as it stands when it is
// its turn.
func (d *Device) export(ctx context.Context, unsynced bool, send func(*paymentv1.Payment) error) error {
	if d.business() {
		list := func(f store.Filter) ([]store.Sale, string, error) { return d.store.Sales(ctx, f) }
		return backwards(unsynced, list, func(v store.Sale) [16]byte { return v.ID }, func(id [16]byte) error {
			v, err := d.store.Sale(ctx, id)
			if err != nil {
				return err
			}
			p, err := d.exportedSale(ctx, v)
			if err != nil {
				return err
			}
			return send(p)
		})
	}
	list := func(f store.Filter) ([]store.Attempt, string, error) { return d.store.Attempts(ctx, f) }
	return backwards(unsynced, list, func(v store.Attempt) [32]byte { return v.Request }, func(request [32]byte) error {
		v, err := d.store.Attempt(ctx, request)
		if err != nil {
			return err
		}
		p, err := d.exportedAttempt(ctx, v)
		if err != nil {
			return err
		}
		return send(p)
	})
}

// exportedSale returns a payment with the signed objects that there are, also
// while no receipt is given out yet.
func (d *Device) exportedSale(ctx context.Context, v store.Sale) (*paymentv1.Payment, error) {
	p, err := d.shownSale(ctx, v)
	if err != nil || p.Receipt != nil || v.Winner.Zero() {
		return p, err
	}
	ask, err := d.store.Ask(ctx, v.Winner)
	if err != nil {
		return nil, err
	}
	p.Receipt = evidence(ask.RequestBytes, ask.Voucher, ask.VoucherBytes)
	return p, nil
}

// exportedAttempt is exportedSale of a customer.
func (d *Device) exportedAttempt(ctx context.Context, v store.Attempt) (*paymentv1.Payment, error) {
	p, err := d.shownAttempt(ctx, v)
	if err == nil && p.Receipt == nil {
		p.Receipt = evidence(v.RequestBytes, v.Attempt.Voucher, v.VoucherBytes)
	}
	return p, err
}

// evidence is a receipt without the till's word, nil without a promise.
func evidence(request []byte, voucher preauth.Hash, voucherBytes []byte) *paymentv1.ReceiptData {
	r, b, err := requestOf(request)
	if err != nil || len(voucherBytes) == 0 {
		return nil
	}
	return receiptData(r, b, voucher, voucherBytes, nil)
}

// backwards pages through a list from the newest to the oldest, keeps the keys
// alone, and then visits them from the oldest on.
func backwards[T any, K comparable](unsynced bool, list func(store.Filter) ([]T, string, error), key func(T) K, visit func(K) error) error {
	var keys []K
	for f := (store.Filter{Unsynced: unsynced, Limit: exportPage}); ; {
		page, next, err := list(f)
		if err != nil {
			return err
		}
		for _, v := range page {
			keys = append(keys, key(v))
		}
		if f.After = next; next == "" {
			break
		}
	}
	for _, k := range slices.Backward(keys) {
		if err := visit(k); err != nil {
			return err
		}
	}
	return nil
}
