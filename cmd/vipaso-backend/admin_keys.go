package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	wiring "github.com/vipaso/vipasod/cmd/internal/backend"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/syncer/backend"
)

func (a *admin) issuerList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the issuer keys, newest first", Args: noArguments,
		Example: `  vipaso-backend admin --dir ./backend issuer list`,
		RunE: a.with(func(c *cobra.Command, _ []string, b backend.Admin, p printer) error {
			all, err := b.IssuerKeys(c.Context())
			if err != nil {
				return err
			}
			var rows [][]string
			for _, k := range all {
				if p.json {
					if err := p.object(issuerObject(k)); err != nil {
						return err
					}
					continue
				}
				rows = append(rows, []string{keyName(k.Public), issuerState(k, time.Now()), when(k.From), when(k.Until), when(k.Withdrawn), k.By, k.Reason})
			}
			if p.json {
				return nil
			}
			return p.table([]string{"KEY", "STATE", "FROM", "UNTIL", "WITHDRAWN", "WHO", "WHY"}, rows)
		}),
	}
}

// issuerJSON is an issuer key as scripts see it.
type issuerJSON struct {
	Key    string `json:"key_id"`
	From   string `json:"not_before"`
	Until  string `json:"not_after"`
	Signs  bool   `json:"signs"`
	Listed bool   `json:"listed"`

	Withdrawn string `json:"withdrawn_at,omitempty"`
	By        string `json:"withdrawn_by,omitempty"`
	Reason    string `json:"reason,omitempty"`
}

func issuerObject(k backend.Key) issuerJSON {
	return issuerJSON{keyName(k.Public), when(k.From), when(k.Until), k.Signs, k.Listed, when(k.Withdrawn), k.By, k.Reason}
}

func issuerState(k backend.Key, now time.Time) string {
	switch {
	case !k.Withdrawn.IsZero():
		return "withdrawn"
	case k.Signs:
		return "signs"
	case k.From.After(now):
		return "signs later"
	case k.Listed:
		return "replaced"
	}
	return "gone"
}

func (a *admin) issuerRotate() *cobra.Command {
	var overlap time.Duration
	c := &cobra.Command{
		Use: "rotate [--overlap 72h]", Short: "Make another issuer key, also while serve runs", Args: noArguments,
		Long: `Make another issuer key in DIR, also while serve runs. Trust bundles list it
at once; it signs after the overlap, when every device that deals at all has such
a bundle. What the key before has signed stays good, and it stays listed until
none of that can be settled or reversed any more. With --overlap 0s the new key
signs at once, and devices with an older bundle refuse what it signs until they
have met the backend. An earlier new key that still waits, and would begin after
this one, is replaced: it never signs, and is listed no more. A key that was
stolen is not withdrawn by this: it stays listed, and devices accept what it
signs until all that it has signed is over, four months and more. See withdraw.`,
		Example: `  vipaso-backend admin --dir ./backend issuer rotate`,
		RunE: a.with(func(c *cobra.Command, _ []string, b backend.Admin, p printer) error {
			r, err := wiring.RotateIssuer(c.Context(), a.dir, b, overlap)
			if err != nil {
				return err
			}
			if err := alsoWaiting(c, b, r); err != nil {
				return err
			}
			return p.rotated(r, "issuer key %s signs from %s on; bundles list it now\n", keyName(r.Public), when(r.From))
		}),
	}
	c.Flags().DurationVar(&overlap, "overlap", backend.IssuerOverlap, "how long it is listed before it signs")
	return c
}

// alsoWaiting notes the keys that wait to sign beside the one that was made: an
// earlier rotation need not have been forgotten.
func alsoWaiting(c *cobra.Command, b backend.Admin, made wiring.Rotated) error {
	all, err := b.IssuerKeys(c.Context())
	if err != nil {
		return err
	}
	for _, k := range all {
		if k.Public != made.Public && issuerState(k, time.Now()) == "signs later" {
			fmt.Fprintf(c.ErrOrStderr(), "another key waits already: %s signs from %s on, until this one does\n", keyName(k.Public), when(k.From))
		}
	}
	return nil
}

func (a *admin) issuerWithdraw() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "withdraw KEY --reason TEXT", Short: "Take an issuer key back that somebody else may have, also while serve runs", Args: wants("KEY"),
		Long: `Take an issuer key back that somebody else may have, also while serve runs. From
now on trust bundles do not list it, it signs nothing, and enrollment tokens that
it signed count no more. If it is the key that signs, another one does at once: a
key that waits since an earlier rotate, which devices may know already, or else a
new one. If the one that waits may be stolen as well, withdraw that one first.

Devices take the new bundle, and have what the key signed for them signed anew,
when they synchronize next. What they promised or took before settles. Until then
a device accepts what the key signs for as long as it deals by its older bundle,
three days, or seven if a manager allows that; and two devices of which only one
has heard do not deal with each other.

Whoever has the key can have enrolled devices: look for some that you do not know
in "device list", and revoke them. Repeated, this command changes nothing. The
file of the key may be deleted afterwards.`,
		Example: `  vipaso-backend admin --dir ./backend issuer withdraw 5c1f0a9be2d37846 --reason "backup was stolen"`,
		RunE: a.with(func(c *cobra.Command, args []string, b backend.Admin, p printer) error {
			id, err := hex.DecodeString(strings.ReplaceAll(args[0], ":", "")) // vipasoctl trust prints it with colons
			if err != nil || len(id) != 8 {
				return usage(c, fmt.Errorf("%.64q is no key: keys have 16 hexadecimal digits, `issuer list` shows them", args[0]))
			}
			if reason == "" {
				return usage(c, errors.New("--reason is needed: it is kept with the key"))
			}
			w, err := wiring.WithdrawIssuer(c.Context(), a.dir, b, [8]byte(id), reason)
			if err != nil {
				return err
			}
			return p.withdrawn(w)
		}),
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for the record")
	return c
}

// withdrawnJSON is an issuer key that was taken back, as scripts see it.
type withdrawnJSON struct {
	Key    string `json:"key_id"`
	At     string `json:"withdrawn_at"`
	By     string `json:"withdrawn_by"`
	Reason string `json:"reason"`
	Signs  string `json:"signing_key_id"`
	File   string `json:"file,omitempty"`
}

// withdrawn prints a key that was taken back.
func (p printer) withdrawn(w wiring.Withdrawn) error {
	if p.json {
		return p.object(withdrawnJSON{keyName(w.Key), when(w.At), w.By, w.Reason, keyName(w.Signs), w.File})
	}
	_, err := fmt.Fprintf(p.w, "issuer key %s is withdrawn since %s, by %s: %s\nkey %s signs; devices learn both with their next trust bundle\n",
		keyName(w.Key), when(w.At), w.By, w.Reason, keyName(w.Signs))
	if err == nil && w.File != "" {
		_, err = fmt.Fprintf(p.w, "its private half is in %s: back it up\n", w.File)
	}
	return err
}

func (a *admin) rootList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the root keys, newest first", Args: noArguments,
		Example: `  vipaso-backend admin --dir ./backend root list`,
		RunE: a.with(func(c *cobra.Command, _ []string, b backend.Admin, p printer) error {
			all, err := b.RootKeys(c.Context())
			if err != nil {
				return err
			}
			var rows [][]string
			for _, k := range all {
				if p.json {
					if err := p.object(rootJSON{keyName(k.Public), when(k.From), k.Signs, k.Listed}); err != nil {
						return err
					}
					continue
				}
				rows = append(rows, []string{keyName(k.Public), rootState(k), when(k.From)})
			}
			if p.json {
				return nil
			}
			return p.table([]string{"KEY", "STATE", "FROM"}, rows)
		}),
	}
}

// rootJSON is a root key as scripts see it.
type rootJSON struct {
	Key     string `json:"key_id"`
	From    string `json:"signs_from,omitempty"`
	Signs   bool   `json:"signs"`
	Follows bool   `json:"devices_follow"` // those that know this key take the present one
}

func rootState(k backend.Key) string {
	switch {
	case k.Signs:
		return "signs"
	case k.Listed:
		return "handed over"
	}
	return "forgotten" // devices that know no later one must be enrolled again
}

func (a *admin) rootRotate() *cobra.Command {
	return &cobra.Command{
		Use: "rotate", Short: "Make another root key, also while serve runs", Args: noArguments,
		Long: fmt.Sprintf(`Make another root key in DIR, also while serve runs. The one before signs that
this one follows it, and signs nothing from then on. Devices take the new key with
the next trust bundle, from the backend or from a device they meet, after up to %d
rotations that they have missed; after more, a device must be enrolled again.

Keep the file of the new key. Nobody needs the private file of the old one any more;
whoever steals it can deceive devices that have not heard of the new one. Keep the
public half of each, which vipasoctl trust -o FILE writes on a device: a receipt or
evidence is proven by the root key of its time, or by an earlier one.`, preauth.HandoversMax),
		Example: `  vipaso-backend admin --dir ./backend root rotate`,
		RunE: a.with(func(c *cobra.Command, _ []string, b backend.Admin, p printer) error {
			r, err := wiring.RotateRoot(c.Context(), a.dir, b)
			if err != nil {
				return err
			}
			return p.rotated(r, "root key %s signs from now on; devices take it with their next trust bundle\n", keyName(r.Public))
		}),
	}
}

// rotated prints a key that takes over.
func (p printer) rotated(r wiring.Rotated, format string, args ...any) error {
	if p.json {
		return p.object(map[string]string{"key_id": keyName(r.Public), "file": r.File, "signs_from": when(r.From)})
	}
	_, err := fmt.Fprintf(p.w, format+"its private half is in %s: back it up\n", append(args, r.File)...)
	return err
}

// keyName names a key as files and logs do.
func keyName(k preauth.PublicKey) string {
	id := k.KeyID()
	return hex.EncodeToString(id[:])
}
