package payment

import "github.com/vipaso/vipasod/preauth"

// Effects is what follows from a step. The caller stores Notes and Outbox in
// the transaction that stores the new state; when that has returned, and not
// before, it publishes the notes and sends Send, in order.
type Effects struct {
	Notes  []Note
	Outbox []Item
	Send   []Message
}

// Item is something to hand in to the backend. Items of one request replace
// each other kind by kind.
type Item struct {
	Kind    ItemKind
	Request preauth.Hash // zero in a customer's effects: the attempt's own
}

// ItemKind is what is handed in.
type ItemKind string

// The kinds of items.
const (
	// ItemClaim is Request, certificate, voucher and receipt; while there is
	// no receipt, the question what became of the request.
	ItemClaim ItemKind = "CLAIM"
	// ItemCancel is Request and Cancel.
	ItemCancel ItemKind = "CANCEL"
)

// Message is something to send to the other side of a request's session, as
// the stored bytes.
type Message struct {
	Kind    MessageKind
	Request preauth.Hash // zero in a customer's effects: the attempt's own
}

// MessageKind is what is sent.
type MessageKind string

// The messages that a step can ask for.
const (
	SendRequest MessageKind = "Request"
	SendVoucher MessageKind = "Voucher" // or the Charge
	SendDecline MessageKind = "Decline"
	SendReceipt MessageKind = "Receipt"
	SendCancel  MessageKind = "Cancel"
)

func (fx *Effects) handIn(k ItemKind) {
	if k != "" {
		fx.Outbox = append(fx.Outbox, Item{Kind: k})
	}
}

func (fx *Effects) send(ev CustomerEvent) {
	switch ev {
	case Accept:
		fx.Send = append(fx.Send, Message{Kind: SendVoucher})
	case Decline:
		fx.Send = append(fx.Send, Message{Kind: SendDecline})
	}
}
