package backend

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/syncer/backend"
)

// loadAuthority reads the keys of dir, and makes those that are missing until
// the first start has made all. The certificate of the CA, written last, says
// that it has: what is missing then is lost, and another key in its place would
// be one that nobody believes. Backends older than the sealing key have none.
func loadAuthority(dir string, now time.Time) (a backend.Authority, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return a, fmt.Errorf("%w: %w", ErrDir, err)
	}
	absent := ensureKey
	if _, err := os.Stat(filepath.Join(dir, caCertFile)); err == nil {
		absent = ownedKey
	}
	if a.Root, err = firstKey(dir, rootFile, absent); err != nil {
		return a, err
	}
	if a.Issuer, err = firstKey(dir, issuerFile, absent); err != nil {
		return a, err
	}
	if a.CAKey, err = absent(filepath.Join(dir, caKeyFile)); err != nil {
		return a, err
	}
	if a.Sealing, err = ensureSealing(filepath.Join(dir, sealingFile)); err != nil {
		return a, err
	}
	a.Find = func(public preauth.PublicKey) (*ecdsa.PrivateKey, error) { return findKey(dir, public) }
	a.IssuerFrom = now.Add(-time.Hour)
	a.IssuerUntil = a.IssuerFrom.Add(backend.IssuerLife)
	a.CACert, err = ensureCA(filepath.Join(dir, caCertFile), a.CAKey, now)
	return a, err
}

// firstKey reads the oldest key of a kind that is in dir and can be read: the
// file of one that was rotated or withdrawn may be gone or spoilt. Where there
// is no file, absent says what the first key is.
func firstKey(dir, file string, absent func(path string) (*ecdsa.PrivateKey, error)) (*ecdsa.PrivateKey, error) {
	all, err := keyFiles(dir, file)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return absent(filepath.Join(dir, file))
	}
	var unread error
	for _, path := range all {
		key, err := readKey(path)
		if err == nil {
			return key, nil
		}
		unread = errors.Join(unread, err)
	}
	return nil, unread
}

// keyFiles are the files of dir that hold keys of a kind, the first key before
// those of rotation.
func keyFiles(dir, file string) ([]string, error) {
	kind := strings.TrimSuffix(file, ".pem")
	all, err := filepath.Glob(filepath.Join(escape(dir), kind+"-*.pem"))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDir, err)
	}
	first := filepath.Join(dir, file)
	if _, err := os.Stat(first); err == nil {
		all = slices.Insert(all, 0, first)
	}
	return all, nil
}

// escape makes a path match nothing but itself.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// findKey returns the root or issuer key of dir with that public key, whatever
// is wrong with the files of others. The error wraps ErrDir or ErrKey, also if
// there is none.
func findKey(dir string, public preauth.PublicKey) (*ecdsa.PrivateKey, error) {
	var unread error
	for _, file := range []string{rootFile, issuerFile} {
		all, err := keyFiles(dir, file)
		if err != nil {
			return nil, err
		}
		for _, path := range all {
			key, err := readKey(path)
			if err != nil {
				unread = errors.Join(unread, err)
				continue
			}
			if preauth.PublicKeyOf(&key.PublicKey) == public {
				return key, nil
			}
		}
	}
	if unread != nil {
		return nil, unread
	}
	return nil, fmt.Errorf("no file in %s holds key %x: %w", dir, public.KeyID(), ErrKey)
}

// addKey makes another key of a kind, whose file is on disk before anything
// names it.
func addKey(dir, file string) (preauth.PublicKey, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return preauth.PublicKey{}, "", fmt.Errorf("make key: %w", err)
	}
	public := preauth.PublicKeyOf(&key.PublicKey)
	id := public.KeyID()
	path := filepath.Join(dir, strings.TrimSuffix(file, ".pem")+"-"+hex.EncodeToString(id[:])+".pem")
	return public, path, writeKey(path, key)
}

// ensureKey reads a P-256 key, or makes one that is on disk before it is
// used.
func ensureKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := readKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, fmt.Errorf("make %s: %w", path, err)
	}
	return key, writeKey(path, key)
}

// ownedKey reads a P-256 key that was made before. The error wraps ErrKey, also
// if there is none.
func ownedKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is gone, and no new key can take its place: %w", path, ErrKey)
	}
	return key, err
}

// ensureSealing reads an X25519 key, or makes one, as ensureKey does.
func ensureSealing(path string) (*ecdh.PrivateKey, error) {
	key, err := parseKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		made, err := ecdh.X25519().GenerateKey(rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("make %s: %w", path, err)
		}
		return made, writeKey(path, made)
	}
	if err != nil {
		return nil, err
	}
	k, ok := key.(*ecdh.PrivateKey)
	if !ok || k.Curve() != ecdh.X25519() {
		return nil, fmt.Errorf("%s holds no X25519 key: %w", path, ErrKey)
	}
	return k, nil
}

func writeKey(path string, key any) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("make %s: %w", path, err)
	}
	return writeFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

func readKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := parseKey(path)
	if err != nil {
		return nil, err
	}
	k, ok := key.(*ecdsa.PrivateKey)
	if !ok || k.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%s holds no P-256 key: %w", path, ErrKey)
	}
	return k, nil
}

func parseKey(path string) (any, error) { return readPEM(path, x509.ParsePKCS8PrivateKey) }

// readPEM reads the one object of a file.
func readPEM[T any](path string, parse func(der []byte) (T, error)) (v T, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return v, fmt.Errorf("%w: %w", ErrDir, err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return v, fmt.Errorf("%s holds no PEM: %w", path, ErrKey)
	}
	if v, err = parse(block.Bytes); err != nil {
		return v, fmt.Errorf("%s: %w: %w", path, ErrKey, err)
	}
	return v, nil
}
