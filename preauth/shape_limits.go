package preauth

import (
	"errors"
	"fmt"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// Longest times of signed limits.
const (
	offlineLongest   = 30 * 24 * time.Hour
	velocityLongest  = 7 * 24 * time.Hour
	emergencyLongest = 24 * time.Hour
)

// CheckLimits refuses limits that no certificate may carry. The error wraps
// ErrDecode.
func CheckLimits(c *peerv1.DeviceCert) error {
	var s shape
	if s.limits(c); len(s.errs) > 0 {
		return fmt.Errorf("%w: %w", ErrDecode, errors.Join(s.errs...))
	}
	return nil
}

// limits checks what bounds a device. An emergency never bounds more than a
// normal day.
func (s *shape) limits(m *peerv1.DeviceCert) {
	s.is("caps", len(m.Caps) <= 16)
	for _, c := range m.Caps {
		s.currency("caps.currency", c.Currency)
		s.amount("caps.payment_max", c.PaymentMax, 0)
		s.amount("caps.total_max", c.TotalMax, 0)
		s.amount("caps.counterparty_max", c.CounterpartyMax, 0)
		s.emergency("caps.emergency_payment_max", c.EmergencyPaymentMax, c.PaymentMax)
		s.emergency("caps.emergency_total_max", c.EmergencyTotalMax, c.TotalMax)
	}
	s.upTo("offline_max", m.OfflineMaxMs, offlineLongest)
	s.upTo("velocity", m.VelocityMs, velocityLongest)
	s.is("velocity", (m.VelocityMax == 0) == (m.VelocityMs == 0))
	s.upTo("emergency_max", m.EmergencyMaxMs, emergencyLongest)
}

// emergency checks a limit that may replace another; 0 does not.
func (s *shape) emergency(field string, v, normal int64) {
	s.amount(field, v, 0)
	s.is(field, v == 0 || v >= normal)
}

// upTo checks a length of time in milliseconds; 0 is none.
func (s *shape) upTo(field string, ms int64, longest time.Duration) {
	if ms < 0 || ms > longest.Milliseconds() {
		s.wrong(field, fmt.Sprintf("is out of bounds, which are 0 to %.0fh", longest.Hours()))
	}
}
