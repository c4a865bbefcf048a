package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vipaso/vipasod/cmd/internal/proof"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
)

// receiptMax bounds the text of a receipt, in bytes: no QR code holds more.
const receiptMax = 8 << 10

const receiptHint = "vipasoctl payments receipt PAYMENT --format proof > FILE, on either side's device, makes one; a QR scanner reads the same text"

func (a *app) receiptGroup() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "receipt",
		Short:   "Verify a receipt that somebody shows",
		Example: `  vipasoctl receipt verify receipt.txt --root root.key`,
	}
	cmd.AddCommand(a.receiptVerifyCommand())
	return cmd
}

func (a *app) receiptVerifyCommand() *cobra.Command {
	var root string
	cmd := &cobra.Command{
		Use:   "verify TEXT|FILE|- [--root KEY|FILE]",
		Short: "Verify the QR code of a receipt, with no network; exit 0 only if it is proven",
		Long: `Verify says what a receipt proves to anyone who knows the backend's root key: that
the till asked, that the customer promised, and that the till gave this receipt for
it. The text is what a QR scanner reads from a receipt; it begins with ` + proof.ReceiptPrefix + `.
With --root neither a daemon nor a network is needed.

A receipt proves what was, not what came after: the till can have given the money
back, and the backend can have refused a promise that was not settled.`,
		Example: `  vipasoctl receipt verify receipt.txt --root root.key
  zbarimg --quiet --raw photo.png | vipasoctl receipt verify -`,
		Args: wants("TEXT|FILE|-"),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := a.shownText(args[0])
			if err != nil {
				return err
			}
			key, err := a.rootKey(cmd.Context(), root)
			if err != nil {
				return err
			}
			return a.verifyReceipt(text, key)
		},
	}
	rootFlag(cmd, &root)
	return cmd
}

// shownText returns the text of a receipt: the argument itself, what the file
// holds that it names, or, for -, what comes in.
func (a *app) shownText(arg string) (string, error) {
	switch {
	case arg == "-":
		b, err := io.ReadAll(io.LimitReader(a.stdin, receiptMax))
		if err != nil {
			return "", fmt.Errorf("standard input: %w", err)
		}
		return string(b), nil
	case strings.HasPrefix(arg, proof.ReceiptPrefix):
		return arg, nil
	}
	b, err := readAtMost(arg, receiptMax, receiptHint)
	return string(b), err
}

// provenReceipt is what a receipt proves, for programs.
type provenReceipt struct {
	Proven    bool   `json:"proven"`
	Payment   string `json:"payment_id"`
	Business  string `json:"business_name"`
	MCC       string `json:"mcc"`
	Till      string `json:"till_device_id"`
	Amount    string `json:"amount"`
	Tip       string `json:"tip"`
	Total     string `json:"total"`
	Currency  string `json:"currency"`
	Reference string `json:"payment_reference"`
	StoredAt  string `json:"stored_at"`
	Finality  string `json:"finality"`
}

func (a *app) verifyReceipt(text string, root preauth.PublicKey) error {
	var got preauth.ProvenPayment
	p, err := proof.ParseReceiptText(text)
	if err == nil {
		if got, err = preauth.VerifyProof(root, p); err != nil {
			err = proof.OtherRoot(err, root, p.GetIssuance())
		}
	}
	if err != nil {
		return a.judge(nil, fmt.Errorf("receipt: %w", err), nil)
	}
	found := receiptFound(got)
	return a.judge(found, nil, func() { a.printProven(found, got) })
}

func receiptFound(got preauth.ProvenPayment) provenReceipt {
	r, till := got.Request.Body, got.Till.Body
	found := provenReceipt{
		Proven: true, Payment: preauth.ID(r.PaymentId).String(), Business: till.DisplayName, MCC: fmt.Sprintf("%04d", till.Mcc),
		Till:   preauth.ID(till.DeviceId).String(),
		Amount: money.Format(got.Amount, r.Currency), Tip: money.Format(got.Tip, r.Currency), Total: money.Format(got.Amount+got.Tip, r.Currency),
		Currency: r.Currency, Reference: r.Reference, StoredAt: time.UnixMilli(got.Receipt.Body.StoredMs).UTC().Format(time.RFC3339Nano),
		Finality: "PROVISIONAL",
	}
	if got.Settled {
		found.Finality = "SETTLED"
	}
	return found
}

func (a *app) printProven(found provenReceipt, got preauth.ProvenPayment) {
	a.printf("%s  both sides have signed this payment\n", a.stdout.good(a, "proven"))
	a.row("business", clean(found.Business)+" (MCC "+found.MCC+")")
	a.row("till", found.Till)
	a.row("amount", sum(found.Amount, found.Currency))
	a.row("tip", sum(found.Tip, found.Currency))
	a.row("total", sum(found.Total, found.Currency))
	a.row("reference", quoted(found.Reference))
	a.row("time", a.at(timestamppb.New(time.UnixMilli(got.Receipt.Body.StoredMs)))+", by the till's clock")
	a.row("finality", found.Finality+either(got.Settled, ": the till says that the backend has paid it", ": the till holds the customer's promise"))
	a.row("payment", found.Payment)
	a.note("a receipt does not say whether the money was given back since")
}
