package payment

import (
	"fmt"
	"strings"
	"time"

	"github.com/vipaso/vipasod/preauth"
)

// noon and later are the times before and of a step.
var (
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	later = noon.Add(time.Second)
)

var customerEvents = []CustomerEvent{
	Accept, Decline, Supersede, RequestExpired, LinkLost, Unanswered,
	ReceiptStored, ReceiptSettled, CancelOtherPaid, CancelReceived,
	VerdictSettled, VerdictRejected, VerdictCancelled, SettleByPassed,
}

var businessEvents = []BusinessEvent{
	AskMade, CustomerSaidNo, Refuse, Paid, PaidOnline, Withdraw, AllDeclined,
	TimedOut, Forgotten, Reverse, SaleSettled, SaleRejected, SaleCancelled,
}

var (
	customerStates = []State{
		Requested, Authorized, Provisional, Settled, Declined, Cancelled,
		OtherPaid, Expired, Rejected, Released,
	}
	businessStates = []State{Open, Awaiting, Provisional, Settled, Cancelled, Expired, Rejected}
)

// hash names a request, voucher or charge in tests; "" is none.
func hash(name string) preauth.Hash {
	var h preauth.Hash
	copy(h[:], name)
	return h
}

func named(h preauth.Hash) string { return strings.TrimRight(string(h[:]), "\x00") }

// change collects what differs, as words.
type change []string

func (c *change) add(differs bool, format string, args ...any) {
	if differs {
		*c = append(*c, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	}
}

// showAttempt says what a step changed, beside Rev and UpdatedAt.
func showAttempt(a, b Attempt, fx Effects) string {
	var c change
	c.add(a.State != b.State, "%s", b.State)
	c.add(a.Voucher != b.Voucher, "voucher %s", named(b.Voucher))
	c.add(a.Charge != b.Charge, "charge %t", b.Charge)
	c.add(a.Cancel != b.Cancel, "cancel %t", b.Cancel)
	c.add(a.Receipt != b.Receipt, "receipt %t", b.Receipt)
	c.add(a.Notified != b.Notified, "notified %t", b.Notified)
	c.add(a.Doubtful != b.Doubtful, "doubtful %t", b.Doubtful)
	c.add(a.Settled != b.Settled, "settled %d", b.Settled)
	c.add(a.Reason != b.Reason, "because %q", b.Reason)
	return c.with(fx)
}

// showSale says what a step changed, beside Rev and UpdatedAt.
func showSale(a, b Sale, fx Effects) string {
	var c change
	c.add(a.State != b.State, "%s", b.State)
	c.add(a.Winner != b.Winner, "winner %s", named(b.Winner))
	c.add(a.Tip != b.Tip, "tip %d", b.Tip)
	c.add(a.Guaranteed != b.Guaranteed, "guaranteed %d", b.Guaranteed)
	c.add(a.Settled != b.Settled, "settled %d", b.Settled)
	c.add(a.Reason != b.Reason, "because %q", b.Reason)
	for i, ask := range b.Asks {
		var was Ask
		if i < len(a.Asks) {
			was = a.Asks[i]
		}
		c.add(ask != was, "%s", showAsk(ask))
	}
	return c.with(fx)
}

func showAsk(a Ask) string {
	s := "ask " + named(a.Request)
	if a.Receipt {
		s += " receipt for " + named(a.Voucher)
	}
	if a.Cancel != "" {
		s += " cancel " + string(a.Cancel)
	}
	if a.Code != "" {
		s += "(" + a.Code + ")"
	}
	return s
}

func (c change) with(fx Effects) string {
	for _, n := range fx.Notes {
		c.add(true, "log %s %s", n.Kind, n.Reason)
	}
	for _, i := range fx.Outbox {
		c.add(true, "hand in %s %s", i.Kind, named(i.Request))
	}
	for _, m := range fx.Send {
		c.add(true, "send %s %s", m.Kind, named(m.Request))
	}
	if len(c) == 0 {
		return "nothing"
	}
	return strings.Join(c, ", ")
}
