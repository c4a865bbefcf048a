package backend

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"os"
	"time"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/syncer/backend"
)

// Rotated is a key that takes over.
type Rotated struct {
	Public preauth.PublicKey
	File   string    // of its private key
	From   time.Time // when it begins to sign
}

// RotateIssuer makes another issuer key in dir, listed at once, that signs
// after the overlap, also while a server runs. It replaces those that were to
// begin later.
//
// The error wraps ErrDir, or is one of backend.Admin's.
func RotateIssuer(ctx context.Context, dir string, books backend.Admin, overlap time.Duration) (Rotated, error) {
	return rotate(dir, issuerFile, func(public preauth.PublicKey) (time.Time, error) {
		return books.RotateIssuer(ctx, public, overlap)
	})
}

// RotateRoot makes another root key in dir, which signs from now on, also
// while a server runs.
//
// The error wraps ErrDir or ErrKey, or is one of backend.Admin's.
func RotateRoot(ctx context.Context, dir string, books backend.Admin) (Rotated, error) {
	find := func(public preauth.PublicKey) (*ecdsa.PrivateKey, error) { return findKey(dir, public) }
	return rotate(dir, rootFile, func(public preauth.PublicKey) (time.Time, error) {
		return books.RotateRoot(ctx, find, public)
	})
}

// rotate makes a key and has the books name it.
func rotate(dir, file string, name func(preauth.PublicKey) (time.Time, error)) (Rotated, error) {
	var from time.Time
	public, path, err := offer(dir, file, func(public preauth.PublicKey) (named bool, err error) {
		from, err = name(public)
		return err == nil, err
	})
	if err != nil {
		return Rotated{}, err
	}
	return Rotated{Public: public, File: path, From: from}, nil
}

// offer makes a key, whose file is on disk before the books may name it, and
// takes the file away again if they do not. A crash between leaves a file that
// nothing names.
func offer(dir, file string, name func(preauth.PublicKey) (named bool, err error)) (preauth.PublicKey, string, error) {
	public, path, err := addKey(dir, file)
	if err != nil {
		return public, "", err
	}
	named, err := name(public)
	if named || errors.Is(err, backend.ErrCommit) { // then the books may name it
		return public, path, err
	}
	return public, path, errors.Join(err, os.Remove(path))
}
