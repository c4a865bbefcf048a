package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	wiring "github.com/vipaso/vipasod/cmd/internal/backend"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
	"github.com/vipaso/vipasod/syncer/backend"
)

// An admin holds what all admin commands share.
type admin struct {
	dir, db string
	json    bool
}

func adminCommand() *cobra.Command {
	a := &admin{}
	c := group("admin --dir DIR", "Look after the books, also while serve runs",
		group("business", "Who is paid", a.businessCreate()),
		group("customer", "Who pays", a.customerCreate()),
		group("instrument", "Funding sources", a.instrumentCreate(), a.instrumentDelegate()),
		group("enroll-code", "One-time codes for devices", a.enrollCodeCreate()),
		group("enroll-token", "Tokens for a device's key", a.enrollTokenCreate()),
		group("device", "Enrolled devices", a.deviceList(), a.deviceRevoke()),
		group("payment", "Payments", a.paymentShow()),
		group("guarantee", "What the issuer pays if a pre-authorization is exhausted", a.guaranteeShow(), a.guaranteeSet()),
		group("limits", "What devices may do without a network", a.limitsShow(), a.limitsSet()),
		group("issuer", "Keys that sign certificates and verdicts", a.issuerList(), a.issuerRotate(), a.issuerWithdraw()),
		group("root", "The key that signs trust bundles", a.rootList(), a.rootRotate()),
		group("ledger", "The ledger", a.ledgerCheck()),
		group("copy", "Books that were put back from an older copy", a.copyAccept(), a.copyList()),
		group("evidence", "Proven double spends", a.evidenceList(), a.evidenceExport()),
		group("journal", "Event logs of devices", a.journalList(), a.journalVerify()),
		a.reconcile(),
		a.audit(),
		a.importSealed(),
	)
	c.Example = `  vipaso-backend admin --dir ./backend business create --name "Cafe Luna" --mcc 5812
  vipaso-backend admin --dir ./backend ledger check`
	f := c.PersistentFlags()
	f.StringVar(&a.dir, "dir", "", "directory of the backend")
	f.StringVar(&a.db, "db", "", "database, sqlite:PATH (default: in --dir)")
	f.BoolVar(&a.json, "json", false, "print one JSON object per line; errors go to stderr as text")
	return c
}

// with opens the books for one command, and says if they are an older copy.
func (a *admin) with(f func(*cobra.Command, []string, backend.Admin, printer) error) func(*cobra.Command, []string) error {
	return a.quietly(func(c *cobra.Command, args []string, b backend.Admin, p printer) error {
		err := f(c, args, b, p)
		if older := b.Store.Older(); older != nil && !errors.Is(err, backend.ErrOlderCopy) {
			fmt.Fprintf(c.ErrOrStderr(), "warning: %s\nNext: %s\n", older, nextOlder)
		}
		return err
	})
}

// quietly does the same without a word about older copies.
func (a *admin) quietly(f func(*cobra.Command, []string, backend.Admin, printer) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		if a.dir == "" {
			return usage(c, errors.New("--dir is needed: the directory given to serve"))
		}
		books, err := wiring.OpenAdmin(c.Context(), a.dir, a.db)
		if err != nil {
			return err
		}
		err = f(c, args, books, printer{c.OutOrStdout(), a.json})
		return errors.Join(err, books.Store.Close())
	}
}

func (a *admin) businessCreate() *cobra.Command {
	var name, category string
	c := &cobra.Command{
		Use: "create --name NAME", Short: "Add a business and print its id", Args: noArguments,
		Example: `  vipaso-backend admin --dir ./backend business create --name "Cafe Luna" --mcc 5812`,
		RunE: a.with(func(c *cobra.Command, _ []string, b backend.Admin, p printer) error {
			mcc, err := parseMCC(category)
			if err != nil {
				return usage(c, err)
			}
			id, err := b.CreateBusiness(c.Context(), name, mcc)
			if err != nil {
				return err
			}
			return p.created("business_id", id.String())
		}),
	}
	c.Flags().StringVar(&name, "name", "", "name that customers see, at most 64 bytes")
	c.Flags().StringVar(&category, "mcc", "5812", "merchant category code (ISO 18245), four digits")
	return c
}

// parseMCC reads a merchant category code, which is four digits, such as 0742:
// fewer are not taken, for they may be the rest of another one.
func parseMCC(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || len(s) != 4 {
		return 0, fmt.Errorf("--mcc takes four digits, such as 5812 or 0742, not %.64q", s)
	}
	return uint32(n), nil
}

func (a *admin) customerCreate() *cobra.Command {
	var name string
	c := &cobra.Command{
		Use: "create --name NAME", Short: "Add a customer and print its id", Args: noArguments,
		Example: `  vipaso-backend admin --dir ./backend customer create --name Ada`,
		RunE: a.with(func(c *cobra.Command, _ []string, b backend.Admin, p printer) error {
			id, err := b.CreateCustomer(c.Context(), name)
			if err != nil {
				return err
			}
			return p.created("customer_id", id.String())
		}),
	}
	c.Flags().StringVar(&name, "name", "", "name, at most 64 bytes")
	return c
}

func (a *admin) instrumentCreate() *cobra.Command {
	var customer, kind, balance, currency string
	var noPreAuth bool
	c := &cobra.Command{
		Use: "create --customer ID --type TYPE --balance AMOUNT --currency CUR", Short: "Add a funding source and print its id", Args: noArguments,
		Example: `  vipaso-backend admin --dir ./backend instrument create --customer ID --type CARD --balance 500.00 --currency USD`,
		RunE: a.with(func(c *cobra.Command, _ []string, b backend.Admin, p printer) error {
			owner, err := preauth.ParseID(customer)
			if err != nil {
				return fmt.Errorf("--customer: %w", err)
			}
			amount, err := money.Parse(balance, currency)
			if err != nil {
				return fmt.Errorf("--balance: %w", err)
			}
			id, err := b.CreateInstrument(c.Context(), backend.Instrument{
				Customer: owner, Type: kind, Label: kind, Currency: currency,
				PreAuthCapable: !noPreAuth, Free: amount.Minor,
			})
			if err != nil {
				return err
			}
			return p.created("instrument_id", id.String())
		}),
	}
	f := c.Flags()
	f.StringVar(&customer, "customer", "", "id of its owner")
	f.StringVar(&kind, "type", "CARD", "CARD, BANK_ACCOUNT or MNO")
	f.StringVar(&balance, "balance", "0", "first balance, such as 500.00")
	f.StringVar(&currency, "currency", "USD", "ISO 4217 code")
	f.BoolVar(&noPreAuth, "no-pre-auth", false, "funds cannot be set aside on it")
	return c
}

func (a *admin) instrumentDelegate() *cobra.Command {
	var instrument, to string
	c := &cobra.Command{
		Use: "delegate --instrument ID --to CUSTOMER", Short: "Let another customer use an instrument", Args: noArguments,
		Example: `  vipaso-backend admin --dir ./backend instrument delegate --instrument ID --to CUSTOMER`,
		RunE: a.with(func(c *cobra.Command, _ []string, b backend.Admin, p printer) error {
			i, err := preauth.ParseID(instrument)
			if err != nil {
				return fmt.Errorf("--instrument: %w", err)
			}
			customer, err := preauth.ParseID(to)
			if err != nil {
				return fmt.Errorf("--to: %w", err)
			}
			if err := b.Delegate(c.Context(), i, customer); err != nil {
				return err
			}
			if p.json {
				return p.object(map[string]string{"instrument_id": i.String(), "customer_id": customer.String()})
			}
			_, err = fmt.Fprintf(p.w, "customer %s may use instrument %s\n", customer, i)
			return err
		}),
	}
	c.Flags().StringVar(&instrument, "instrument", "", "id of the instrument")
	c.Flags().StringVar(&to, "to", "", "id of the customer who may use it")
	return c
}

// partyFlags are the two ways to say for whom a device is.
type partyFlags struct{ business, customer string }

func (f *partyFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.business, "business", "", "id of the business the till belongs to")
	c.Flags().StringVar(&f.customer, "customer", "", "id of the customer the device belongs to")
}

func (f *partyFlags) party(c *cobra.Command) (p backend.Party, err error) {
	if (f.business == "") == (f.customer == "") {
		return p, usage(c, errors.New("one of --business ID and --customer ID is needed"))
	}
	if f.business != "" {
		p.Business, err = preauth.ParseID(f.business)
	} else {
		p.Customer, err = preauth.ParseID(f.customer)
	}
	return p, err
}

func (a *admin) enrollCodeCreate() *cobra.Command {
	var party partyFlags
	var ttl time.Duration
	c := &cobra.Command{
		Use: "create --business ID | --customer ID", Short: "Make a one-time code and print it", Args: noArguments,
		Example: `  vipaso-backend admin --dir ./backend enroll-code create --business ID --ttl 1h`,
		RunE: a.with(func(c *cobra.Command, _ []string, b backend.Admin, p printer) error {
			who, err := party.party(c)
			if err != nil {
				return err
			}
			code, err := b.EnrollCode(c.Context(), who, ttl)
			if err != nil {
				return err
			}
			return p.created("code", code)
		}),
	}
	party.add(c)
	c.Flags().DurationVar(&ttl, "ttl", time.Hour, "how long it can be used")
	return c
}

func (a *admin) enrollTokenCreate() *cobra.Command {
	var party partyFlags
	var file string
	var ttl time.Duration
	c := &cobra.Command{
		Use: "create --business ID | --customer ID --jwk FILE", Short: "Make a token for one device key and print it", Args: noArguments,
		Example: `  vipaso-backend admin --dir ./backend enroll-token create --customer ID --jwk device.jwk`,
		RunE: a.with(func(c *cobra.Command, _ []string, b backend.Admin, p printer) error {
			who, err := party.party(c)
			if err != nil {
				return err
			}
			text, err := os.ReadFile(file)
			if err != nil {
				return usage(c, fmt.Errorf("--jwk: %w", err))
			}
			key, err := backend.ParseJWK(text)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			if b.Issuer, err = wiring.SigningKey(c.Context(), a.dir, b); err != nil {
				return err
			}
			token, err := b.EnrollToken(c.Context(), who, key, ttl)
			if err != nil {
				return err
			}
			return p.created("token", token)
		}),
	}
	party.add(c)
	c.Flags().StringVar(&file, "jwk", "", "file with the device's public key as JWK")
	c.Flags().DurationVar(&ttl, "ttl", time.Hour, "how long it can be used")
	return c
}
