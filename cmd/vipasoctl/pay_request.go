package main

import (
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
)

func (a *app) payRequestCommand() *cobra.Command {
	req := &businessv1.SendPaymentRequestViaBleRequest{}
	var policy, tip string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "request AMOUNT CUR [--ref TEXT] [--timeout 60s] [--policy POLICY] [--tip any|none|max:AMOUNT]",
		Short: "Ask nearby customers for money (business)",
		Long: `Request asks nearby customers and waits for what becomes of it. An offline success
is PROVISIONAL: the result says how much of it the issuer guarantees. ^C withdraws
the request and prints how it ended. If the daemon restarts meanwhile, the same
call is made again; --request-id makes it the same call in a later run too.

With --json it prints exactly one object, the payment.`,
		Example: `  vipasoctl pay request 12.00 USD --ref "table 4"
  vipasoctl pay request 12.00 USD --policy require-online --tip max:5.00 --timeout 90s
  vipasoctl pay request 12.00 USD --json | jq -r .state`,
		Args: wants("AMOUNT", "CUR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Amount, req.Currency = args[0], args[1]
			req.Timeout = durationpb.New(timeout)
			var err error
			if req.RequestId, err = callID(cmd, req.RequestId); err != nil {
				return err
			}
			if req.Policy, err = parsePolicy(policy); err != nil {
				return err
			}
			if req.Tip, err = parseTip(tip); err != nil {
				return err
			}
			return a.request(cmd.Context(), req)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&req.PaymentReference, "ref", "", "`text` shown to the customer, at most 64 bytes")
	flags.DurationVar(&timeout, "timeout", time.Minute, "how long to ask")
	flags.StringVar(&policy, "policy", "prefer-online", "prefer-online, require-online or force-offline")
	flags.StringVar(&req.TagId, "tag", "", "only the customer who read the tag with this `uuid`")
	flags.StringVar(&tip, "tip", "any", "any, none or max:AMOUNT")
	flags.StringVar(&req.RequestId, "request-id", "", "`uuid` of this call; a repeat is the same call")
	completeWords(cmd, "policy", words(businessv1.Policy(0).Descriptor())...)
	completeWords(cmd, "tip", "any", "none", "max:")
	return cmd
}

// callID is the request_id of a call: what --request-id says, or a new one. An
// empty one is that of a script whose variable is not set, and each repeat would
// be a new call.
func callID(cmd *cobra.Command, given string) (string, error) {
	if given == "" && cmd.Flags().Changed("request-id") {
		return "", usagef("--request-id is empty: want a uuid")
	}
	if given == "" {
		given = uuid.NewString()
	}
	return given, nil
}

func parsePolicy(s string) (businessv1.Policy, error) {
	n, ok := number(businessv1.Policy(0).Descriptor(), s)
	if !ok {
		return 0, usagef("--policy %s: want %s", s, strings.Join(words(businessv1.Policy(0).Descriptor()), ", "))
	}
	return businessv1.Policy(n), nil
}

func parseTip(s string) (*businessv1.TipPolicy, error) {
	limit, bounded := strings.CutPrefix(s, "max:")
	switch {
	case s == "any":
		return &businessv1.TipPolicy{Allowed: true}, nil
	case s == "none":
		return &businessv1.TipPolicy{}, nil
	case bounded && limit != "":
		return &businessv1.TipPolicy{Allowed: true, Max: limit}, nil
	}
	return nil, usagef("--tip %s: want any, none or max:AMOUNT", s)
}
