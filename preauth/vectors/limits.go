package vectors

// Bounds are the limits in force on a device: those of its certificate,
// lowered by its own setting, and what people have allowed beyond it.
type Bounds struct {
	Name       string      `json:"name"`
	DeviceCert Hex         `json:"device_cert"`
	Own        Setting     `json:"own"`
	Allowed    []Allowance `json:"allowed"`
	NowMs      int64       `json:"now_ms"`   // trusted time
	FloorMs    int64       `json:"floor_ms"` // its floor
	InForce    Setting     `json:"in_force"`
}

// Setting is limits: a device's own, or those in force.
type Setting struct {
	Currencies []Bound `json:"currencies"` // by code; in force, one that is missing takes nothing
	CountMax   int64   `json:"count_max"`  // of a device's own, 0 leaves it as it is
	Velocities []Pace  `json:"velocities"`
	OfflineMax int64   `json:"offline_max_ms"` // 0 for any time
	// StaleBundle is whether the trust bundle may be 7 days old instead of 72
	// hours; in force only.
	StaleBundle bool `json:"stale_bundle"`
}

// Bound is the limits in one currency.
type Bound struct {
	Currency        string `json:"currency"`
	PaymentMax      int64  `json:"payment_max"`
	TotalMax        int64  `json:"total_max"`
	CounterpartyMax int64  `json:"counterparty_max"` // 0 for no bound of its own
}

// Pace is most payments with one device in a time.
type Pace struct {
	Max    int64 `json:"max"`
	Within int64 `json:"within_ms"`
}

// Allowance is what a person has allowed: STALE_BUNDLE, OWN_LIMITS or
// EMERGENCY. It ends when trusted time, or its floor, has moved on by until
// minus since.
type Allowance struct {
	Kind    string `json:"kind"`
	SinceMs int64  `json:"since_ms"`
	UntilMs int64  `json:"until_ms"`
	FloorMs int64  `json:"floor_ms"` // of trusted time, at since
}
