package vectors

// Link is one end of a link's framing, and what happens to it, in order.
type Link struct {
	Name     string `json:"name"`
	ValueMax int    `json:"value_max"` // ATT_MTU - 3
	Window   int    `json:"window"`    // most pieces under way
	Steps    []Step `json:"steps"`
}

// Step is one thing that happens: exactly one of Send, Signal, Flush, Push and
// Next is there.
type Step struct {
	Send   *Hex     `json:"send,omitempty"`   // begin to send a message
	Signal *Control `json:"signal,omitempty"` // send a control frame
	Flush  bool     `json:"flush,omitempty"`  // 30 ms have passed since a piece came
	Push   *Hex     `json:"push,omitempty"`   // a frame arrives
	Next   *[]Hex   `json:"next,omitempty"`   // these frames are to be sent now, and no more

	// What comes of it.
	Class   string   `json:"class,omitempty"`   // of Send and Push, if not accepted
	Message *Hex     `json:"message,omitempty"` // that the frame completes
	Control *Control `json:"control,omitempty"` // that the frame carries
}

// Control is the content of a control frame.
type Control struct {
	Op         uint8 `json:"op"` // 1 PING, 2 CLOSE, 3 ALERT
	Code       uint8 `json:"code"`
	VersionMin uint8 `json:"version_min"`
	VersionMax uint8 `json:"version_max"`
}

// Advertisement is service data, what it says, and who recognises it.
type Advertisement struct {
	Name        string `json:"name"`
	ServiceData Hex    `json:"service_data"`
	Class       string `json:"class"`
	Version     uint8  `json:"version"`
	Resume      bool   `json:"resume"`
	Targeted    bool   `json:"targeted"`
	Critical    bool   `json:"critical"` // only for those who know more flags than these
	EID         Hex    `json:"eid"`
	BaseHandle  uint16 `json:"base_handle"`
	TxPower     int8   `json:"tx_power"`
	Key         Hex    `json:"key,omitempty"` // resume key, or id of a tag
	Recognised  bool   `json:"recognised"`    // whether eid was made with key
}

// Handshake is a handshake, with all that is secret or random in it.
type Handshake struct {
	Name     string    `json:"name"`
	Root     B33       `json:"root"`
	Bundle   Hex       `json:"bundle"`
	NowMs    int64     `json:"now_ms"`
	Till     *Till     `json:"till,omitempty"`     // missing if the first message is a stranger's
	Customer *Customer `json:"customer,omitempty"` // missing if the second message is a stranger's
	First    Hex       `json:"first"`              // as it arrives; empty if the till does not begin
	Second   Hex       `json:"second,omitempty"`

	// Who refuses, TILL or CUSTOMER, and with which ALERT; empty and 0 if none.
	RefusedBy string `json:"refused_by,omitempty"`
	Alert     uint8  `json:"alert,omitempty"`

	Binding  Hex      `json:"channel_binding,omitempty"`
	Code     string   `json:"code,omitempty"` // on both screens
	Messages []Sealed `json:"messages,omitempty"`
}

// Till is what a till brings to a handshake.
type Till struct {
	NoiseKey      B32    `json:"noise_key"` // X25519, private
	Ephemeral     B32    `json:"ephemeral"` // X25519, private
	DeviceCert    Hex    `json:"device_cert"`
	VersionMin    uint8  `json:"version_min"` // lowest that it speaks
	VersionMax    uint8  `json:"version_max"` // highest
	Epoch         uint64 `json:"bundle_epoch"`
	Advertisement Hex    `json:"advertisement"` // that it answers
	ReadValue     Hex    `json:"read_value"`    // that it read
	Nonce         B16    `json:"n_b"`
}

// Customer is what a customer's device brings to a handshake.
type Customer struct {
	NoiseKey      B32    `json:"noise_key"`
	Ephemeral     B32    `json:"ephemeral"`
	DeviceCert    Hex    `json:"device_cert"`
	VersionMin    uint8  `json:"version_min"` // lowest that it speaks
	VersionMax    uint8  `json:"version_max"` // highest
	Epoch         uint64 `json:"bundle_epoch"`
	Advertisement Hex    `json:"advertisement"` // that it sent
	ReadValue     Hex    `json:"read_value"`    // that it shows
	Nonce         B16    `json:"n_c"`
	ResumeKey     B16    `json:"resume_key"`
	Unfinished    []Hex  `json:"unfinished"`
}

// Sealed is a message of the session, in the order of each direction.
type Sealed struct {
	From   string `json:"from"` // TILL or CUSTOMER
	Type   uint8  `json:"type"`
	Body   Hex    `json:"body"`
	Sealed Hex    `json:"sealed"`
}

// Code is the four digits that both screens can show.
type Code struct {
	Name    string `json:"name"`
	Binding B32    `json:"channel_binding"`
	NB      B16    `json:"n_b"`
	NC      B16    `json:"n_c"`
	Code    string `json:"code"`
}
