// Package backend is the wiring of a whole backend that binaries share: the
// keys in its directory, the database, the port and the tasks beside it.
package backend

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vipaso/vipasod/syncer/backend"
)

// Files of the directory. CAFile is what devices trust; it is written last.
const (
	CAFile        = "ca.pem"
	rootFile      = "root-key.pem"   // the first; rotation adds root-key-ID.pem
	issuerFile    = "issuer-key.pem" // the same
	sealingFile   = "sealing-key.pem"
	caKeyFile     = "tls-ca-key.pem"
	caCertFile    = "tls-ca.pem"
	serverKeyFile = "server-key.pem"
	serverFile    = "server.pem"
	databaseFile  = "backend.db"
)

// Why a directory cannot be used as a backend's.
var (
	// ErrDir says that it cannot be made, read or written.
	ErrDir = errors.New("unusable directory")
	// ErrKey says that a file does not hold the key or certificate it should.
	ErrKey = errors.New("unusable key")
	// ErrServed says that another process serves from it.
	ErrServed = errors.New("another backend serves from this directory")
	// ErrNotStarted says that no backend has served from it yet.
	ErrNotStarted = errors.New("not the directory of a backend that was started")
)

// Database returns the address of the database: db, or the one in dir.
func Database(dir, db string) string {
	if db != "" {
		return db
	}
	return "sqlite:" + filepath.Join(dir, databaseFile)
}

// lockDir makes this process the only one that serves from dir, until the
// file that it returns is closed, and keeps what it holds private.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDir, err)
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDir, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fmt.Errorf("%s: %w", dir, ErrServed)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// private makes the database's file, before anything is in it, and readable by
// nobody else: SQLite makes the files beside it alike.
func private(db string) error {
	path, ok := strings.CutPrefix(db, "sqlite:")
	if !ok || strings.Contains(path, ":") {
		return nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDir, err)
	}
	return f.Close()
}

func ensureCA(path string, key *ecdsa.PrivateKey, now time.Time) (*x509.Certificate, error) {
	cert, err := readCert(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return cert, err
	}
	if cert, err = backend.NewCA(key, now); err != nil {
		return nil, err
	}
	return cert, writeFile(path, encodeCert(cert.Raw), 0o644)
}

func readCert(path string) (*x509.Certificate, error) { return readPEM(path, x509.ParseCertificate) }

func encodeCert(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// writeFile makes a file appear whole or not at all, durably.
func writeFile(path string, b []byte, mode os.FileMode) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDir, err)
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("%w: %w", ErrDir, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("%w: %w", ErrDir, err)
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDir, err)
	}
	return errors.Join(d.Sync(), d.Close())
}
