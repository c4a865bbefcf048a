//go:build !race

package hci

import (
	"testing"
	"testing/synctest"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/link/linktest"
	"github.com/vipaso/vipasod/ble/testbed"
)

// TestRadio holds go-ble on virtual controllers, in virtual time, to the contract
// of all radios.
func TestRadio(t *testing.T) {
	for name, cfg := range map[string]testbed.Config{
		"paced":       {Paced: true},
		"few buffers": {Paced: true, Buffers: 3, BufferLen: 27},
	} {
		t.Run(name, func(t *testing.T) {
			linktest.TestRadio(t, func(t *testing.T, n int) []link.Radio {
				_, radios := benchRadios(t, cfg, n)
				return asLinks(radios)
			}, synctest.Test)
		})
	}
}
