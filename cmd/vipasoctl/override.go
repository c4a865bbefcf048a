package main

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
)

// Something is allowed for so long at the least and at the most.
const (
	allowMin = time.Minute
	allowMax = 24 * time.Hour
)

func (a *app) overrideCommand() *cobra.Command {
	stale := a.allowCommand("stale-bundle", devicev1.AllowanceKind_ALLOWANCE_KIND_STALE_BUNDLE, time.Hour)
	stale.Short = "Sell with a trust bundle of 3 to 7 days, everything at risk"
	stale.Long = `The trust bundle says what is revoked. A till whose bundle is older than three days
takes nothing offline; with this it does, until the bundle is a week old. What it
takes is at risk: the issuer guarantees none of it.`
	own := a.allowCommand("own-limits", devicev1.AllowanceKind_ALLOWANCE_KIND_OWN_LIMITS, time.Hour)
	own.Short = "Deal above the device's own limits, up to those that are signed"
	list := &cobra.Command{
		Use:     "list",
		Short:   "List what is allowed, by whom and until when",
		Example: "  vipasoctl override list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			st, err := a.getStatus(cmd.Context())
			if err != nil {
				return err
			}
			return a.listAllowances(st.GetAllowances())
		},
	}
	kinds := allowanceKinds()
	end := &cobra.Command{
		Use:               "end KIND",
		Short:             "Take back what is allowed: " + strings.Join(kinds, ", "),
		Example:           "  vipasoctl override end own-limits",
		Args:              wants("KIND"),
		ValidArgsFunction: completeFirstWords(func() []string { return kinds }),
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, ok := allowanceKind(args[0])
			if !ok {
				return usagef("override end %s: want %s", args[0], strings.Join(kinds, ", "))
			}
			return a.endAllowance(cmd.Context(), kind)
		},
	}
	cmd := &cobra.Command{
		Use:     "override",
		Short:   "What a manager allows beyond a rule, for a while",
		Example: `  vipasoctl override own-limits --reason "big party, table 4" --for 1h`,
	}
	cmd.AddCommand(stale, own, list, end)
	return cmd
}

func (a *app) emergencyCommand() *cobra.Command {
	on := a.allowCommand("on", devicev1.AllowanceKind_ALLOWANCE_KIND_EMERGENCY, 4*time.Hour)
	on.Short = "Deal by the emergency limits that the backend has signed"
	on.Long = `An emergency lasts no longer than the backend has signed, and can be declared again
only after the backend has heard of it; within its time it may be ended and begun
again. The device's own limits go on; override
own-limits lifts them.`
	off := &cobra.Command{
		Use:     "off",
		Short:   "End the emergency",
		Example: "  vipasoctl emergency off",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.endAllowance(cmd.Context(), devicev1.AllowanceKind_ALLOWANCE_KIND_EMERGENCY)
		},
	}
	cmd := &cobra.Command{
		Use:     "emergency",
		Short:   "Higher limits during an outage, for a while",
		Example: `  vipasoctl emergency on --reason "no network in the whole town" --for 4h`,
	}
	cmd.AddCommand(on, off)
	return cmd
}

// allowCommand allows something of a kind, for a while unless told otherwise.
func (a *app) allowCommand(name string, kind devicev1.AllowanceKind, during time.Duration) *cobra.Command {
	var reason string
	group := "override"
	if kind == devicev1.AllowanceKind_ALLOWANCE_KIND_EMERGENCY {
		group = "emergency"
	}
	cmd := &cobra.Command{
		Use:     name + " --reason TEXT [--for " + short(during) + "]",
		Example: "  vipasoctl " + group + " " + name + ` --reason "the line is down" --for ` + short(during),
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if strings.TrimSpace(reason) == "" {
				return usagef("%s wants --reason TEXT: it is kept, and told to the backend", cmd.CommandPath())
			}
			if during < allowMin || during > allowMax {
				return usagef("--for %s: want 1m to 24h", short(during))
			}
			return a.allow(cmd.Context(), &devicev1.AllowRequest{
				RequestId: uuid.NewString(), Kind: kind, Reason: reason, For: durationpb.New(during),
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept, and told to the backend")
	cmd.Flags().DurationVar(&during, "for", during, "how long, 1m to 24h")
	return cmd
}

func (a *app) allow(ctx context.Context, req *devicev1.AllowRequest) error {
	c, err := a.dial()
	if err != nil {
		return err
	}
	ctx, cancel := quick(ctx)
	defer cancel()
	resp, err := c.device().Allow(ctx, req)
	if err != nil {
		return err
	}
	return a.emit(resp, func() {
		a.printf("%s\n", a.allowance(resp.GetAllowance()))
		got := resp.GetAllowance()
		if lasts := got.GetUntil().AsTime().Sub(got.GetSince().AsTime()); got.GetSince() != nil && lasts < req.GetFor().AsDuration() {
			a.note("that is %s, not %s: no longer is signed", short(lasts.Round(time.Second)), short(req.GetFor().AsDuration()))
		}
	})
}

func (a *app) endAllowance(ctx context.Context, kind devicev1.AllowanceKind) error {
	c, err := a.dial()
	if err != nil {
		return err
	}
	ctx, cancel := quick(ctx)
	defer cancel()
	resp, err := c.device().EndAllowance(ctx, &devicev1.EndAllowanceRequest{RequestId: uuid.NewString(), Kind: kind})
	if err != nil {
		return err
	}
	return a.emit(resp, func() { a.printf("%s has ended\n", kindWord(kind)) })
}

func (a *app) listAllowances(all []*devicev1.Allowance) error {
	if a.json {
		for _, one := range all {
			if err := a.object(one); err != nil {
				return err
			}
		}
		return nil
	}
	t := &table{head: []string{"WHAT", "WHO", "SINCE", "UNTIL", "WHY"}}
	for _, one := range all {
		t.add(kindWord(one.GetKind()), one.GetBy(), a.clock(one.GetSince()), a.clock(one.GetUntil()), one.GetReason())
	}
	a.printTable(t, "nothing is allowed beyond the rules")
	return nil
}

// allowance is what is allowed on one line.
func (a *app) allowance(one *devicev1.Allowance) string {
	return clean(kindWord(one.GetKind())) + " until " + a.clock(one.GetUntil()) + " (" + a.until(one.GetUntil()) + ")  by " +
		clean(one.GetBy()) + "  " + quoted(one.GetReason())
}

// allowanceKinds are the kinds as commands name them.
func allowanceKinds() []string { return words(devicev1.AllowanceKind(0).Descriptor()) }

func allowanceKind(name string) (devicev1.AllowanceKind, bool) {
	n, ok := devicev1.AllowanceKind_value["ALLOWANCE_KIND_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))]
	return devicev1.AllowanceKind(n), ok && n != 0
}

func kindWord(kind devicev1.AllowanceKind) string {
	return strings.ToLower(strings.ReplaceAll(word(kind), "_", "-"))
}

// short is a whole number of hours as flags take it.
func short(d time.Duration) string { return strings.TrimSuffix(d.String(), "0m0s") }
