//go:build amd64

package crash

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vipaso/vipasod/store/secondhead"
	"github.com/vipaso/vipasod/syncer/backend"
)

// accepted is the flow of a backend whose books were put back.
var accepted = flow{name: "accepted", prepare: putBooksBack, run: runAccepted, sound: soundAccepted, file: booksFile, head: booksHead}

// begun is the flow of a backend that two processes open for the first time.
var begun = flow{name: "begun", run: runBegun, sound: soundBooks, file: booksFile, head: booksHead}

// errOlder says that books are, or are not, taken for an older copy.
var errOlder = errors.New("taken for an older copy")

// putBooksBack leaves books as they are when an older copy was put back.
func putBooksBack(dir string) error {
	path := filepath.Join(dir, booksFile)
	var copied []byte
	for range 2 {
		o, err := openOffice(dir, nil, nil)
		if err != nil {
			return err
		}
		_, err = o.admin.CreateBusiness(context.Background(), "Cafe Luna", 5812)
		if err := errors.Join(err, o.store.Close()); err != nil {
			return err
		}
		if copied == nil {
			if copied, err = os.ReadFile(path); err != nil {
				return err
			}
		}
	}
	return os.WriteFile(path, copied, 0o600)
}

// runAccepted accepts the older copy, and works on with it.
func runAccepted(dir string, told func(), weaken func(any) error) error {
	ctx := context.Background()
	store, err := backend.Open(ctx, "sqlite:"+filepath.Join(dir, booksFile))
	if err != nil {
		return err
	}
	_, done, err := backend.Admin{Store: store, By: "ann"}.AcceptCopy(ctx, "disk died")
	if err := errors.Join(err, store.Close()); err != nil || !done {
		return fmt.Errorf("accepted is %t: %w", done, err)
	}
	told()
	return work(dir, told, weaken)
}

// runBegun works with books whose second head another process has made, which
// has not waited for it.
func runBegun(dir string, told func(), weaken func(any) error) error {
	head, err := secondhead.Open(filepath.Join(dir, booksHead))
	if err != nil {
		return err
	}
	if err := errors.Join(head.Save(0), head.Close()); err != nil {
		return err
	}
	return work(dir, told, weaken)
}

// work makes changes to books.
func work(dir string, told func(), weaken func(any) error) error {
	o, err := openOffice(dir, told, weaken)
	if err != nil {
		return err
	}
	for _, name := range []string{"Ann", "Bob"} {
		if _, err := o.admin.CreateCustomer(context.Background(), name); err != nil {
			return err
		}
		told()
	}
	return o.store.Close()
}

// soundAccepted opens books that are an older copy until that is accepted, and
// never afterwards.
func soundAccepted(dir string) error {
	ctx := context.Background()
	store, err := backend.Open(ctx, "sqlite:"+filepath.Join(dir, booksFile))
	if err != nil {
		return err
	}
	older := store.Older()
	all, err := backend.Admin{Store: store}.AcceptedCopies(ctx)
	if err := errors.Join(err, store.Close()); err != nil {
		return err
	}
	if (older != nil) != (len(all) == 0) {
		return fmt.Errorf("%w: %v, accepted %d times", errOlder, older, len(all))
	}
	if older != nil {
		return nil
	}
	return soundBooks(dir)
}
