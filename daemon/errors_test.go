package daemon

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/daemon/catalogue"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
	"github.com/vipaso/vipasod/store"
	"github.com/vipaso/vipasod/syncer"
)

// detailOf returns the first detail of a kind in a call's error.
func detailOf[D any](err error) (d D, ok bool) {
	for _, x := range status.Convert(err).Details() {
		if d, ok = x.(D); ok {
			return d, true
		}
	}
	return d, false
}

func errorInfo(t testing.TB, err error) *errdetails.ErrorInfo {
	t.Helper()
	i, ok := detailOf[*errdetails.ErrorInfo](err)
	if !ok || i.GetDomain() != "vipaso.dev" {
		t.Fatalf("%v carries no reason of ours: %v", err, i)
	}
	return i
}

func wantStatus(t testing.TB, what string, err error, code codes.Code, reason string) {
	t.Helper()
	if got := status.Code(err); got != code {
		t.Errorf("%s: %s, want %s (%v)", what, got, code, err)
		return
	}
	if got := errorInfo(t, err).GetReason(); got != reason {
		t.Errorf("%s: reason %s, want %s (%v)", what, got, reason, err)
	}
}

// wantField checks an error about one field of a call.
func wantField(t testing.TB, what string, err error, reason, field string) {
	t.Helper()
	wantStatus(t, what, err, codes.InvalidArgument, reason)
	bad, _ := detailOf[*errdetails.BadRequest](err)
	if v := bad.GetFieldViolations(); len(v) != 1 || v[0].GetField() != field || v[0].GetDescription() == "" {
		t.Errorf("%s: fields %v, want %s", what, v, field)
	}
}

func TestErrorsAreToldByTheTable(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		code   codes.Code
		reason string
		text   string // all of it
	}{
		{"bare", errNotEnrolled, codes.FailedPrecondition, "NOT_ENROLLED", "The device has no certificate."},
		{"with what to act on", fmt.Errorf("payment 7 is OPEN: %w", errInProgress), codes.FailedPrecondition,
			"PAYMENT_IN_PROGRESS", "The till already has an open payment: payment 7 is OPEN"},
		{"twice wrapped", fmt.Errorf("a: %w", fmt.Errorf("b: %w", payment.ErrState)), codes.FailedPrecondition,
			"PAYMENT_STATE", "The payment is in a state that does not allow this: a: b"},
		{"refusal of preauth", fmt.Errorf("20.00 needed: %w", preauth.ErrInsufficient), codes.FailedPrecondition,
			"INSUFFICIENT_FUNDS", "What is left does not cover the amount: 20.00 needed"},
		{"limit", preauth.ErrLimitTotal, codes.ResourceExhausted, "LIMIT_TOTAL", "The sum of what is not settled yet would exceed its limit."},
		{"store conflict", fmt.Errorf("x: %w", store.ErrConflict), codes.Aborted, "CONFLICT", "The payment was changed by somebody else at the same moment: x"},
		{"adapter with its reason", fmt.Errorf("scan: %w", &link.AdapterError{Reason: "ADAPTER_RFKILL", Detail: "soft blocked"}),
			codes.Unavailable, "ADAPTER_RFKILL", "The adapter is switched off by rfkill: soft blocked"},
		{"adapter without", link.ErrAdapter, codes.Unavailable, "ADAPTER_DOWN", "The radio cannot be used at the moment."},
		{"adapter that is not there to come back", &link.AdapterError{Reason: "ADAPTER_NOT_CONFIGURED"}, codes.FailedPrecondition,
			"ADAPTER_NOT_CONFIGURED", "No Bluetooth adapter is named in the configuration."},
		{"offline", fmt.Errorf("%w: connection refused", syncer.ErrOffline), codes.Unavailable, "OFFLINE", "The backend did not answer: connection refused"},
		{"the backend's no", &syncer.Refused{Reason: "CODE_INVALID", Detail: "used before"}, codes.PermissionDenied,
			"CODE_INVALID", "The enrollment code or token is unknown, used, expired, or for the other role: used before"},
		{"a no that this version does not know", &syncer.Refused{Reason: "MOON_PHASE", Detail: "waning"}, codes.FailedPrecondition,
			"BACKEND_REJECTED", "The backend refused the call for a reason of its own: waning"},
		{"slow watcher", errWatchBehind, codes.ResourceExhausted, "WATCH_BEHIND", "This watcher read too slowly and was ended."},
		{"resume point gone", errWatchExpired, codes.OutOfRange, "WATCH_EXPIRED", "The resume point is not in the event log."},
		{"caller gone", context.Canceled, codes.Canceled, "CANCELLED", "The caller gave up."},
		{"caller out of time", fmt.Errorf("x: %w", context.DeadlineExceeded), codes.DeadlineExceeded, "DEADLINE", "The caller's deadline passed: x"},
		{"nothing of ours", errors.New("/var/lib/secret: bad sector"), codes.Internal, "INTERNAL", "internal error, incident 0a1b"},
		{"never told to callers", fmt.Errorf("x: %w", preauth.ErrDecode), codes.Internal, "INTERNAL", "internal error, incident 0a1b"},
		{"another's status", status.Error(codes.DataLoss, "secret"), codes.Internal, "INTERNAL", "internal error, incident 0a1b"},
		{"a bare Unavailable", status.Error(codes.Unavailable, "secret"), codes.Internal, "INTERNAL", "internal error, incident 0a1b"},
		{"a failed commit", fmt.Errorf("commit: %w", store.ErrPoisoned), codes.Internal, "INTERNAL", "internal error, incident 0a1b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, incident := toStatus(tt.err, "0a1b")
			wantStatus(t, "status", got, tt.code, tt.reason)
			if text := status.Convert(got).Message(); text != tt.text {
				t.Errorf("text %q, want %q", text, tt.text)
			}
			if incident != (tt.code == codes.Internal) {
				t.Errorf("belongs into the log: %v", incident)
			}
			_, retry := detailOf[*errdetails.RetryInfo](got)
			if retry != (tt.code == codes.Unavailable) {
				t.Errorf("says when to retry: %v", retry)
			}
		})
	}
}

func TestErrorsNameFieldsAndValues(t *testing.T) {
	for _, tt := range []struct {
		err           error
		reason, field string
	}{
		{inField("tip.max", money.ErrPrecision), "AMOUNT_PRECISION", "tip.max"},
		{money.ErrSyntax, "AMOUNT_SYNTAX", "amount"},
		{inAmountField("tip", fmt.Errorf("x: %w", money.ErrCurrency)), "CURRENCY_UNKNOWN", "currency"},
		{fmt.Errorf("reading: %w", inField("payment_id", preauth.ErrID)), "FIELD_INVALID", "payment_id"},
		{errPageToken, "FIELD_INVALID", "page_token"},
		{errDelegated, "FIELD_INVALID", "is_delegated_instrument"},
		{syncer.ErrAddress, "FIELD_INVALID", "backend_url"},
	} {
		got, _ := toStatus(tt.err, "")
		wantField(t, tt.err.Error(), got, tt.reason, tt.field)
	}
	err := fmt.Errorf("x: %w", naming(naming(errInProgress, "payment_id", "7"), "state", "OPEN"))
	got, _ := toStatus(err, "")
	if m := errorInfo(t, got).GetMetadata(); len(m) != 2 || m["payment_id"] != "7" || m["state"] != "OPEN" {
		t.Errorf("metadata %v", m)
	}
	if inField("x", nil) != nil {
		t.Error("no error has become one")
	}
}

func TestErrorsPassOnTheBackendsWait(t *testing.T) {
	got, _ := toStatus(&syncer.Refused{Reason: "OVERLOADED", RetryAfter: 7 * time.Second}, "")
	if r, _ := detailOf[*errdetails.RetryInfo](got); r.GetRetryDelay().AsDuration() != 7*time.Second {
		t.Errorf("retry after %v", r)
	}
}

// Every row gives a reason of the catalogue, and what a caller can get has a
// gRPC code there.
func TestErrorTableFitsTheCatalogue(t *testing.T) {
	for _, row := range errorTable {
		e, ok := catalogue.Lookup(row.reason)
		if !ok {
			t.Errorf("%v: %s is not in the catalogue", row.err, row.reason)
		}
		if code, ok := codeOf(e); ok && code.String() == "OK" {
			t.Errorf("%v: %s is no error", row.err, e.GRPC)
		}
		if reason, _ := reasonOf(fmt.Errorf("wrapped: %w", row.err)); reason != row.reason {
			t.Errorf("%v: an earlier row takes it, with %s", row.err, reason)
		}
	}
	for _, e := range catalogue.All() {
		if _, ok := codeOf(e); ok != (e.GRPC != "") {
			t.Errorf("%s: %q is no gRPC code", e.Code, e.GRPC)
		}
	}
}

// Every exported sentinel of the packages that the daemon calls stands in the
// table, unless it carries its own reason, as preauth's refusals do; and so
// does every sentinel of the daemon itself that callers can meet.
func TestErrorTableIsComplete(t *testing.T) {
	named := tableNames(t)
	// What people verify by themselves is never the error of a call.
	elsewhere := []string{"preauth.ErrEvidence", "preauth.ErrJournal"}
	for _, dir := range []string{"payment", "../preauth", "../preauth/money", "../store", "../ble/link", "../ble/secure", "../syncer", "."} {
		for name, own := range sentinels(t, dir) {
			pkg := filepath.Base(dir) + "."
			if dir == "." {
				pkg = ""
			}
			if !own && !named[pkg+name] && !slices.Contains(elsewhere, pkg+name) {
				t.Errorf("%s%s is not in errorTable", pkg, name)
			}
		}
	}
}

// inner are sentinels of the daemon that no call ends with.
var inner = map[string]bool{
	"errAskedOften": true, // ends a session with a device that asks too often
	"errEnough":     true, // ends a watch that has seen what it was for
	"errPeer":       true, // ends a connection before any call
	"errStuck":      true, // for the watchdog
}

// sentinels returns the error variables of a package: the exported ones, of
// the daemon all; with whether they carry their own reason.
func sentinels(t *testing.T, dir string) map[string]bool {
	t.Helper()
	found := make(map[string]bool)
	eachVar(t, dir, func(name string, value ast.Expr) {
		call, ok := value.(*ast.CallExpr)
		if !ok || !strings.HasPrefix(strings.ToLower(name), "err") || !ast.IsExported(name) && (dir != "." || inner[name]) {
			return
		}
		if f, ok := call.Fun.(*ast.Ident); ok && f.Name == "refusal" {
			found[name] = true
			return
		}
		if s, ok := call.Fun.(*ast.SelectorExpr); ok && (s.Sel.Name == "New" || s.Sel.Name == "Errorf") {
			found[name] = false
		}
	})
	if len(found) == 0 {
		t.Fatalf("no sentinels found in %s", dir)
	}
	return found
}

// tableNames returns what stands in the first column of errorTable.
func tableNames(t *testing.T) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	eachVar(t, ".", func(name string, value ast.Expr) {
		if name != "errorTable" {
			return
		}
		for _, row := range value.(*ast.CompositeLit).Elts {
			switch e := row.(*ast.CompositeLit).Elts[0].(type) {
			case *ast.Ident:
				names[e.Name] = true
			case *ast.SelectorExpr:
				names[e.X.(*ast.Ident).Name+"."+e.Sel.Name] = true
			}
		}
	})
	if len(names) == 0 {
		t.Fatal("errorTable not found")
	}
	return names
}

// eachVar calls do for each variable of a package that has a value.
func eachVar(t *testing.T, dir string, do func(name string, value ast.Expr)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, s := range g.Specs {
				for i, v := range s.(*ast.ValueSpec).Values {
					do(s.(*ast.ValueSpec).Names[i].Name, v)
				}
			}
		}
	}
}
