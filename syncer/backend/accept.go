package backend

import (
	"context"
	"fmt"
	"time"
)

// How many numbers are left out once an older copy is accepted: more than what
// it has forgotten can have given away. Devices take no trust bundle with a
// lower number than one that they have, and read changed verdicts on from the
// last number that they have seen; a serial names one certificate for ever, and
// must stay below 1<<35 to fit into a bundle.
const (
	skipAlways    = 1_000_000
	skipForChange = 100
	skipChanges   = 10_000_000 // for no more than so many
)

// An AcceptedCopy is an older copy of the books with which somebody decided to
// go on.
type AcceptedCopy struct {
	Changes int64 // that the copy had
	Missing int64 // at least; zero if nobody knows
	At      time.Time
	By      string // Admin.By of who did it
	Reason  string
}

// AcceptCopy goes on with books that are an older copy: whoever opens them next
// can write to them. It reports false if there is nothing to accept, and
// changes nothing then.
//
// The error wraps ErrInvalid for a reason that is empty, too long or no plain
// text, and ErrDurability if the copy is accepted and a power cut may yet have
// the books be taken for an older copy again.
func (a Admin) AcceptCopy(ctx context.Context, reason string) (c AcceptedCopy, accepted bool, err error) {
	if err := checkReason(reason); err != nil {
		return c, false, err
	}
	older := a.Store.older
	if older == nil {
		return c, false, nil
	}
	c = AcceptedCopy{older.changes, older.missing(), a.now().Truncate(time.Millisecond), a.By, reason}
	err = a.Store.write(ctx, func(t Tx) error {
		changes, err := t.changes()
		if err != nil || changes != older.changes {
			return err // somebody else has accepted it meanwhile
		}
		accepted = true
		return t.acceptCopy(c, older.seen)
	})
	if err != nil || !accepted {
		return c, false, err
	}
	changes, seen, err := a.Store.heads(ctx)
	if err == nil {
		err = a.Store.syncHead(changes, seen)
	}
	if err != nil {
		return c, false, fmt.Errorf("the copy is accepted, but not yet in the file beside it: %w: %w", ErrDurability, err)
	}
	return c, true, nil
}

// acceptCopy notes an older copy, and has everything be numbered after what the
// copy may have forgotten: the second head, too, must not be behind again. A
// copy of books that were accepted and had no verdict since has forgotten
// verdicts from that first number on.
func (t Tx) acceptCopy(c AcceptedCopy, seen int64) error {
	skip := skipAlways + skipForChange*min(c.Missing, skipChanges)
	if err := t.exec(`UPDATE head SET changes = max(changes, ?) WHERE id = 1`, seen); err != nil {
		return err
	}
	if err := t.exec(`UPDATE trust SET epoch = epoch + ?, serial = serial + ? WHERE id = 1`, skip, skip); err != nil {
		return err
	}
	return t.exec(`INSERT INTO copies (changes, missing, first_verdict, at_ms, accepted_by, accepted_why)
		SELECT ?, nullif(?, 0), max(coalesce(max(seq), 0), coalesce((SELECT max(first_verdict) FROM copies), 0)) + ?, ?, ?, ? FROM verdicts`,
		c.Changes, c.Missing, skip, c.At.UnixMilli(), c.By, c.Reason)
}

// AcceptedCopies returns the older copies with which somebody decided to go
// on, the newest first.
func (a Admin) AcceptedCopies(ctx context.Context) (all []AcceptedCopy, err error) {
	err = a.Store.Read(ctx, func(t Tx) error {
		return t.each(`SELECT changes, coalesce(missing, 0), at_ms, accepted_by, accepted_why FROM copies ORDER BY n DESC`, nil,
			func(row func(...any) error) error {
				var one AcceptedCopy
				err := row(&one.Changes, &one.Missing, moment{&one.At}, &one.By, &one.Reason)
				all = append(all, one)
				return err
			})
	})
	return all, err
}
