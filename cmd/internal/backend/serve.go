package backend

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/vipaso/vipasod/syncer/backend"
)

// ErrListen says that the port cannot be opened.
var ErrListen = errors.New("cannot listen")

// stopGrace is how long calls under way may take to end.
const stopGrace = 10 * time.Second

// Options configures Serve. Dir and Listen, or Dir and Listener, are needed.
type Options struct {
	Dir    string // keys and, unless DB says otherwise, the database
	Listen string // host:port
	DB     string // address of the database, such as "sqlite:/var/lib/x.db"

	PreauthLife time.Duration // zero means the default of the backend
	SettleAfter time.Duration

	// Listener replaces Listen.
	Listener net.Listener

	// Ready is called once, when the port answers and ca.pem exists.
	Ready func(net.Addr)

	Now    func() time.Time // nil means time.Now
	Logger *slog.Logger     // nil discards
}

// Serve runs a backend until ctx ends. When CAFile exists in the directory,
// the database is migrated and the port answers.
//
// The error wraps ErrDir, ErrKey, ErrListen, or backend.ErrDatabase,
// ErrDurability or ErrInvalid, if the backend cannot start as it is configured,
// and backend.ErrOlderCopy if its books were put back. It wraps
// backend.ErrCommit if a commit failed: the process must then exit.
func Serve(ctx context.Context, o Options) (err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	lock, err := lockDir(o.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	authority, err := loadAuthority(o.Dir, o.Now())
	if err != nil {
		return err
	}
	if err := private(Database(o.Dir, o.DB)); err != nil {
		return err
	}
	store, err := backend.Open(ctx, Database(o.Dir, o.DB))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	store.LogTo(o.Logger)
	server, err := backend.New(ctx, store, authority, backend.Options{
		PreauthLife: o.PreauthLife, SettleAfter: o.SettleAfter, Now: o.Now, Logger: o.Logger,
	})
	if err != nil {
		return err
	}
	listener, host, err := listen(ctx, o)
	if err != nil {
		return err
	}
	certificate, err := serverCertificate(o.Dir, authority, host, o.Now())
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	g, err := server.GRPC(certificate)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	return runAll(ctx, o, store, server, g, listener)
}

// listen opens the port before ca.pem promises it.
func listen(ctx context.Context, o Options) (net.Listener, string, error) {
	if o.Listener != nil {
		return o.Listener, "", nil
	}
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return nil, "", fmt.Errorf("listen address %q is not host:port: %w", o.Listen, backend.ErrInvalid)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		var why *net.OpError
		if errors.As(err, &why) { // it would name the address again
			err = why.Err
		}
		return nil, "", fmt.Errorf("%w on %s: %w", ErrListen, o.Listen, err)
	}
	return l, host, nil
}

func runAll(ctx context.Context, o Options, store *backend.Store, server *backend.Server, g *grpc.Server, l net.Listener) error {
	tasks, ctx := errgroup.WithContext(ctx)
	tasks.Go(func() error {
		err := g.Serve(l)
		if ctx.Err() != nil && errors.Is(err, grpc.ErrServerStopped) {
			return nil // stopped before it began
		}
		return err
	})
	tasks.Go(func() error { return server.Run(ctx) })
	tasks.Go(func() error {
		if err := publishCA(o.Dir); err != nil {
			return err
		}
		o.Logger.InfoContext(ctx, "backend serving", "address", l.Addr().String(), "dir", o.Dir)
		if o.Ready != nil {
			o.Ready(l.Addr())
		}
		return nil
	})
	tasks.Go(func() error {
		<-ctx.Done()
		stop(g, store.Lost())
		return nil
	})
	return tasks.Wait()
}

// stop lets calls under way end, but not for ever. After a failed commit it
// cuts them off: they get no answer.
func stop(g *grpc.Server, lost <-chan struct{}) {
	late := time.AfterFunc(stopGrace, g.Stop)
	defer late.Stop()
	ended := make(chan struct{})
	go func() {
		select {
		case <-lost:
			g.Stop()
		case <-ended:
		}
	}()
	g.GracefulStop()
	close(ended)
}

// publishCA writes the file that says that everything works.
func publishCA(dir string) error {
	b, err := os.ReadFile(filepath.Join(dir, caCertFile))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDir, err)
	}
	if old, err := os.ReadFile(filepath.Join(dir, CAFile)); err == nil && string(old) == string(b) {
		return nil
	}
	return writeFile(filepath.Join(dir, CAFile), b, 0o644)
}

// OpenAdmin opens the books of a backend that has been started at least once,
// also while it runs, and whether or not the file of the signing key is there:
// a lost one can be withdrawn. Books that are an older copy are opened too, to
// be read or accepted. The caller closes the store.
//
// The error wraps ErrNotStarted, ErrDir, or one of backend.Open's.
func OpenAdmin(ctx context.Context, dir, db string) (backend.Admin, error) {
	store, err := openBooks(ctx, dir, db)
	if err != nil {
		return backend.Admin{}, err
	}
	books := backend.Admin{Store: store, By: operator()}
	if _, err := books.SigningIssuer(ctx); err != nil {
		if errors.Is(err, backend.ErrNotFound) && store.Older() != nil {
			return books, nil // nothing is left of them
		}
		if errors.Is(err, backend.ErrNotFound) {
			err = fmt.Errorf("no backend has used the database %s yet: %w", Database(dir, db), backend.ErrDatabase)
		}
		return backend.Admin{}, errors.Join(err, store.Close())
	}
	return books, nil
}

// SigningKey is the private key with which a backend signs now.
//
// The error wraps ErrDir or ErrKey, or is one of the store's.
func SigningKey(ctx context.Context, dir string, books backend.Admin) (*ecdsa.PrivateKey, error) {
	public, err := books.SigningIssuer(ctx)
	if err != nil {
		return nil, err
	}
	return findKey(dir, public)
}

// OpenServer opens the books as OpenAdmin does, to settle with them what was
// not handed in over the network. The caller closes the store.
//
// The error wraps ErrNotStarted, ErrDir, ErrKey, or one of backend.Open's and
// backend.New's.
func OpenServer(ctx context.Context, dir, db string) (*backend.Server, *backend.Store, error) {
	store, err := openBooks(ctx, dir, db)
	if err != nil {
		return nil, nil, err
	}
	authority, err := loadAuthority(dir, time.Now())
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	server, err := backend.New(ctx, store, authority, backend.Options{})
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	return server, store, nil
}

// openBooks opens a database that is there, of a directory that a backend has
// served from.
func openBooks(ctx context.Context, dir, db string) (*backend.Store, error) {
	_, err := os.Stat(filepath.Join(dir, CAFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: %w", dir, ErrNotStarted)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrDir, err)
	}
	address := Database(dir, db)
	if path, ok := strings.CutPrefix(address, "sqlite:"); ok && path != "" { // else Open says what is wrong
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("no database at %s: %w", path, backend.ErrDatabase)
		}
	}
	return backend.Open(ctx, address)
}
