package main

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// TestSavedFiles: whole, for the owner only, and never over another file
// unless told to.
func TestSavedFiles(t *testing.T) {
	for _, command := range []string{"store backup", "bugreport -o"} {
		f := newFake(t)
		f.answer("BackupStore", &devicev1.BackupStoreResponse{Chunk: []byte("ab")}, &devicev1.BackupStoreResponse{Chunk: []byte("c")})
		f.answer("CreateDiagnosticsBundle", &devicev1.CreateDiagnosticsBundleResponse{Chunk: []byte("ab")}, &devicev1.CreateDiagnosticsBundleResponse{Chunk: []byte("c")})
		path := filepath.Join(t.TempDir(), "file")
		args := append(strings.Fields(command), path)

		got := f.run(append(args, "--json")...)
		if want := `{"file":"` + path + `","bytes":"3"}` + "\n"; got.code != 0 || got.stdout != want {
			t.Errorf("%s: %+v, want stdout %s", command, got, want)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode() != 0o600 || content(t, path) != "abc" {
			t.Errorf("%s: wrote %v %q, %v", command, info, content(t, path), err)
		}

		if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := f.run(args...); got.code != 5 || !strings.Contains(got.stderr, "--force") || content(t, path) != "mine" {
			t.Errorf("%s over a file: %+v, left %q", command, got, content(t, path))
		}
		if asked := len(f.requests("BackupStore")) + len(f.requests("CreateDiagnosticsBundle")); asked != 1 {
			t.Errorf("%s over a file: the daemon was asked for the copy", command)
		}
		if got := f.run(append(args, "--force")...); got.code != 0 || content(t, path) != "abc" {
			t.Errorf("%s --force: %+v, left %q", command, got, content(t, path))
		}
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// TestBrokenFiles: a copy that is not whole leaves nothing behind.
func TestBrokenFiles(t *testing.T) {
	f := newFake(t)
	dir := t.TempDir()
	f.on("BackupStore", func(c *call) error {
		if err := c.send(&devicev1.BackupStoreResponse{Chunk: []byte("half")}); err != nil {
			return err
		}
		return failure("INTERNAL", "INTERNAL", "disk")
	})
	for name, want := range map[string]int{"half": 1, "no/such/dir": 1} {
		if got := f.run("store", "backup", filepath.Join(dir, name)); got.code != want || got.stdout != "" || got.stderr == "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	f.answer("BackupStore")
	if got := f.run("store", "backup", filepath.Join(dir, "empty")); got.code != 1 || !strings.Contains(got.stderr, "sent nothing") {
		t.Errorf("%+v", got)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// TestFilesThatCannotBeUsed: the message names the file as it was given, says
// why, and what to do.
func TestFilesThatCannotBeUsed(t *testing.T) {
	f := answering(t)
	f.answer("BackupStore", &devicev1.BackupStoreResponse{Chunk: []byte("ab")})
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	large := append(caPEM(t), strings.Repeat("#", caMax)...)
	if err := os.WriteFile(filepath.Join(dir, "large"), large, 0o600); err != nil {
		t.Fatal(err)
	}
	notCA := "why    A device trusts only the backend whose ca.pem it was given; `vipaso-backend serve` makes that file and prints its path when it starts.\n" +
		"next   HINT, then vipasoctl enroll --backend URL --ca ca.pem --code CODE\n"
	tests := []struct {
		args string
		code int
		want string // of stderr, with DIR for the directory
	}{
		{"store backup DIR/no/x", 1, "error: DIR/no/x: no such file or directory\nwhy    The directory DIR/no does not exist.\nnext   mkdir -p DIR/no, or choose another FILE\n"},
		{"bugreport -o DIR/file/x", 1, "error: DIR/file/x: not a directory\nwhy    DIR/file is no directory.\nnext   choose another FILE\n"},
		{"store backup DIR/file", 5, "error: DIR/file: file already exists\nwhy    A file is not replaced by accident.\nnext   choose another name, or repeat with --force\n"},
		{"store backup DIR", 1, "error: DIR: is a directory\nwhy    It is a directory.\nnext   name a file in it\n"},
		{"enroll --backend https://x --code c --ca DIR/none.pem", 2, "error: DIR/none.pem: no such file or directory\nwhy    There is no such file.\nnext   HINT\n"},
		{"enroll --backend https://x --code c --ca DIR", 2, "error: DIR: is a directory\nwhy    It is a directory.\nnext   name a file in it\n"},
		{"enroll --backend https://x --code c --ca DIR/file", 2, "error: DIR/file: this is not the backend's ca.pem: there is no PEM certificate in it\n" + notCA},
		{"enroll --backend https://x --code c --ca DIR/large", 2, "error: DIR/large: this is not the backend's ca.pem: it has more than 65536 bytes\n" + notCA},
	}
	for _, test := range tests {
		got := f.run(strings.Fields(strings.ReplaceAll(test.args, "DIR", dir))...)
		want := strings.ReplaceAll(strings.ReplaceAll(test.want, "DIR", dir), "HINT", caHint)
		if got.code != test.code || got.stderr != want || got.stdout != "" {
			t.Errorf("%s: exit %d, stderr\n%s\nwant exit %d\n%s", test.args, got.code, got.stderr, test.code, want)
		}
	}
	if f.last("Enroll") != nil {
		t.Error("the daemon was asked to enroll")
	}
}

// TestFileErrorsSayWhatToDo: what the system says of a disk leads somewhere.
func TestFileErrorsSayWhatToDo(t *testing.T) {
	for cause, want := range map[error]string{
		syscall.EACCES: "ls -ld /d", syscall.ENOSPC: "df -h /d", syscall.EDQUOT: "df -h /d", syscall.EROFS: "another disk", syscall.EIO: "ls -ld /d",
	} {
		e := (&fileError{path: "/d/f", err: &os.PathError{Op: "write", Path: "/d/.f.123", Err: cause}}).explanation()
		if !strings.Contains(e.next, want) || e.head != "/d/f: "+cause.Error() {
			t.Errorf("%v: %+v, want %q", cause, e, want)
		}
	}
	if e := (&fileError{err: &os.PathError{Op: "open", Err: syscall.ENOENT}}).explanation(); e.head != `"": no such file or directory` || !strings.Contains(e.why, "is empty") || e.next != "name a FILE" {
		t.Errorf("no name: %+v", e)
	}
}

// TestPlaceKeepsAFileThatCameMeanwhile: between looking and renaming,
// somebody else may make the file.
func TestPlaceKeepsAFileThatCameMeanwhile(t *testing.T) {
	dir := t.TempDir()
	temp, path := filepath.Join(dir, "temp"), filepath.Join(dir, "file")
	for _, p := range []string{temp, path} {
		if err := os.WriteFile(p, []byte(p), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := place(temp, path, false); exitCode(err) != 5 || content(t, path) != path {
		t.Errorf("place = %v, left %q", err, content(t, path))
	}
	if err := place(temp, path, true); err != nil || content(t, path) != temp {
		t.Errorf("place by force = %v, left %q", err, content(t, path))
	}
}

// TestExportCSV: a stranger's text is no formula, and each row has a cell for
// each column.
func TestExportCSV(t *testing.T) {
	f := newFake(t)
	p := paid(paymentv1.PaymentState_PAYMENT_STATE_PROVISIONAL)
	p.PaymentReference, p.Counterparty, p.Reason, p.State = `=HYPERLINK("x")`, "@cafe, \"two\"\nlines", "-1", 99
	f.answer("ExportPayments", &devicev1.ExportPaymentsResponse{Payment: p}, &devicev1.ExportPaymentsResponse{Payment: &paymentv1.Payment{}})
	got := f.run("store", "export", "--format", "csv")
	rows, err := csv.NewReader(strings.NewReader(got.stdout)).ReadAll()
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for i, column := range rows[0] {
		want, ok := map[string]string{
			"payment_reference": `'=HYPERLINK("x")`, "counterparty": "'@cafe, \"two\"\nlines", "reason": "'-1", "state": "", "receipt_voucher": "AQID",
		}[column]
		if ok && rows[1][i] != want {
			t.Errorf("%s = %q, want %q", column, rows[1][i], want)
		}
	}
}

// TestExportJSONL is the same with --json and without.
func TestExportJSONL(t *testing.T) {
	f := answering(t)
	plain, asJSON := f.run("store", "export"), f.run("store", "export", "--json")
	if plain != asJSON || !strings.Contains(plain.stdout, `"voucher":"AQID"`) {
		t.Errorf("%+v, with --json %+v", plain, asJSON)
	}
}
