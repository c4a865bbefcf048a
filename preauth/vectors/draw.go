package vectors

import "encoding/json"

// Draw is a pre-authorization as its customer knows it, a request, and the
// voucher that comes of it.
type Draw struct {
	Name        string    `json:"name"`
	PreauthCert Hex       `json:"preauth_cert"`
	NowMs       int64     `json:"now_ms"`  // trusted time
	Voided      bool      `json:"voided"`  // by the backend
	Counter     uint32    `json:"counter"` // of the newest voucher, 0 before the first
	Prev        B32       `json:"prev"`    // hash of the newest voucher, of the certificate before the first
	Held        int64     `json:"held"`    // totals of vouchers that may still be captured
	Spent       int64     `json:"spent"`   // totals of settled vouchers
	Unacked     []Unacked `json:"unacked"` // oldest first

	Request Hex   `json:"request"`
	Tip     int64 `json:"tip"`

	Class   string          `json:"class"`
	Voucher json.RawMessage `json:"voucher,omitempty"` // fields of the voucher, see Fields
}

// Unacked is a Cancel that the backend has not acknowledged.
type Unacked struct {
	Cancel Hex   `json:"cancel"`
	Total  int64 `json:"total"` // of the cancelled voucher
}

// Journal is an event log, and the word of its device on it.
type Journal struct {
	Name       string  `json:"name"`
	DeviceCert Hex     `json:"device_cert"` // verified
	Entries    []Entry `json:"entries"`
	Head       Hex     `json:"head"`
	Class      string  `json:"class"`
	StoppedAt  uint64  `json:"stopped_at"` // number of the first entry that does not fit, 0 if all do
}

// Entry is one event.
type Entry struct {
	Sequence uint64 `json:"sequence"`
	TimeMs   int64  `json:"time_ms"`
	Payment  B16    `json:"payment_id"` // zero if it is about none
	Body     Hex    `json:"body"`
	Hash     Hex    `json:"hash"` // the chain with it; empty for events older than the chain
}

// BrokenJournal is the class of a journal that is not what its device wrote.
const BrokenJournal = "JOURNAL_BROKEN"
