package vectors

// Batch is what a device has handed in, and what the backend answers: an item
// is done only by a verdict that the backend signed on it, and only if both
// count the same.
type Batch struct {
	Name   string  `json:"name"`
	Root   B33     `json:"root"`
	Bundle Hex     `json:"bundle"`
	Items  []Item  `json:"items"`
	Totals []Total `json:"totals"` // that the backend has worked out
}

// Item is one thing that was handed in, and the answer to it.
type Item struct {
	Kind    string `json:"kind"` // CLAIM or CANCEL
	Request Hex    `json:"request"`
	Voucher Hex    `json:"voucher,omitempty"`
	Charge  Hex    `json:"charge,omitempty"`
	Cancel  Hex    `json:"cancel,omitempty"`

	Verdict Hex    `json:"verdict,omitempty"`
	Error   string `json:"error,omitempty"` // why there is none

	Class string `json:"class"` // ACCEPTED if the item is done
}

// Undecided is the class of an item that has no answer yet.
const Undecided = "UNDECIDED"

// Total is one line of the count and sum over a batch.
type Total struct {
	Currency string `json:"currency"`
	Outcome  string `json:"outcome"` // SETTLED, REJECTED or CANCELLED
	Count    uint32 `json:"count"`
	Sum      int64  `json:"sum"`     // amounts and tips
	Settled  int64  `json:"settled"` // what was paid
}
