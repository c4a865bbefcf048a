package backend

import (
	"context"
	"crypto/ecdsa"
	"os"
	"os/user"
	"strconv"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/syncer/backend"
)

// Withdrawn is an issuer key that was taken back.
type Withdrawn struct {
	backend.Withdrawal
	File string // of the private key that was made to sign in its place; empty if there was another
}

// WithdrawIssuer takes the issuer key with that id back, also while a server
// runs, and makes another one in dir if no other is there to sign.
//
// The error wraps ErrDir, or is one of backend.Admin's.
func WithdrawIssuer(ctx context.Context, dir string, books backend.Admin, keyID [8]byte, reason string) (w Withdrawn, err error) {
	find := func(public preauth.PublicKey) (*ecdsa.PrivateKey, error) { return findKey(dir, public) }
	_, file, err := offer(dir, issuerFile, func(spare preauth.PublicKey) (used bool, err error) {
		w.Withdrawal, err = books.WithdrawIssuer(ctx, find, keyID, spare, reason)
		return w.Made, err
	})
	if err != nil {
		return Withdrawn{}, err
	}
	if w.Made {
		w.File = file
	}
	return w, nil
}

// operator names the person who runs this program.
func operator() string {
	name := strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if by := os.Getenv("SUDO_USER"); by != "" && by != name {
		name += " (" + by + ")"
	}
	return name
}
