package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// inCredentials moves a device's keys where the service manager would put them,
// and leaves those that are named as files, too.
func inCredentials(t *testing.T, dir string, names ...string) KeySource {
	t.Helper()
	s := KeySource{Dir: dir, Credentials: t.TempDir(), Enrolled: true}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(dir, name))
		must(t, err)
		// As systemd does with access control lists: the mode is the mask.
		must(t, os.WriteFile(filepath.Join(s.Credentials, "vipasod-"+name), text, 0o440))
	}
	return s
}

func TestKeysFromCredentials(t *testing.T) {
	dir := t.TempDir()
	first, err := LoadKeys(dir)
	must(t, err)
	same := func(what string, s KeySource) {
		t.Helper()
		k, err := s.Load()
		if err != nil || !k.Signing.Equal(first.Signing) || !k.Noise.Equal(first.Noise) {
			t.Errorf("%s: %v", what, err)
		}
	}
	both := inCredentials(t, dir, signingName, noiseName)
	same("beside the files", both)
	same("one of them", inCredentials(t, dir, noiseName))
	must(t, os.Remove(filepath.Join(dir, signingName)))
	must(t, os.Remove(filepath.Join(dir, noiseName)))
	same("alone", both)
	if left := namesIn(t, dir); len(left) > 0 {
		t.Errorf("made %q beside the credentials", left)
	}
	if _, err := LoadKeys(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := both.Load(); !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), "are two keys") {
		t.Errorf("other files beside the credentials: %v", err)
	}
	must(t, os.WriteFile(filepath.Join(both.Credentials, "vipasod-"+noiseName), []byte("junk"), 0o400))
	if _, err := both.Load(); !errors.Is(err, ErrKey) {
		t.Errorf("junk in the credentials: %v", err)
	}
}

// An enrolled device without its keys is told so, and makes no others, which
// would be in the way of the right ones.
func TestKeysOfAnEnrolledDeviceAreNotMade(t *testing.T) {
	for _, name := range []string{signingName, noiseName} {
		dir := t.TempDir()
		_, err := LoadKeys(dir)
		must(t, err)
		must(t, os.Remove(filepath.Join(dir, name)))
		_, err = KeySource{Dir: dir, Enrolled: true}.Load()
		if !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), name+" is missing") {
			t.Errorf("without %s: %v", name, err)
		}
		if left := namesIn(t, dir); len(left) != 1 {
			t.Errorf("%q", left)
		}
	}
}

// A key that others had is refused, by name and mode or owner.
func TestExposedKeys(t *testing.T) {
	dir := t.TempDir()
	_, err := LoadKeys(dir)
	must(t, err)
	for _, name := range []string{signingName, noiseName} {
		path := filepath.Join(dir, name)
		for mode, ok := range map[os.FileMode]bool{0o400: true, 0o600: true, 0o440: false, 0o404: false, 0o620: false, 0o602: false, 0o410: false} {
			must(t, os.Chmod(path, mode))
			_, err := LoadKeys(dir)
			if ok && err != nil || !ok && (!errors.Is(err, ErrKeyExposed) || !strings.Contains(err.Error(), path+" has mode 0")) {
				t.Errorf("%s, mode %04o: %v", name, mode, err)
			}
		}
		must(t, os.Chmod(path, 0o400))
		if os.Geteuid() != 0 {
			continue // only root gives files away
		}
		must(t, os.Chown(path, 4711, -1))
		if _, err := LoadKeys(dir); !errors.Is(err, ErrKeyExposed) || !strings.Contains(err.Error(), "belongs to uid 4711") {
			t.Errorf("%s of another user: %v", name, err)
		}
		must(t, os.Chown(path, 0, -1))
	}
}

func TestDoctorOfCredentials(t *testing.T) {
	b := newBench(t, asTill, nil)
	from := inCredentials(t, b.opt.Dir, signingName, noiseName)
	b.opt.Keys.source = from
	if f := b.checkKeys(t.Context()); f.result != isWarning || !strings.Contains(f.next, "sudo rm "+b.opt.Dir) {
		t.Errorf("beside the files: %+v", f)
	}
	must(t, os.Remove(filepath.Join(b.opt.Dir, signingName)))
	must(t, os.Remove(filepath.Join(b.opt.Dir, noiseName)))
	if f := b.checkKeys(t.Context()); f.result != isOK || f.detail != "from the service manager's credentials, the ones that are enrolled" {
		t.Errorf("alone: %+v", f)
	}
	must(t, os.Remove(filepath.Join(from.Credentials, "vipasod-"+noiseName)))
	if f := b.checkKeys(t.Context()); f.result != isFailed || f.reason != "KEY_UNUSABLE" {
		t.Errorf("one is gone: %+v", f)
	}
	if left := namesIn(t, b.opt.Dir); strings.Contains(strings.Join(left, " "), ".key") {
		t.Errorf("the doctor made %q", left)
	}
}
