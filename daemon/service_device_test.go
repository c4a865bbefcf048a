package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/daemon/payment"
)

// A watcher knows that it watches before anything has happened, and misses
// nothing from then on.
func TestWatchEvents(t *testing.T) {
	b := newBench(t, asTill, nil)
	b.sold(1, payment.Settled)
	client := b.device(observer)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stream, err := client.WatchEvents(ctx, &devicev1.WatchEventsRequest{AfterSequence: 2})
	must(t, err)
	if _, err := stream.Header(); err != nil { // waits for the headers, before any event
		t.Fatal(err)
	}
	b.sold(2, payment.Expired)
	b.sold(3, payment.Settled)
	for sequence, kind := range []string{"payment_opened", "payment_opened", "payment_successful"} {
		m, err := stream.Recv()
		must(t, err)
		if e := bareEvent(m.GetEvent()); e.Sequence != uint64(sequence+3) || e.Type != kind {
			t.Errorf("event %+v, want %d %s", e, sequence+3, kind)
		}
	}
}

func TestWatchEventsFromTheBeginning(t *testing.T) {
	b := withHistory(t, asCustomer, payment.Authorized, payment.Declined)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stream, err := b.device(observer).WatchEvents(ctx, &devicev1.WatchEventsRequest{})
	must(t, err)
	for sequence := range uint64(3) {
		m, err := stream.Recv()
		if err != nil || m.GetEvent().GetSequence() != sequence+1 {
			t.Fatalf("event %v (%v), want %d", m, err, sequence+1)
		}
	}
}

func TestWatchEventsFromAnotherLog(t *testing.T) {
	stream, err := newBench(t, asTill, nil).device(observer).WatchEvents(t.Context(), &devicev1.WatchEventsRequest{AfterSequence: 1})
	must(t, err)
	_, err = stream.Recv()
	wantStatus(t, "after an event that never was", err, codes.OutOfRange, "WATCH_EXPIRED")
}

// calls are the calls of DeviceService with what they need to be let through.
// Each returns the first thing that comes back.
func deviceCalls(ctx context.Context, c devicev1.DeviceServiceClient) map[string]func() (any, error) {
	return map[string]func() (any, error){
		"BeginEnrollment": func() (any, error) { return c.BeginEnrollment(ctx, &devicev1.BeginEnrollmentRequest{}) },
		"CompleteEnrollment": func() (any, error) {
			return c.CompleteEnrollment(ctx, &devicev1.CompleteEnrollmentRequest{RequestId: namedID("complete").String(), BackendUrl: "https://127.0.0.1:1", CaPem: "x", Token: "x"})
		},
		"Enroll": func() (any, error) {
			return c.Enroll(ctx, &devicev1.EnrollRequest{RequestId: namedID("enroll").String(), BackendUrl: "https://127.0.0.1:1", CaPem: "x", Code: "x"})
		},
		"WatchAuthenticationState": func() (any, error) {
			return firstFrom(c.WatchAuthenticationState(ctx, &devicev1.WatchAuthenticationStateRequest{}))
		},
		"Logout": func() (any, error) {
			return c.Logout(ctx, &devicev1.LogoutRequest{RequestId: namedID("logout").String(), Force: true})
		},
		"GetStatus":   func() (any, error) { return c.GetStatus(ctx, &devicev1.GetStatusRequest{}) },
		"WatchStatus": func() (any, error) { return firstFrom(c.WatchStatus(ctx, &devicev1.WatchStatusRequest{})) },
		"Diagnose":    func() (any, error) { return c.Diagnose(ctx, &devicev1.DiagnoseRequest{}) },
		"WatchEvents": func() (any, error) { return firstFrom(c.WatchEvents(ctx, &devicev1.WatchEventsRequest{})) },
		"SyncNow":     func() (any, error) { return c.SyncNow(ctx, &devicev1.SyncNowRequest{}) },
		"SetLogLevel": func() (any, error) {
			return c.SetLogLevel(ctx, &devicev1.SetLogLevelRequest{RequestId: namedID("level").String(), Level: "info"})
		},
		"BackupStore": func() (any, error) { return firstFrom(c.BackupStore(ctx, &devicev1.BackupStoreRequest{})) },
		"GetTrust":    func() (any, error) { return c.GetTrust(ctx, &devicev1.GetTrustRequest{}) },
		"CheckStore":  func() (any, error) { return c.CheckStore(ctx, &devicev1.CheckStoreRequest{}) },
		"ExportPayments": func() (any, error) {
			return firstFrom(c.ExportPayments(ctx, &devicev1.ExportPaymentsRequest{}))
		},
		"ExportJournal": func() (any, error) {
			return firstFrom(c.ExportJournal(ctx, &devicev1.ExportJournalRequest{}))
		},
		"SealPayments": func() (any, error) { return firstFrom(c.SealPayments(ctx, &devicev1.SealPaymentsRequest{})) },
		"CarrySealed": func() (any, error) {
			return c.CarrySealed(ctx, &devicev1.CarrySealedRequest{Sealed: []byte{1}})
		},
		"Allow": func() (any, error) { return c.Allow(ctx, allowing("allow", ownLimits, time.Hour)) },
		"EndAllowance": func() (any, error) {
			return c.EndAllowance(ctx, &devicev1.EndAllowanceRequest{RequestId: namedID("end").String(), Kind: ownLimits})
		},
		"ScanRadio": func() (any, error) {
			return firstFrom(c.ScanRadio(ctx, &devicev1.ScanRadioRequest{For: durationpb.New(time.Second)}))
		},
		"CreateDiagnosticsBundle": func() (any, error) {
			return firstFrom(c.CreateDiagnosticsBundle(ctx, &devicev1.CreateDiagnosticsBundleRequest{}))
		},
	}
}

// firstFrom returns the first message of a stream, nil if it ends without one.
func firstFrom[M any](stream interface{ Recv() (*M, error) }, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	m, err := stream.Recv()
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	return m, err
}

// outcomes makes every call of DeviceService and returns the reasons of those
// that fail.
func outcomes(t testing.TB, b *bench) map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	calls := deviceCalls(ctx, b.device(admin))
	methods := methodsOf(devicev1.DeviceService_ServiceDesc)
	if len(calls) != len(methods) {
		t.Errorf("%d calls are tried, there are %d", len(calls), len(methods))
	}
	got := map[string]string{}
	for _, name := range methods {
		call := calls[name]
		if call == nil {
			t.Errorf("%s is not tried", name)
			continue
		}
		if _, err := call(); err != nil {
			got[name] = fmt.Sprintf("%s %s", status.Code(err), errorInfo(t, err).GetReason())
		}
	}
	return got
}

func wantOutcomes(t testing.TB, got, want map[string]string) {
	t.Helper()
	for name, reason := range got {
		if want[name] != reason {
			t.Errorf("%s: %q, want %q", name, reason, want[name])
		}
	}
	for name, reason := range want {
		if got[name] != reason {
			t.Errorf("%s: %q, want %q", name, got[name], reason)
		}
	}
}

// A device that is not enrolled answers everything that does not need a
// backend.
func TestDeviceServiceBeforeEnrollment(t *testing.T) {
	b := newBench(t, asCustomer, notEnrolled)
	b.change(deviceChange("LOGGED_OUT"))
	wantOutcomes(t, outcomes(t, b), map[string]string{
		"Enroll": "InvalidArgument FIELD_INVALID", "CompleteEnrollment": "InvalidArgument FIELD_INVALID", // no PEM
		"SyncNow": "FailedPrecondition NOT_ENROLLED", "Allow": "FailedPrecondition NOT_ENROLLED",
		"SealPayments": "FailedPrecondition NOT_ENROLLED", "CarrySealed": "FailedPrecondition NOT_ENROLLED",
		"GetTrust": "FailedPrecondition NOT_ENROLLED",
	})
}

// A store that could not be migrated is still shown, copied and exported;
// what would change it says why not.
func TestDeviceServiceOfAStoreWithoutWrites(t *testing.T) {
	b := newReadOnly(t)
	wantOutcomes(t, outcomes(t, b), map[string]string{
		"Enroll": "FailedPrecondition MIGRATION_FAILED", "CompleteEnrollment": "FailedPrecondition MIGRATION_FAILED",
		"Logout": "FailedPrecondition MIGRATION_FAILED", "SyncNow": "FailedPrecondition MIGRATION_FAILED",
		"Allow": "FailedPrecondition MIGRATION_FAILED", "EndAllowance": "FailedPrecondition MIGRATION_FAILED",
		"CarrySealed": "Unavailable OFFLINE", // the backend of this test; the store has no part in it
	})
	st := statusOf(t, b)
	if st.GetStore().GetWritable() || st.GetStore().GetReason() != "MIGRATION_FAILED" || len(st.GetUnsynced()) != 1 || st.GetNextStep() != nextOf("MIGRATION_FAILED") {
		t.Errorf("status %v", st)
	}
	stream, err := b.device(manager).ExportPayments(t.Context(), &devicev1.ExportPaymentsRequest{})
	var got []*paymentv1.Payment
	for _, m := range drain(t, stream, err) {
		got = append(got, m.GetPayment())
	}
	wantNumbers(t, "export", got, "0 1")
	resp, err := b.business(observer).FetchPayments(t.Context(), &paymentv1.FetchPaymentsRequest{})
	must(t, err)
	wantNumbers(t, "history", resp.GetPayments(), "1 0")
	_, err = b.business(cashier).SendPaymentRequestViaBle(t.Context(), &businessv1.SendPaymentRequestViaBleRequest{
		RequestId: namedID("call").String(), Amount: "1.00", Currency: "USD",
	})
	wantStatus(t, "a payment", err, codes.FailedPrecondition, "MIGRATION_FAILED")
	if _, err := os.Stat(filepath.Join(b.opt.Dir, backupName)); err == nil {
		t.Error("the backup left its file")
	}
}
