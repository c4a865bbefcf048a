package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// receiptWidth is the columns of the common 80 mm receipt printer.
const receiptWidth = 42

//go:embed receipt.html
var receiptHTML string

func (a *app) receiptCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "receipt PAYMENT [--format text|html|qr|proof|json]",
		Short: "Print the receipt of a payment",
		Long: `Receipt prints what a customer takes home: text of 42 columns for a receipt
printer, a self-contained HTML page, or the payment's object with its receipt. A
receipt of a payment that is not settled says so.

qr draws a code in the terminal, some 120 columns wide, by which anyone who knows the
backend's root key verifies the payment with no network (vipasoctl receipt verify); it
is on the HTML page too, and proof is its text. It names the pre-authorization that
was spent and its owner by the backend's numbers, not by name.`,
		Example: `  vipasoctl payments receipt 0190b2c4-0000-7000-8000-000000000003 | lp
  vipasoctl payments receipt 0190b2c4-0000-7000-8000-000000000003 --format html > receipt.html
  vipasoctl payments receipt 0190b2c4-0000-7000-8000-000000000003 --format qr`,
		Args:              wants("PAYMENT"),
		ValidArgsFunction: a.completeFirst(a.paymentIDs),
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := a.format(cmd, format, "json", "text", "html", "qr", "proof", "json")
			if err != nil {
				return err
			}
			resp, err := a.fetchPayment(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if resp.GetPayment().GetReceipt() == nil {
				return wrongState(args[0], "payment "+args[0]+" has no receipt; it is "+word(resp.GetPayment().GetState()))
			}
			return a.printReceipt(resp.GetPayment(), format)
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "text, html, qr, proof or json")
	completeWords(cmd, "format", "text", "html", "qr", "proof", "json")
	return cmd
}

// printReceipt prints the receipt of p, which has one.
func (a *app) printReceipt(p *paymentv1.Payment, format string) error {
	switch format {
	case "json":
		return a.object(p)
	case "html":
		return writeHTML(a.stdout, a.pageReceipt(p))
	case "qr":
		code, err := receiptCode(p)
		if err != nil {
			return err
		}
		a.printf("%s", code.ToSmallString(false))
	case "proof":
		text, err := proofText(p)
		if err != nil {
			return err
		}
		a.printf("%s\n", text)
	default:
		return writeText(a.stdout, a.receipt(p))
	}
	return a.stdout.err
}

// pageReceipt is the receipt of p with what proves it, if there is that.
func (a *app) pageReceipt(p *paymentv1.Payment) receipt {
	r := a.receipt(p)
	if code, err := receiptCode(p); err == nil {
		r.Code = squareOf(code)
	}
	return r
}

// format checks a --format; --json alone means the format that is JSON, and
// beside another format it is a contradiction.
func (a *app) format(cmd *cobra.Command, format, jsonFormat string, known ...string) (string, error) {
	if a.json && !cmd.Flags().Changed("format") {
		format = jsonFormat
	}
	ok := false
	for _, k := range known {
		ok = ok || k == format
	}
	switch {
	case !ok:
		return "", usagef("--format %s: want %s", format, strings.Join(known, ", "))
	case a.json && format != jsonFormat:
		return "", usagef("--format %s contradicts --json", format)
	}
	return format, nil
}

// A receipt is a payment's receipt as lines to print.
type receipt struct {
	Business string
	MCC      string
	Verdict  string // what a reader must know first
	Facts    []fact
	Money    []fact
	Shares   []fact
	Proof    []fact
	Code     *square // nil if nothing proves it to others
}

// A fact is one line.
type fact struct{ Label, Text string }

// receipt builds the receipt of p, which has one.
func (a *app) receipt(p *paymentv1.Payment) receipt {
	d, cur := p.GetReceipt(), p.GetCurrency()
	r := receipt{
		Business: clean(d.GetBusinessName()),
		MCC:      clean(d.GetMcc()),
		Verdict:  verdict(p),
		Facts:    []fact{{"Payment", clean(p.GetPaymentId())}, {"Date", a.dated(d)}},
		Money:    []fact{{"Amount", sum(p.GetAmount(), cur)}},
		Proof:    []fact{{"Request", clean(d.GetRequestHash())}, {"Voucher", clean(d.GetVoucherHash())}},
	}
	if p.GetPaymentReference() != "" {
		r.Facts = append(r.Facts, fact{"Reference", clean(p.GetPaymentReference())})
	}
	if !zero(p.GetTip()) {
		r.Money = append(r.Money, fact{"Tip", sum(p.GetTip(), cur)})
	}
	r.Money = append(r.Money, fact{"Total", sum(p.GetTotal(), cur)})
	switch p.GetFinality() {
	case paymentv1.Finality_FINALITY_SETTLED:
		r.Shares = []fact{{"Paid out", sum(p.GetSettledAmount(), cur)}}
	case paymentv1.Finality_FINALITY_PROVISIONAL:
		if p.GetRole() == paymentv1.Role_ROLE_CUSTOMER {
			break // who bears the risk is the till's affair
		}
		r.Shares = []fact{{"Guaranteed by the issuer", sum(p.GetGuaranteed(), cur)}, {"At risk until paid out", sum(p.GetAtRisk(), cur)}}
	}
	return r
}

func (a *app) dated(d *paymentv1.ReceiptData) string {
	if d.GetStoredAt() == nil {
		return "-"
	}
	return d.GetStoredAt().AsTime().In(a.zone).Format("2006-01-02 15:04:05 -07:00")
}

// verdict says how firm p is. A receipt outlives its moment, so it never
// promises more than was known.
func verdict(p *paymentv1.Payment) string {
	switch p.GetFinality() {
	case paymentv1.Finality_FINALITY_SETTLED:
		return "PAID"
	case paymentv1.Finality_FINALITY_PROVISIONAL:
		return "PAID OFFLINE, PROVISIONAL"
	case paymentv1.Finality_FINALITY_REJECTED:
		return "REJECTED, NOT PAID"
	default:
		return word(p.GetState())
	}
}

// writeText writes r in receiptWidth columns.
func writeText(w io.Writer, r receipt) error {
	var b strings.Builder
	rule := strings.Repeat("-", receiptWidth)
	add := func(lines ...string) { b.WriteString(strings.Join(lines, "\n") + "\n") }
	add(centred(r.Business)...)
	if r.MCC != "" {
		add(centred("MCC " + r.MCC)...)
	}
	add(rule)
	for _, f := range r.Facts {
		add(spread(f)...)
	}
	add(rule)
	for _, f := range r.Money {
		add(spread(f)...)
	}
	add(rule)
	add(centred(r.Verdict)...)
	for _, f := range r.Shares {
		add(spread(f)...)
	}
	add(rule)
	for _, f := range r.Proof {
		add(f.Label)
		add(wrapped(f.Text)...)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// spread puts label left and text right, on more lines if they do not fit on
// one.
func spread(f fact) []string {
	gap := receiptWidth - utf8.RuneCountInString(f.Label) - utf8.RuneCountInString(f.Text)
	if gap >= 1 {
		return []string{f.Label + strings.Repeat(" ", gap) + f.Text}
	}
	lines := []string{f.Label}
	for _, l := range wrapped(f.Text) {
		lines = append(lines, fmt.Sprintf("%*s", receiptWidth, l))
	}
	return lines
}

func centred(s string) []string {
	lines := wrapped(s)
	for i, l := range lines {
		lines[i] = strings.Repeat(" ", (receiptWidth-utf8.RuneCountInString(l))/2) + l
	}
	return lines
}

// wrapped breaks s after receiptWidth columns, at a space if there is one,
// else into even parts.
func wrapped(s string) []string {
	runes := []rune(s)
	var lines []string
	for len(runes) > receiptWidth {
		cut := receiptWidth
		if space := strings.LastIndex(string(runes[:receiptWidth+1]), " "); space > 0 {
			cut = utf8.RuneCountInString(string(runes[:receiptWidth+1])[:space])
		} else if n := (len(runes) + receiptWidth - 1) / receiptWidth; n > 1 {
			cut = (len(runes) + n - 1) / n
		}
		lines = append(lines, string(runes[:cut]))
		runes = []rune(strings.TrimLeft(string(runes[cut:]), " "))
	}
	return append(lines, string(runes))
}

// writeHTML writes r as a page that needs nothing but itself.
func writeHTML(w io.Writer, r receipt) error {
	page, err := template.New("receipt").Parse(receiptHTML)
	if err != nil {
		return fmt.Errorf("receipt page: %w", err)
	}
	return page.Execute(w, r)
}
