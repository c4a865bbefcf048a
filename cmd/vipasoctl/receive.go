package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/vipaso/vipasod/daemon/catalogue"
	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

func (a *app) payReceiveCommand() *cobra.Command {
	r := &receiving{app: a}
	var acceptAll bool
	var after time.Duration
	var instrument, tip string
	cmd := &cobra.Command{
		Use:   "receive [--single] [--accept-all [--after 1s] --instrument ID [--tip AMOUNT]] [--tag UUID]",
		Short: "Be found by tills and print each payment event (customer)",
		Long: `Receive makes the device discoverable and prints each event as one line, or with
--json as one object, the moment it happens. It runs until ^C; with --single until
one payment has ended, and then exits 0 if it was paid. When the daemon restarts it
goes on after the last event printed and misses nothing.

--accept-all accepts each request as it is asked. Without --instrument it takes the
only instrument that can pay offline.`,
		Example: `  vipasoctl pay receive
  vipasoctl pay receive --json | jq -c .payment_request_received
  vipasoctl pay receive --single --accept-all --after 1s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			if acceptAll {
				chosen, err := a.chooseInstrument(ctx, instrument)
				if err != nil {
					return err
				}
				r.acceptor = &acceptor{
					app: a, instrument: chosen, tip: tip, after: after, one: r.single,
					waiting: make(map[string]context.CancelFunc),
				}
				defer r.acceptor.wait()
				defer cancel()
			} else if name := firstChanged(cmd, "after", "instrument", "tip"); name != "" {
				return usagef("--%s needs --accept-all", name)
			}
			return r.run(ctx)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&r.single, "single", false, "end when one payment has ended")
	flags.BoolVar(&acceptAll, "accept-all", false, "accept every request")
	flags.DurationVar(&after, "after", 0, "with --accept-all: how long to wait first")
	flags.StringVar(&instrument, "instrument", "", "with --accept-all: `id` of the instrument to pay with")
	flags.StringVar(&tip, "tip", "", "with --accept-all: `amount` to add to each")
	flags.StringVar(&r.tag, "tag", "", "only requests for the tag with this `uuid`")
	a.completeFlag(cmd, "instrument", a.instrumentIDs)
	return cmd
}

// firstChanged returns the first of the named flags that was given.
func firstChanged(cmd *cobra.Command, names ...string) string {
	for _, name := range names {
		if cmd.Flags().Changed(name) {
			return name
		}
	}
	return ""
}

// A receiving is one run of pay receive.
type receiving struct {
	app      *app
	single   bool
	tag      string
	acceptor *acceptor // nil: somebody else decides

	last   uint64          // newest event that need not come again
	shown  map[string]bool // payments seen before they ended
	ending error           // with single: how the payment ended
}

func (r *receiving) run(ctx context.Context) error {
	st, err := r.app.getStatus(ctx)
	if err != nil {
		return err
	}
	// Where to go on if the daemon restarts before the first event.
	r.last = st.GetStore().GetLastSequence()
	r.shown = make(map[string]bool)
	r.ending = outcome(exitFailed)
	err = follow(ctx, r.app, r.single, r.open, func(m *customerv1.ReceivePaymentRequestsViaBleResponse) error {
		return r.take(ctx, m.GetEvent())
	})
	if r.single && (err == nil || cancelled(err)) {
		return r.ending
	}
	return untilStopped(ctx, err)
}

func (r *receiving) open(ctx context.Context, cause error, opts ...grpc.CallOption) (grpc.ServerStreamingClient[customerv1.ReceivePaymentRequestsViaBleResponse], error) {
	req := &customerv1.ReceivePaymentRequestsViaBleRequest{Session: customerv1.SessionMode_SESSION_MODE_CONTINUOUS, TagId: r.tag}
	if r.single {
		req.Session = customerv1.SessionMode_SESSION_MODE_SINGLE
	}
	if cause != nil && reasonOf(cause) != catalogue.WatchExpired {
		req.AfterSequence = &r.last
	}
	stream, err := r.app.conn.customer().ReceivePaymentRequestsViaBle(ctx, req, opts...)
	if err != nil {
		return nil, err
	}
	if md, err := stream.Header(); err == nil && md != nil { // else the first read says what is wrong
		r.app.progress("listening for payment requests; ^C stops")
	}
	return stream, nil
}

// take prints one event and does what follows from it.
func (r *receiving) take(ctx context.Context, e *paymentv1.Event) error {
	r.last = max(r.last, e.GetSequence())
	if err := r.app.emit(e, func() { r.app.printf("%s\n", r.app.eventLine(e)) }); err != nil {
		return err
	}
	if r.acceptor != nil {
		r.acceptor.take(ctx, e)
	} else if asked := e.GetPaymentRequestReceived(); asked != nil && !r.app.json {
		r.app.progress("accept it: vipasoctl pay accept %s --amount %s --currency %s --instrument ID",
			clean(asked.GetPaymentId()), clean(asked.GetAmount()), clean(asked.GetCurrency()))
	}
	if end, ok := r.ends(e); ok && r.single {
		r.ending = end
		return errStop
	}
	return nil
}

// ends is how e ends a payment, if it does. Once a request was accepted here,
// only its own end counts.
func (r *receiving) ends(e *paymentv1.Event) (error, bool) {
	id := paymentOf(e)
	if id == "" || r.acceptor != nil && !r.acceptor.concerns(id) {
		return nil, false
	}
	switch e.GetEvent().(type) {
	case *paymentv1.Event_PaymentSuccessful:
		return nil, true
	case *paymentv1.Event_PaymentCancelled, *paymentv1.Event_AnotherUserPaid, *paymentv1.Event_PaymentFailed:
		return outcome(exitFailed), true
	case *paymentv1.Event_PaymentRejected:
		// The verdict on an earlier payment is not the end of this one.
		return outcome(exitFailed), r.shown[id]
	default:
		r.shown[id] = true
		return nil, false
	}
}
