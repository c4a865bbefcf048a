package hci

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/go-ble/ble/linux/hci"

	"github.com/vipaso/vipasod/ble/link"
)

// Reasons of the error catalogue.
const (
	reasonMissing    = "ADAPTER_MISSING"
	reasonBusy       = "ADAPTER_BUSY"
	reasonPermission = "ADAPTER_PERMISSION"
	reasonRfkill     = "ADAPTER_RFKILL"
	reasonTimeout    = "ADAPTER_TIMEOUT"
	reasonDown       = "ADAPTER_DOWN"
	reasonNoKernel   = "KERNEL_NO_BLUETOOTH"
)

// reasons says what an error of the kernel means for the adapter.
var reasons = map[syscall.Errno]string{
	syscall.EAFNOSUPPORT:    reasonNoKernel,
	syscall.EPROTONOSUPPORT: reasonNoKernel,
	syscall.ENODEV:          reasonMissing,
	syscall.EBUSY:           reasonBusy,
	syscall.EPERM:           reasonPermission,
	syscall.EACCES:          reasonPermission,
	syscall.ERFKILL:         reasonRfkill,
	syscall.ETIMEDOUT:       reasonTimeout,
}

// adapterError makes an AdapterError of an error of the kernel or go-ble.
func adapterError(err error) error {
	if errors.Is(err, link.ErrAdapter) {
		return err
	}
	reason := reasonDown
	var errno syscall.Errno
	if errors.As(err, &errno) && reasons[errno] != "" {
		reason = reasons[errno]
	}
	return &link.AdapterError{Reason: reason, Detail: err.Error()}
}

// reasonOf returns the reason that an error of the radio stands for.
func reasonOf(err error) string {
	var a *link.AdapterError
	if errors.As(err, &a) {
		return a.Reason
	}
	return reasonDown
}

func isClosed(err error) bool { return errors.Is(err, link.ErrClosed) }

// refusedBy reports whether the controller has answered, with a refusal.
func refusedBy(err error) bool {
	var status hci.ErrCommand
	return errors.As(err, &status)
}

// disallowed reports whether the controller cannot do it in its present state.
func disallowed(err error) bool { return errors.Is(err, hci.ErrDisallowed) }

// timedOut is the error of a controller that does not answer.
func timedOut(what string) error {
	return &link.AdapterError{Reason: reasonTimeout, Detail: fmt.Sprintf("no answer to %s", what)}
}
