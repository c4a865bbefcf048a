package daemon

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/vipaso/vipasod/preauth"
)

// Why keys cannot be used.
var (
	// ErrKey: a key file is there and cannot be used, or is missing although
	// the device is enrolled with it. It is never replaced: a new key would
	// make a stranger of this device.
	ErrKey = errors.New("key file unusable")
	// ErrKeyExposed: others may read or write a key file, or it is another
	// user's.
	ErrKeyExposed = errors.New("key file is not this daemon's alone")
)

// Keys are the device's private keys. They live in files of their own, or in
// the service manager's credentials, never in the store. In memory they are as
// safe as the process: Go moves and copies values, so that nothing here
// promises to overwrite them; the unit forbids core dumps.
type Keys struct {
	Signing *ecdsa.PrivateKey // P-256; signs what the device promises
	Noise   *ecdh.PrivateKey  // X25519; its radio sessions
	source  KeySource
}

// The files of the keys, and before their names in the credentials.
const (
	signingName      = "signing.key"
	noiseName        = "noise.key"
	credentialPrefix = "vipasod-"
)

// KeySource says where a device's keys are.
type KeySource struct {
	// Dir is the store's directory.
	Dir string
	// Credentials is where the service manager puts credentials: systemd's
	// $CREDENTIALS_DIRECTORY. Empty means that there are none. Keys there go
	// before files in Dir.
	Credentials string
	// Enrolled devices have keys: none are made for them.
	Enrolled bool
}

// LoadKeys is Load of keys in dir.
func LoadKeys(dir string) (Keys, error) { return KeySource{Dir: dir}.Load() }

// Load reads the keys, and makes in Dir those that are nowhere.
//
// The error wraps ErrKey or ErrKeyExposed.
func (s KeySource) Load() (Keys, error) {
	signing, err := s.read(signingName, func() (any, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) })
	if err != nil {
		return Keys{}, err
	}
	noise, err := s.read(noiseName, func() (any, error) { return ecdh.X25519().GenerateKey(rand.Reader) })
	if err != nil {
		return Keys{}, err
	}
	k := Keys{source: s}
	var ok1, ok2 bool
	k.Signing, ok1 = signing.(*ecdsa.PrivateKey)
	k.Noise, ok2 = noise.(*ecdh.PrivateKey)
	if !ok1 || !ok2 || k.Signing.Curve != elliptic.P256() {
		return Keys{}, fmt.Errorf("%s: key of another kind: %w", s.Dir, ErrKey)
	}
	return k, nil
}

// read reads one key, from the credentials if it is there.
func (s KeySource) read(name string, generate func() (any, error)) (any, error) {
	path := filepath.Join(s.Dir, name)
	if s.Enrolled {
		generate = func() (any, error) {
			return nil, fmt.Errorf("%s is missing, and the store is enrolled with it: %w", path, ErrKey)
		}
	}
	sealed := s.credential(name)
	if sealed == "" {
		if err := private(path); err != nil {
			return nil, err
		}
		return loadKey(path, generate)
	}
	key, err := loadKey(sealed, generate)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return key, nil
	}
	plain, err := loadKey(path, generate)
	if err != nil {
		return nil, err
	}
	if same, ok := key.(interface{ Equal(crypto.PrivateKey) bool }); !ok || !same.Equal(plain) {
		return nil, fmt.Errorf("the credential %s and %s are two keys: %w", filepath.Base(sealed), path, ErrKey)
	}
	return key, nil
}

// credential is the path of a key in the credentials, empty if it is not
// there. Who may read it is the service manager's care: with access control
// lists, mode and owner do not say.
func (s KeySource) credential(name string) string {
	if s.Credentials == "" {
		return ""
	}
	path := filepath.Join(s.Credentials, credentialPrefix+name)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return path
}

// private refuses a file that others may read or write, or whose owner, who
// may change that, is neither this process's user nor root. One that is not
// there is private.
func private(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrKey, err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%s has mode %04o, not 0400: %w", path, mode, ErrKeyExposed)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to uid %d, this is uid %d: %w", path, st.Uid, os.Geteuid(), ErrKeyExposed)
	}
	return nil
}

// Public returns the signing key as it travels.
func (k Keys) Public() preauth.PublicKey { return preauth.PublicKeyOf(&k.Signing.PublicKey) }

func loadKey(path string, generate func() (any, error)) (any, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(path, generate)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s: no PEM block: %w", path, ErrKey)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", path, ErrKey, err)
	}
	return key, nil
}

// makeKey writes a new key so that it is either there in full or not at all,
// also after a power cut.
func makeKey(path string, generate func() (any, error)) (any, error) {
	key, err := generate()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := writeDurably(path, text, 0o400); err != nil {
		return nil, err
	}
	return key, nil
}

// writeDurably writes a file under a temporary name, makes it durable, and
// gives it its name.
func writeDurably(path string, content []byte, mode fs.FileMode) error {
	tmp := path + ".tmp"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
