package main

import (
	"context"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

func (a *app) payCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pay",
		Short: "Ask for money, or pay",
		Example: `  vipasoctl pay request 12.00 USD
  vipasoctl pay receive`,
	}
	cmd.AddCommand(a.payRequestCommand(), a.payReceiveCommand(), a.payAcceptCommand(), a.payDeclineCommand(), a.payCancelCommand(), a.payReverseCommand())
	return cmd
}

func (a *app) payAcceptCommand() *cobra.Command {
	req := &customerv1.AcceptPaymentRequest{}
	cmd := &cobra.Command{
		Use:   "accept PAYMENT --amount AMOUNT --currency CUR --instrument ID [--tip AMOUNT] [--delegated]",
		Short: "Consent to a payment request (customer)",
		Long: `Accept is the customer's consent to one request. AUTHORIZED means that the till has
not answered yet: that becomes clear by itself, so do not pay a second time before.`,
		Example: `  vipasoctl pay accept 0190b2c4-0000-7000-8000-000000000003 --amount 12.00 --currency USD \
      --instrument 0190b2c4-0000-7000-8000-000000000001 --tip 1.00`,
		Args:              wants("PAYMENT"),
		ValidArgsFunction: a.completeFirst(a.paymentIDs),
		RunE: func(cmd *cobra.Command, args []string) error {
			req.RequestId, req.PaymentId = uuid.NewString(), args[0]
			c, err := a.dial()
			if err != nil {
				return err
			}
			p, err := accept(cmd.Context(), c, req)
			if err != nil {
				return err
			}
			return a.printOutcome(cmd.Context(), p, paymentOutcome(p))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&req.Amount, "amount", "", "what was asked for, without tip")
	flags.StringVar(&req.Currency, "currency", "", "ISO 4217 `code` of the amount")
	flags.StringVar(&req.InstrumentId, "instrument", "", "`id` of the instrument to pay with")
	flags.StringVar(&req.Tip, "tip", "", "`amount` to add")
	flags.BoolVar(&req.IsDelegatedInstrument, "delegated", false, "the instrument is another's")
	required(cmd, "amount", "currency", "instrument")
	a.completeFlag(cmd, "instrument", a.instrumentIDs)
	return cmd
}

// accept makes the call until it is answered.
func accept(ctx context.Context, c *conn, req *customerv1.AcceptPaymentRequest) (*paymentv1.Payment, error) {
	var resp *customerv1.AcceptPaymentResponse
	err := persist(ctx, c, restartWait, func(ctx context.Context, opts ...grpc.CallOption) (err error) {
		resp, err = c.customer().AcceptPayment(ctx, req, opts...)
		return err
	})
	return resp.GetPayment(), err
}

func (a *app) payDeclineCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:               "decline PAYMENT",
		Short:             "Say no to a payment request (customer)",
		Example:           `  vipasoctl pay decline 0190b2c4-0000-7000-8000-000000000003 --reason "not my order"`,
		Args:              wants("PAYMENT"),
		ValidArgsFunction: a.completeFirst(a.paymentIDs),
		RunE: func(cmd *cobra.Command, args []string) error {
			req := &customerv1.DeclinePaymentRequest{RequestId: uuid.NewString(), PaymentId: args[0], Reason: reason}
			c, err := a.dial()
			if err != nil {
				return err
			}
			var resp *customerv1.DeclinePaymentResponse
			err = persist(cmd.Context(), c, restartWait, func(ctx context.Context, opts ...grpc.CallOption) (err error) {
				resp, err = c.customer().DeclinePayment(ctx, req, opts...)
				return err
			})
			if err != nil {
				return err
			}
			return a.printOutcome(cmd.Context(), resp.GetPayment(), failedUnless(ended(resp.GetPayment())))
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "`text` for the till, at most 64 bytes")
	return cmd
}

func (a *app) payCancelCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "cancel PAYMENT",
		Short:             "Withdraw a request that nobody has paid yet (business)",
		Example:           `  vipasoctl pay cancel 0190b2c4-0000-7000-8000-000000000003`,
		Args:              wants("PAYMENT"),
		ValidArgsFunction: a.completeFirst(a.paymentIDs),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.dial()
			if err != nil {
				return err
			}
			p, err := cancelPayment(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			return a.printOutcome(cmd.Context(), p, failedUnless(ended(p)))
		},
	}
}

func (a *app) payReverseCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reverse PAYMENT",
		Short: "Give the money of a payment back (business; manager)",
		Long: `Reverse undoes a payment that this till was paid, with no network too, as a whole and for
good. The customer's device learns it at once if it is near and looks for tills, else from the
backend; then the money can be spent again.`,
		Example:           `  vipasoctl pay reverse 0190b2c4-0000-7000-8000-000000000003`,
		Args:              wants("PAYMENT"),
		ValidArgsFunction: a.completeFirst(a.paymentIDs),
		RunE: func(cmd *cobra.Command, args []string) error {
			req := &businessv1.ReversePaymentRequest{RequestId: uuid.NewString(), PaymentId: args[0]}
			c, err := a.dial()
			if err != nil {
				return err
			}
			var resp *businessv1.ReversePaymentResponse
			err = persist(cmd.Context(), c, restartWait, func(ctx context.Context, opts ...grpc.CallOption) (err error) {
				resp, err = c.business().ReversePayment(ctx, req, opts...)
				return err
			})
			if err != nil {
				return err
			}
			return a.printOutcome(cmd.Context(), resp.GetPayment(), failedUnless(ended(resp.GetPayment())))
		},
	}
}

// cancelPayment makes the call until it is answered.
func cancelPayment(ctx context.Context, c *conn, paymentID string) (*paymentv1.Payment, error) {
	req := &businessv1.CancelPaymentRequest{RequestId: uuid.NewString(), PaymentId: paymentID}
	var resp *businessv1.CancelPaymentResponse
	err := persist(ctx, c, restartWait, func(ctx context.Context, opts ...grpc.CallOption) (err error) {
		resp, err = c.business().CancelPayment(ctx, req, opts...)
		return err
	})
	return resp.GetPayment(), err
}

// ended is whether p ended with nobody paying.
func ended(p *paymentv1.Payment) bool {
	return p.GetStatus() == paymentv1.PaymentStatus_PAYMENT_STATUS_CANCELLED || p.GetStatus() == paymentv1.PaymentStatus_PAYMENT_STATUS_FAILED
}
