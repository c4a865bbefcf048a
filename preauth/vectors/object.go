package vectors

import "encoding/json"

// Accepted is the class of what is taken; everything else is a reason of the
// error catalogue or, on a link, the name of a fault.
const Accepted = "ACCEPTED"

// NoEvidence is the class of signed objects that do not prove a double spend.
const NoEvidence = "NO_EVIDENCE"

// Key is a key of a test device, made up for these files: it protects nothing.
type Key struct {
	Name       string `json:"name"`
	PrivateKey B32    `json:"private_key"`
	PublicKey  B33    `json:"public_key"` // P-256, compressed
	KeyID      Hex    `json:"key_id"`
}

// Object is a good signed object, and how it came about.
type Object struct {
	Name       string          `json:"name"`
	Type       string          `json:"type"` // such as request
	PrivateKey B32             `json:"private_key"`
	PublicKey  B33             `json:"public_key"`
	KeyID      Hex             `json:"key_id"`
	Fields     json.RawMessage `json:"fields"` // see Fields
	Body       Hex             `json:"body"`   // the fields, encoded
	Input      Hex             `json:"input"`  // what is signed
	Hash       Hex             `json:"hash"`   // SHA-256 of input
	Signature  Hex             `json:"signature"`
	Signed     Hex             `json:"signed"`
}

// Bad is an object that must be refused when it is opened, and verified with
// the key.
type Bad struct {
	Name      string `json:"name"`
	Type      string `json:"type"`
	PublicKey B33    `json:"public_key"`
	Signed    Hex    `json:"signed"`
	Class     string `json:"class"`
}

// Message is a message that is not signed, such as Payment, as it travels
// inside a session.
type Message struct {
	Name    string          `json:"name"`
	Type    string          `json:"type"`             // its name in vipaso.peer.v1
	Fields  json.RawMessage `json:"fields,omitempty"` // of one that is accepted
	Message Hex             `json:"message"`
	Class   string          `json:"class"`
}

// Certificate is something the backend signed, and what a device makes of it
// that knows the root key and the bundle.
type Certificate struct {
	Name   string `json:"name"`
	Type   string `json:"type"` // device-cert, preauth-cert or verdict
	Root   B33    `json:"root"`
	Bundle Hex    `json:"bundle"`
	NowMs  int64  `json:"now_ms"`         // trusted time
	Role   string `json:"role,omitempty"` // BUSINESS or CUSTOMER, of a device-cert
	Signed Hex    `json:"signed"`
	Class  string `json:"class"`
}

// Answer is something one side of a session says about a request, and what
// the other makes of it.
type Answer struct {
	Name    string `json:"name"`
	Type    string `json:"type"`              // request, receipt, cancel or decline
	Signer  Hex    `json:"signer"`            // Signed DeviceCert of the other side, verified
	Request Hex    `json:"request,omitempty"` // that it must be about; not with type request
	Voucher Hex    `json:"voucher,omitempty"` // hash that a receipt must name
	// With type request: the session it came in.
	Binding   Hex    `json:"channel_binding,omitempty"`
	NonceHash Hex    `json:"nonce_hash,omitempty"`
	Signed    Hex    `json:"signed"`
	Class     string `json:"class"`
}

// Proof is a message that proves something to whoever knows the root key.
type Proof struct {
	Name  string `json:"name"`
	Type  string `json:"type"` // ReceiptProof or Evidence, of vipaso.peer.v1
	Root  B33    `json:"root"`
	Proof Hex    `json:"proof"` // the message
	Class string `json:"class"`
}

// Amount is a text that people or programs give as an amount.
type Amount struct {
	Name     string `json:"name"`
	Text     string `json:"text"`
	Currency string `json:"currency"`
	Minor    int64  `json:"minor"`           // 0 unless accepted
	Shown    string `json:"shown,omitempty"` // how it is written again
	Class    string `json:"class"`
}
