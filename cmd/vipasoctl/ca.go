package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	// caHint says where the file for --ca comes from.
	caHint = "copy ca.pem from the backend: it is in the directory given to `vipaso-backend serve --dir DIR`"

	// caMax is the largest CA file that the daemon takes, in bytes.
	caMax = 64 << 10
)

// errNotCA says that a file is something else than the CA of a backend.
var errNotCA = errors.New("this is not the backend's ca.pem")

// readCA returns the text of the backend's CA certificate in the file path.
// Its error is a fileError, which wraps errNotCA for a file of another kind.
func readCA(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", &fileError{path: path, err: err, hint: caHint}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, caMax+1))
	switch {
	case err != nil:
	case len(text) > caMax:
		err = fmt.Errorf("%w: it has more than %d bytes", errNotCA, caMax)
	case !x509.NewCertPool().AppendCertsFromPEM(text):
		err = fmt.Errorf("%w: there is no PEM certificate in it", errNotCA)
	}
	if err != nil {
		return "", &fileError{path: path, err: err, hint: caHint}
	}
	return string(text), nil
}
