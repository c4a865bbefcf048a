package backend

import (
	"fmt"
	"strconv"
	"strings"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth/money"
)

// guaranteeSetting names the setting of a guarantee, in minor units.
func guaranteeSetting(a peerv1.Assurance, currency string) string {
	return "guarantee." + strings.TrimPrefix(a.String(), "ASSURANCE_") + "." + currency
}

func parseMinor(text string) (int64, error) {
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || v < 0 || v > money.MaxMinor {
		return 0, fmt.Errorf("setting %q: %w", text, ErrInvalid)
	}
	return v, nil
}
