package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vipaso/vipasod/cmd/internal/proof"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
)

const evidenceHint = "vipaso-backend admin --dir DIR evidence export ID -o FILE makes one"

func (a *app) evidenceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "evidence",
		Short:   "Verify evidence that a device spent twice",
		Example: `  vipasoctl evidence verify accused.evidence.json --root root.key`,
	}
	cmd.AddCommand(a.evidenceVerifyCommand())
	return cmd
}

func (a *app) evidenceVerifyCommand() *cobra.Command {
	var root string
	cmd := &cobra.Command{
		Use:   "verify FILE [--root KEY|FILE]",
		Short: "Verify a file of evidence, with no network; exit 0 only if it is proven",
		Long: `Verify says what a file of evidence proves to anyone who knows the backend's root
key. With --root neither a daemon nor a network is needed.

SAME_COUNTER is two vouchers at one counter: no honest device signs both.
OVER_LIMIT is vouchers of one pre-authorization that sum above its limit. A device
signs more than the limit honestly after a till has cancelled an earlier voucher, so
the accused may answer with Cancels, signed by the tills that the vouchers went to.`,
		Example: `  vipasoctl evidence verify accused.evidence.json --root root.key
  vipasoctl evidence verify accused.evidence.json --json | jq -r .device_id`,
		Args: wants("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := readAtMost(args[0], proof.FileMax, evidenceHint)
			if err != nil {
				return err
			}
			key, err := a.rootKey(cmd.Context(), root)
			if err != nil {
				return err
			}
			return a.verifyEvidence(text, key)
		},
	}
	rootFlag(cmd, &root)
	return cmd
}

// provenSpend is what evidence proves, for programs.
type provenSpend struct {
	Proven   bool           `json:"proven"`
	Kind     string         `json:"kind"`
	Device   string         `json:"device_id"`
	Preauth  string         `json:"pre_authorization_id"`
	Limit    string         `json:"limit"`
	Total    string         `json:"total"`
	Currency string         `json:"currency"`
	Vouchers []provenClaims `json:"vouchers"`
}

// provenClaims is one voucher of evidence.
type provenClaims struct {
	Hash    string `json:"voucher_hash"`
	Request string `json:"request_hash"`
	Counter uint32 `json:"counter"`
	Amount  string `json:"amount"`
	Tip     string `json:"tip"`
}

func (a *app) verifyEvidence(text []byte, root preauth.PublicKey) error {
	var got preauth.DoubleSpend
	e, err := proof.ParseEvidence(text)
	if err == nil {
		if got, err = preauth.VerifyEvidence(root, e); err != nil {
			err = proof.OtherRoot(err, root, e.GetIssuance())
		}
	}
	if err != nil {
		return a.judge(nil, fmt.Errorf("evidence: %w", err), nil)
	}
	found := spendFound(got)
	return a.judge(found, nil, func() { a.printSpend(found) })
}

func spendFound(got preauth.DoubleSpend) provenSpend {
	c := got.Preauth.Body
	found := provenSpend{
		Proven: true, Kind: got.Kind, Device: preauth.ID(got.Accused.Body.DeviceId).String(), Preauth: preauth.ID(c.PreauthId).String(),
		Limit: money.Format(c.Limit, c.Currency), Total: money.Format(got.Total, c.Currency), Currency: c.Currency,
	}
	for _, v := range got.Vouchers {
		found.Vouchers = append(found.Vouchers, provenClaims{
			Hash: v.Hash.String(), Request: preauth.Hash(v.Body.RequestHash).String(), Counter: v.Body.Counter,
			Amount: money.Format(v.Body.Amount, c.Currency), Tip: money.Format(v.Body.Tip, c.Currency),
		})
	}
	return found
}

func (a *app) printSpend(found provenSpend) {
	switch found.Kind {
	case preauth.SameCounter:
		a.printf("%s  device %s signed two vouchers at counter %d\n", a.stdout.good(a, "proven"), found.Device, found.Vouchers[0].Counter)
	default:
		a.printf("%s  device %s signed vouchers of %s, and may spend %s\n", a.stdout.good(a, "proven"), found.Device,
			sum(found.Total, found.Currency), sum(found.Limit, found.Currency))
	}
	a.row("kind", found.Kind)
	a.row("device", found.Device)
	a.row("pre-auth", found.Preauth)
	a.row("limit", sum(found.Limit, found.Currency))
	for _, v := range found.Vouchers {
		tip := either(zero(v.Tip), "", " and tip "+sum(v.Tip, found.Currency))
		a.row("voucher", fmt.Sprintf("%s%s, counter %d, to the till of request %s", sum(v.Amount, found.Currency), tip, v.Counter, v.Request))
	}
	if found.Kind == preauth.OverLimit {
		a.note("the accused may answer with Cancels that the tills of these requests signed: a cancelled voucher does not count against the limit")
	}
}
