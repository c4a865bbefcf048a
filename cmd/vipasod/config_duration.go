package main

import (
	"fmt"
	"strings"
	"time"
)

const (
	splayDefault = 5 * time.Second
	retryDefault = time.Minute
	skewDefault  = 5 * time.Minute
)

// A Duration is a time span written as in "5s" or "1h30m".
type Duration time.Duration

// UnmarshalText reads a span with its unit.
func (d *Duration) UnmarshalText(text []byte) error {
	span, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a time span such as \"5s\" or \"1h30m\"", text)
	}
	*d = Duration(span)
	return nil
}

// MarshalText writes the span without empty units: 5m, not 5m0s.
func (d Duration) MarshalText() ([]byte, error) {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return []byte(s), nil
}
