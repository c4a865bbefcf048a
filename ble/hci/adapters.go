package hci

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/vipaso/vipasod/ble/link"
)

// Requests to the kernel about adapters, from its net/bluetooth/hci_sock.h.
const (
	getDeviceList = 0x800448d2
	getDeviceInfo = 0x800448d3
	adaptersMax   = 16
	deviceInfoLen = 92
	// receiveBuffer is how much may wait for go-ble, in bytes. The kernel drops
	// what does not fit, also fragments in the middle of a PDU.
	receiveBuffer = 4 << 20
)

// resolve returns the number of the adapter with a name or an address.
func resolve(adapter string) (int, error) {
	if text, ok := strings.CutPrefix(adapter, "hci"); ok {
		number, err := strconv.Atoi(text)
		if err == nil && number >= 0 && number <= adapterMax {
			return number, exists(number)
		}
	}
	address, ok := strings.CutPrefix(adapter, "addr:")
	if !ok {
		return 0, &link.AdapterError{Reason: reasonMissing, Detail: fmt.Sprintf("%q names no adapter", adapter)}
	}
	return byAddress(address)
}

// noAddress is the address of an adapter that the kernel has not set up yet.
const noAddress = "00:00:00:00:00:00"

// exists returns an error unless there is an adapter with that number, which
// the kernel has set up: whoever opens one before that finds it busy, and so it
// stays until it is plugged in again (Linux 6.1).
func exists(number int) error {
	fd, err := socket()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	address, err := addressOf(fd, number)
	if err != nil {
		return adapterError(fmt.Errorf("hci%d: %w", number, err))
	}
	if address == noAddress {
		return &link.AdapterError{Reason: reasonMissing, Detail: fmt.Sprintf("the kernel has not set up hci%d yet", number)}
	}
	return nil
}

// byAddress returns the number of the adapter with an address. Numbers change
// when an adapter is plugged in again, addresses do not.
func byAddress(address string) (int, error) {
	fd, err := socket()
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	list := make([]byte, 4+8*adaptersMax)
	binary.NativeEndian.PutUint16(list, adaptersMax)
	if err := ask(fd, getDeviceList, list); err != nil {
		return 0, adapterError(fmt.Errorf("list of adapters: %w", err))
	}
	var there []string
	for i := range int(binary.NativeEndian.Uint16(list)) {
		number := int(binary.NativeEndian.Uint16(list[4+8*i:]))
		got, err := addressOf(fd, number)
		if err != nil {
			continue // unplugged meanwhile
		}
		if strings.EqualFold(got, address) {
			return number, nil
		}
		there = append(there, got)
	}
	return 0, &link.AdapterError{Reason: reasonMissing, Detail: fmt.Sprintf("no adapter has address %s; there are %v", address, there)}
}

// socket opens a socket that can only ask.
func socket() (int, error) {
	fd, err := unix.Socket(unix.AF_BLUETOOTH, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.BTPROTO_HCI)
	if err != nil {
		return 0, adapterError(fmt.Errorf("bluetooth socket: %w", err))
	}
	return fd, nil
}

// addressOf returns an adapter's address.
func addressOf(fd, number int) (string, error) {
	info := make([]byte, deviceInfoLen)
	binary.NativeEndian.PutUint16(info, uint16(number))
	if err := ask(fd, getDeviceInfo, info); err != nil {
		return "", err
	}
	a := info[10:16] // after number and name
	return fmt.Sprintf("%02X:%02X:%02X:%02X:%02X:%02X", a[5], a[4], a[3], a[2], a[1], a[0]), nil
}

// ask makes one request, repeated when a signal interrupts it.
func ask(fd int, request uintptr, arg []byte) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(&arg[0])))
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return errno
		}
		return nil
	}
}

// secure repairs the socket that go-ble has opened: it is not inherited by a
// program that this one starts, and takes bursts. What fails here only makes
// the radio less sturdy.
func secure() {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN); err == nil && domain == unix.AF_BLUETOOTH {
			unix.CloseOnExec(fd)
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer)
		}
	}
}

func upper(address string) string { return strings.ToUpper(address) }
