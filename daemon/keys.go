package daemon

import (
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

	"github.com/vipaso/vipasod/preauth"
)

// ErrKey: a key file is there and cannot be used. It is never replaced: a new
// key would make a stranger of this device.
var ErrKey = errors.New("key file unusable")

// Keys are the device's private keys. They live in files of their own beside
// the store, never in it.
type Keys struct {
	Signing *ecdsa.PrivateKey // P-256; signs what the device promises
	Noise   *ecdh.PrivateKey  // X25519; its radio sessions
}

// LoadKeys reads the keys in dir, and makes them when they are not there. The
// error wraps ErrKey if a file is there and is no such key.
func LoadKeys(dir string) (Keys, error) {
	signing, err := loadKey(filepath.Join(dir, "signing.key"), func() (any, error) {
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	})
	if err != nil {
		return Keys{}, err
	}
	noise, err := loadKey(filepath.Join(dir, "noise.key"), func() (any, error) {
		return ecdh.X25519().GenerateKey(rand.Reader)
	})
	if err != nil {
		return Keys{}, err
	}
	k := Keys{}
	var ok1, ok2 bool
	k.Signing, ok1 = signing.(*ecdsa.PrivateKey)
	k.Noise, ok2 = noise.(*ecdh.PrivateKey)
	if !ok1 || !ok2 || k.Signing.Curve != elliptic.P256() {
		return Keys{}, fmt.Errorf("%s: key of another kind: %w", dir, ErrKey)
	}
	return k, nil
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
