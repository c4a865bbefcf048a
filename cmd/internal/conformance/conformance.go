// Package conformance runs the test vectors of preauth/testdata/vectors against
// this implementation of the protocol: what is signed, decoded, refused and
// accepted, what travels over the air, and how the backend settles.
package conformance

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vipaso/vipasod/preauth/vectors"
)

// ErrFile: a file that cannot be read, or is not one of test vectors.
var ErrFile = errors.New("no test vectors")

// badFile is ErrFile that says which file, and what is wrong with it.
type badFile struct {
	path string
	err  error
}

func (b badFile) Error() string {
	if system := (*fs.PathError)(nil); errors.As(b.err, &system) { // it would name the file again
		return cmp.Or(b.path, `""`) + ": " + system.Err.Error()
	}
	return b.path + ": " + b.err.Error()
}

// Unwrap returns ErrFile and what is wrong.
func (b badFile) Unwrap() []error { return []error{ErrFile, b.err} }

// Failure is a vector that this implementation does not agree with.
type Failure struct {
	Name string
	Want string // the class, or what else is expected
	Got  string
}

// Report is what came of one file.
type Report struct {
	Path     string
	Kind     vectors.Kind
	Vectors  int
	Failures []Failure
}

// RunPath runs the vectors of a file, or of all files NAME.json in a
// directory, in the order of their names. The error wraps ErrFile, and names
// the file; then there is no report.
func RunPath(path string) ([]Report, error) {
	paths, err := files(path)
	if err != nil {
		return nil, err
	}
	var all []Report
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			return nil, badFile{p, err}
		}
		r, err := Run(b)
		if err != nil {
			return nil, badFile{p, err}
		}
		r.Path = p
		all = append(all, r)
	}
	return all, nil
}

// files are the file at path, or those of the directory.
func files(path string) ([]string, error) {
	i, err := os.Stat(path)
	if err != nil {
		return nil, badFile{path, err}
	}
	if !i.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, badFile{path, err}
	}
	var paths []string
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".json" {
			paths = append(paths, filepath.Join(path, e.Name()))
		}
	}
	if len(paths) == 0 {
		return nil, badFile{path, errors.New("it holds no file NAME.json")}
	}
	return paths, nil
}

// Run runs the vectors of one file. The error wraps vectors.ErrFormat.
func Run(file []byte) (Report, error) {
	f, err := vectors.Decode(file)
	if err != nil {
		return Report{}, err
	}
	run, ok := runners[f.Kind]
	if !ok {
		return Report{}, fmt.Errorf("unknown kind %q: %w", f.Kind, vectors.ErrFormat)
	}
	r := Report{Kind: f.Kind, Vectors: len(f.Cases)}
	for i, raw := range f.Cases {
		one, err := run(raw)
		if err != nil {
			return Report{}, fmt.Errorf("vector %d%s: %w", i+1, named(raw), err)
		}
		if one.Want != one.Got {
			r.Failures = append(r.Failures, one)
		}
	}
	return r, nil
}

// named is the name of a vector that cannot be run, if it has one.
func named(raw json.RawMessage) string {
	var c struct {
		Name string `json:"name"`
	}
	if json.Unmarshal(raw, &c) != nil || c.Name == "" {
		return ""
	}
	return fmt.Sprintf(", %q", c.Name)
}

// runners run one vector of a kind; it fails if what it wants is not what it
// got.
var runners = map[vectors.Kind]func(json.RawMessage) (Failure, error){
	vectors.KindKeys:           of(runKey),
	vectors.KindObjects:        of(runObject),
	vectors.KindRefused:        of(runBad),
	vectors.KindMessages:       of(runMessage),
	vectors.KindTrust:          of(runCertificate),
	vectors.KindAnswers:        of(runAnswer),
	vectors.KindTill:           of(runDecision),
	vectors.KindLimits:         of(runBounds),
	vectors.KindProofs:         of(runProof),
	vectors.KindDraws:          of(runDraw),
	vectors.KindJournals:       of(runJournal),
	vectors.KindAmounts:        of(runAmount),
	vectors.KindFrames:         of(runLink),
	vectors.KindAdvertisements: of(runAdvertisement),
	vectors.KindHandshakes:     of(runHandshake),
	vectors.KindCodes:          of(runCode),
	vectors.KindSettlements:    of(runSettlement),
	vectors.KindBatches:        of(runBatch),
}

// of runs vectors of type C.
func of[C any](run func(C) (name, want, got string)) func(json.RawMessage) (Failure, error) {
	return func(raw json.RawMessage) (Failure, error) {
		c, err := vectors.Case[C](raw)
		if err != nil {
			return Failure{}, err
		}
		var f Failure
		f.Name, f.Want, f.Got = run(c)
		if f.Name == "" || f.Want == "" {
			return Failure{}, fmt.Errorf("no name, or nothing that it expects: %w", vectors.ErrFormat)
		}
		return f, nil
	}
}

// sameJSON reports whether two texts are the same but for space.
func sameJSON(a, b json.RawMessage) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}
