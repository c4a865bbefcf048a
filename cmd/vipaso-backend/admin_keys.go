package main

import (
	"encoding/hex"
	"fmt"
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
					if err := p.object(issuerJSON{keyName(k.Public), when(k.From), when(k.Until), k.Signs, k.Listed}); err != nil {
						return err
					}
					continue
				}
				rows = append(rows, []string{keyName(k.Public), issuerState(k, time.Now()), when(k.From), when(k.Until)})
			}
			if p.json {
				return nil
			}
			return p.table([]string{"KEY", "STATE", "FROM", "UNTIL"}, rows)
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
}

func issuerState(k backend.Key, now time.Time) string {
	switch {
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
have met the backend or a device that has; if an earlier new key still waits, it
signs as soon as that one has begun. A key that was stolen is not withdrawn by
this: devices accept what it signs for as long as it is listed.`,
		Example: `  vipaso-backend admin --dir ./backend issuer rotate`,
		RunE: a.with(func(c *cobra.Command, _ []string, b backend.Admin, p printer) error {
			r, err := wiring.RotateIssuer(c.Context(), a.dir, b, overlap)
			if err != nil {
				return err
			}
			return p.rotated(r, "issuer key %s signs from %s on; bundles list it now\n", keyName(r.Public), when(r.From))
		}),
	}
	c.Flags().DurationVar(&overlap, "overlap", backend.IssuerOverlap, "how long it is listed before it signs")
	return c
}

func (a *admin) rootRotate() *cobra.Command {
	return &cobra.Command{
		Use: "rotate", Short: "Make another root key, also while serve runs", Args: noArguments,
		Long: fmt.Sprintf(`Make another root key in DIR, also while serve runs. The one before signs that
this one follows it, and signs nothing from then on. Devices take the new key with
the next trust bundle, from the backend or from a device they meet, after up to %d
rotations that they have missed; after more, a device must be enrolled again.

Keep the file of the new key. Nobody needs that of the old one any more; whoever
steals it can deceive devices that have not heard of the new one.`, preauth.HandoversMax),
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
