package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// pageSize is how many payments one call fetches.
const pageSize = 200

func (a *app) paymentsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "payments",
		Short:   "Payments that this device knows, and their receipts",
		Example: `  vipasoctl payments list --unsynced`,
	}
	cmd.AddCommand(a.paymentsListCommand(), a.paymentsShowCommand(), a.receiptCommand(), a.evacuateCommand(), a.carryCommand())
	return cmd
}

func (a *app) paymentsListCommand() *cobra.Command {
	var l listing
	var names []string
	cmd := &cobra.Command{
		Use:   "list [--unsynced] [--status STATUS,…] [--limit N]",
		Short: "List payments, newest first",
		Long: `List shows payments, newest first; with --json one object a line. --status takes
statuses (initiated, in-progress, completed, cancelled, failed) and states
(open, authorized, provisional, settled, …).`,
		Example: `  vipasoctl payments list --limit 20
  vipasoctl payments list --unsynced --json | jq -r .payment_id
  vipasoctl payments list --status completed,in-progress`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := l.parse(names); err != nil {
				return err
			}
			return a.listPayments(cmd.Context(), l)
		},
	}
	cmd.Flags().BoolVar(&l.unsynced, "unsynced", false, "only what is not synchronized")
	cmd.Flags().StringSliceVar(&names, "status", nil, "only payments in one of these")
	cmd.Flags().IntVar(&l.limit, "limit", 0, "at most this many; 0 is all")
	completeWords(cmd, "status", append(words(paymentv1.PaymentStatus(0).Descriptor()), words(paymentv1.PaymentState(0).Descriptor())...)...)
	return cmd
}

// A listing says which payments are wanted.
type listing struct {
	unsynced bool
	statuses []paymentv1.PaymentStatus
	states   []paymentv1.PaymentState
	limit    int
}

// parse reads names of statuses and states. CANCELLED is both; the status is
// meant.
func (l *listing) parse(names []string) error {
	for _, name := range names {
		if n, ok := number(paymentv1.PaymentStatus(0).Descriptor(), name); ok {
			l.statuses = append(l.statuses, paymentv1.PaymentStatus(n))
		} else if n, ok := number(paymentv1.PaymentState(0).Descriptor(), name); ok {
			l.states = append(l.states, paymentv1.PaymentState(n))
		} else {
			return usagef("--status %s: want a status (%s) or a state (%s)", name,
				strings.Join(words(paymentv1.PaymentStatus(0).Descriptor()), ", "), strings.Join(words(paymentv1.PaymentState(0).Descriptor()), ", "))
		}
	}
	if l.limit < 0 {
		return usagef("--limit %d: want 0 or more", l.limit)
	}
	return nil
}

// wants is whether p is one of those asked for.
func (l *listing) wants(p *paymentv1.Payment) bool {
	if len(l.statuses) == 0 && len(l.states) == 0 {
		return true
	}
	return slices.Contains(l.statuses, p.GetStatus()) || slices.Contains(l.states, p.GetState())
}

// page fetches the payments of one page and the next page's token.
func (l *listing) page(ctx context.Context, h history, token string) ([]*paymentv1.Payment, string, error) {
	ctx, cancel := quick(ctx)
	defer cancel()
	if l.unsynced {
		resp, err := h.FetchOfflinePayments(ctx, &paymentv1.FetchOfflinePaymentsRequest{PageSize: pageSize, PageToken: token})
		return resp.GetPayments(), resp.GetNextPageToken(), err
	}
	req := &paymentv1.FetchPaymentsRequest{PageSize: pageSize, PageToken: token}
	if len(l.states) == 0 {
		req.Statuses = l.statuses
	}
	resp, err := h.FetchPayments(ctx, req)
	return resp.GetPayments(), resp.GetNextPageToken(), err
}

// listPayments prints page by page: a till's history can be long.
func (a *app) listPayments(ctx context.Context, l listing) error {
	h, err := a.history(ctx)
	if err != nil {
		return err
	}
	printed := 0
	for token := ""; ; {
		payments, next, err := l.page(ctx, h, token)
		if err != nil {
			return err
		}
		for _, p := range payments {
			if !l.wants(p) {
				continue
			}
			if err := a.emit(p, func() { a.printPaymentRow(p, printed == 0) }); err != nil {
				return err
			}
			if printed++; printed == l.limit {
				return nil
			}
		}
		if token = next; token == "" {
			break
		}
	}
	if printed == 0 {
		a.note("no such payments")
	}
	return nil
}

// printPaymentRow prints p on one line, after a heading if it is the first.
func (a *app) printPaymentRow(p *paymentv1.Payment, first bool) {
	if first {
		a.printf("%s\n", a.stdout.bold(a, "CREATED              PAYMENT                               STATE                TOTAL  SYNCED  WITH"))
	}
	with := strings.Join(keep([]string{clean(p.GetCounterparty()), quoted(p.GetPaymentReference())}), " ")
	row := pad(a.at(p.GetCreatedAt()), 21) + pad(clean(p.GetPaymentId()), 38) + pad(word(p.GetState()), 13)
	total := sum(p.GetTotal(), p.GetCurrency())
	row += strings.Repeat(" ", max(0, 13-len(total))) + total + "  " + pad(either(p.GetSynced(), "yes", "no"), 8) + with
	a.printf("%s\n", strings.TrimRight(row, " "))
}

func (a *app) paymentsShowCommand() *cobra.Command {
	var timeline bool
	cmd := &cobra.Command{
		Use:   "show PAYMENT [--timeline]",
		Short: "Show one payment, with --timeline its whole life",
		Long: `Show prints one payment. With --json it is the payment's object; with --timeline
an object of payment and timeline.`,
		Example: `  vipasoctl payments show 0190b2c4-0000-7000-8000-000000000003 --timeline
  vipasoctl payments show 0190b2c4-0000-7000-8000-000000000003 --json | jq -r .state`,
		Args:              wants("PAYMENT"),
		ValidArgsFunction: a.completeFirst(a.paymentIDs),
		RunE: func(cmd *cobra.Command, args []string) error {
			resp, err := a.fetchPayment(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			var m proto.Message = resp.GetPayment()
			if timeline {
				m = resp
			}
			return a.emit(m, func() {
				a.printPayment(resp.GetPayment(), resp.GetTimeline())
				if timeline {
					a.printTimeline(resp.GetTimeline())
				}
			})
		},
	}
	cmd.Flags().BoolVar(&timeline, "timeline", false, "with every event of its life")
	return cmd
}

func (a *app) fetchPayment(ctx context.Context, id string) (*paymentv1.FetchPaymentResponse, error) {
	h, err := a.history(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := quick(ctx)
	defer cancel()
	return h.FetchPayment(ctx, &paymentv1.FetchPaymentRequest{PaymentId: id})
}

func (a *app) printPayment(p *paymentv1.Payment, story []*paymentv1.Event) {
	row := func(label, text string) {
		if text != "" && text != "-" {
			a.printf("%s%s\n", a.stdout.bold(a, pad(label, 12)), text)
		}
	}
	row("payment", clean(p.GetPaymentId()))
	row("state", word(p.GetState())+" ("+word(p.GetStatus())+")")
	row("finality", word(p.GetFinality()))
	row("amount", sum(p.GetAmount(), p.GetCurrency()))
	row("tip", sum(p.GetTip(), p.GetCurrency()))
	row("total", sum(p.GetTotal(), p.GetCurrency()))
	if p.GetRole() != paymentv1.Role_ROLE_CUSTOMER {
		row("guaranteed", sum(p.GetGuaranteed(), p.GetCurrency()))
		row("at risk", sum(p.GetAtRisk(), p.GetCurrency()))
	}
	row("paid out", sum(p.GetSettledAmount(), p.GetCurrency()))
	row("reference", quoted(p.GetPaymentReference()))
	row("with", quoted(p.GetCounterparty()))
	row("instrument", clean(p.GetInstrumentId())+either(p.GetIsDelegatedInstrument(), " (delegated)", ""))
	row("pre-auth", clean(p.GetPreAuthorizationId()))
	row("request", clean(p.GetRequestHash()))
	row("code", clean(p.GetCode()))
	row("reason", clean(p.GetReason()))
	for _, r := range refusals(story) {
		row("declined", r)
	}
	row("synced", either(p.GetSynced(), "yes", "no"))
	row("created", a.at(p.GetCreatedAt()))
	row("changed", a.at(p.GetUpdatedAt()))
	if p.GetState() == paymentv1.PaymentState_PAYMENT_STATE_AUTHORIZED {
		row("known", firmness(p))
		row("next step", a.unconfirmedStep(p, story))
	}
}

func (a *app) printTimeline(events []*paymentv1.Event) {
	a.printf("%s\n", a.stdout.bold(a, "timeline"))
	for _, e := range events {
		a.printf("  %s\n", a.eventLine(e))
	}
}
