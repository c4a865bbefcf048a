package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
	"github.com/vipaso/vipasod/syncer/backend"
)

// An amountFlag sets one amount of a cap.
type amountFlag struct {
	name, help string
	in         func(*peerv1.Cap) *int64
}

// amountFlags are the amounts of a cap, in the order of columns.
var amountFlags = []amountFlag{
	{"payment-max", "largest offline payment, tip included; 0 for no offline payments", func(c *peerv1.Cap) *int64 { return &c.PaymentMax }},
	{"total-max", "largest sum that is not settled yet; 0 for no offline payments", func(c *peerv1.Cap) *int64 { return &c.TotalMax }},
	{"counterparty-max", "largest part of it with one device of the other side; 0 for no bound of its own", func(c *peerv1.Cap) *int64 { return &c.CounterpartyMax }},
	{"emergency-payment-max", "largest payment in an emergency; 0 for no other than normal", func(c *peerv1.Cap) *int64 { return &c.EmergencyPaymentMax }},
	{"emergency-total-max", "largest sum in an emergency; 0 for no other than normal", func(c *peerv1.Cap) *int64 { return &c.EmergencyTotalMax }},
}

// limitFlags are what `limits set` takes.
type limitFlags struct {
	currency  string
	amounts   map[string]*string
	count     uint32
	velocity  string
	offline   time.Duration
	emergency time.Duration
}

func (a *admin) limitsSet() *cobra.Command {
	l := &limitFlags{amounts: map[string]*string{}}
	c := &cobra.Command{
		Use: "set [--currency CUR --payment-max AMOUNT ...] [--offline-max TIME ...]", Short: "Change what is signed for all devices", Args: noArguments,
		Long: `Change what is signed for all devices: what they may do without a network.
What no flag names stays as it is. Devices have it when they synchronize next,
and can lower it for themselves, but not raise it.`,
		Example: `  vipaso-backend admin --dir ./backend limits set --currency USD --payment-max 50.00 --counterparty-max 100.00
  vipaso-backend admin --dir ./backend limits set --currency USD --emergency-payment-max 80.00 --emergency-max 8h`,
		RunE: a.with(func(c *cobra.Command, _ []string, b backend.Admin, p printer) error {
			change, err := l.read(c)
			if err != nil {
				return err
			}
			if err := b.SetLimits(c.Context(), l.currency, change); err != nil {
				return err
			}
			return showLimits(c, b, p)
		}),
	}
	f := c.Flags()
	f.StringVar(&l.currency, "currency", "", "ISO 4217 code that the amounts are in")
	for _, one := range amountFlags {
		l.amounts[one.name] = f.String(one.name, "", one.help)
	}
	f.Uint32Var(&l.count, "stored-count", 0, "most payments that wait to be settled; 0 for no offline payments")
	f.DurationVar(&l.offline, "offline-max", 0, "longest time without the backend, at most 720h; 0 for as long as the trust bundle may be old")
	f.StringVar(&l.velocity, "velocity", "", `most offline payments with one device of the other side in a time of at most 168h, as in "10/1h"; 0 for no bound`)
	f.DurationVar(&l.emergency, "emergency-max", 0, "longest emergency that an operator of a device may declare, at most 24h; 0 for none")
	return c
}

// read returns what the flags change.
func (l *limitFlags) read(c *cobra.Command) (func(*peerv1.DeviceCert, *peerv1.Cap), error) {
	f := c.Flags()
	amounts := map[string]int64{}
	for _, one := range amountFlags {
		if !f.Changed(one.name) {
			continue
		}
		if l.currency == "" {
			return nil, usage(c, fmt.Errorf("--%s needs --currency CUR", one.name))
		}
		v, err := money.Parse(*l.amounts[one.name], l.currency)
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", one.name, err)
		}
		amounts[one.name] = v.Minor
	}
	velocity, err := preauth.ParseVelocity(l.velocity)
	if f.Changed("velocity") && err != nil {
		return nil, usage(c, fmt.Errorf("--velocity: %w, of at most 168h", err))
	}
	others := f.Changed("stored-count") || f.Changed("offline-max") || f.Changed("velocity") || f.Changed("emergency-max")
	if len(amounts) == 0 && !others {
		return nil, usage(c, errors.New("nothing to set: name a limit, such as --currency USD --payment-max 50.00"))
	}
	return func(all *peerv1.DeviceCert, in *peerv1.Cap) {
		for _, one := range amountFlags {
			if v, ok := amounts[one.name]; ok {
				*one.in(in) = v
			}
		}
		if f.Changed("stored-count") {
			all.StoredCountMax = l.count
		}
		if f.Changed("offline-max") {
			all.OfflineMaxMs = l.offline.Milliseconds()
		}
		if f.Changed("velocity") {
			all.VelocityMax, all.VelocityMs = uint32(velocity.Max), velocity.Within.Milliseconds()
		}
		if f.Changed("emergency-max") {
			all.EmergencyMaxMs = l.emergency.Milliseconds()
		}
	}, nil
}

func (a *admin) limitsShow() *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Show what is signed for all devices", Args: noArguments,
		Example: `  vipaso-backend admin --dir ./backend limits show`,
		RunE: a.with(func(c *cobra.Command, _ []string, b backend.Admin, p printer) error {
			return showLimits(c, b, p)
		}),
	}
}

// limitsJSON is what is signed for all devices, as scripts see it.
type limitsJSON struct {
	Currencies  []map[string]string `json:"currencies"`
	StoredCount uint32              `json:"stored_count"`
	OfflineMax  string              `json:"offline_max,omitempty"`
	Velocity    string              `json:"velocity,omitempty"`
	Emergency   string              `json:"emergency_max,omitempty"`
}

func showLimits(c *cobra.Command, b backend.Admin, p printer) error {
	all, err := b.Limits(c.Context())
	if err != nil {
		return err
	}
	if p.json {
		return p.object(limitsObject(all))
	}
	var rows [][]string
	for _, in := range all.Caps {
		row := []string{in.Currency}
		for _, one := range amountFlags {
			text := "-"
			if v := *one.in(in); v > 0 || one.name == "payment-max" || one.name == "total-max" {
				text = money.Format(v, in.Currency)
			}
			row = append(row, text)
		}
		rows = append(rows, row)
	}
	if err := p.table([]string{"CUR", "PAYMENT", "TOTAL", "COUNTERPARTY", "EMERGENCY PAYMENT", "EMERGENCY TOTAL"}, rows); err != nil {
		return err
	}
	j := limitsObject(all)
	or := func(text, none string) string {
		if text == "" {
			return none
		}
		return text
	}
	return p.fields(
		field{"stored payments", strconv.FormatUint(uint64(j.StoredCount), 10)},
		field{"without the backend", or(j.OfflineMax, "as long as the trust bundle may be old")},
		field{"with one device", or(j.Velocity, "any number")},
		field{"an emergency", or(j.Emergency, "none")},
	)
}

func limitsObject(all *peerv1.DeviceCert) limitsJSON {
	j := limitsJSON{StoredCount: all.StoredCountMax, OfflineMax: spanText(all.OfflineMaxMs), Emergency: spanText(all.EmergencyMaxMs)}
	if all.VelocityMax > 0 {
		j.Velocity = fmt.Sprintf("%d/%s", all.VelocityMax, spanText(all.VelocityMs))
	}
	for _, in := range all.Caps {
		one := map[string]string{"currency": in.Currency}
		for _, f := range amountFlags {
			one[strings.ReplaceAll(f.name, "-", "_")] = money.Format(*f.in(in), in.Currency)
		}
		j.Currencies = append(j.Currencies, one)
	}
	return j
}

// spanText is a time as the flags take it, empty for none.
func spanText(ms int64) string {
	if ms == 0 {
		return ""
	}
	text := (time.Duration(ms) * time.Millisecond).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func (a *admin) audit() *cobra.Command {
	return &cobra.Command{
		Use: "audit", Short: "List what people allowed on devices beyond the rules", Args: noArguments,
		Long: `List what people allowed on devices beyond the rules, as the devices have told,
the newest first: overrides by a manager, and emergencies.`,
		Example: `  vipaso-backend admin --dir ./backend audit`,
		RunE: a.with(func(c *cobra.Command, _ []string, b backend.Admin, p printer) error {
			all, err := b.Audit(c.Context())
			if err != nil {
				return err
			}
			var rows [][]string
			for _, one := range all {
				if p.json {
					err := p.object(auditJSON{one.Device.String(), one.Kind, one.Person, when(one.Since), when(one.Until), one.Reason, when(one.Told)})
					if err != nil {
						return err
					}
					continue
				}
				rows = append(rows, []string{when(one.Since), when(one.Until), one.Device.String(), one.Kind, one.Person, one.Reason})
			}
			if p.json {
				return nil
			}
			return p.table([]string{"SINCE", "UNTIL", "DEVICE", "WHAT", "WHO", "WHY"}, rows)
		}),
	}
}

// auditJSON is an allowance as scripts see it.
type auditJSON struct {
	Device string `json:"device_id"`
	Kind   string `json:"kind"`
	Person string `json:"by"`
	Since  string `json:"since"`
	Until  string `json:"until"`
	Reason string `json:"reason"`
	Told   string `json:"told_at"`
}
