//go:build !race

package hci

import (
	"errors"
	"io"
	"reflect"
	"testing"
	"unsafe"

	"github.com/go-ble/ble/linux/hci"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/testbed"
)

// Go-ble opens the kernel's socket itself. To run it on a virtual controller
// without a kernel, the tests do what its Init does, with another socket.
//
// They do not run under the race detector: go-ble keeps its last error, and the
// length of what a connection may receive, without a lock.

//go:linkname readerOf github.com/go-ble/ble/linux/hci.(*HCI).sktLoop
func readerOf(h *hci.HCI)

//go:linkname initOf github.com/go-ble/ble/linux/hci.(*HCI).init
func initOf(h *hci.HCI) error

//go:linkname allowCommands github.com/go-ble/ble/linux/hci.(*HCI).setAllowedCommands
func allowCommands(h *hci.HCI, n int)

// noAdapter is a number that no adapter has.
const noAdapter = 0xfffe

// through returns what stands for Init on a host of a virtual controller.
func through(host io.ReadWriteCloser) func(*hci.HCI) error {
	return func(h *hci.HCI) error {
		if err := h.Init(); err == nil { // sets the handlers, then finds no adapter
			return errors.New("a real adapter was opened")
		}
		*private[io.ReadWriteCloser](h, "skt") = host
		allowCommands(h, 1)
		go readerOf(h)
		if err := initOf(h); err != nil {
			return err
		}
		*private[*hci.Pool](h, "pool") = hci.NewPool(1+4+*private[int](h, "bufSize"), *private[int](h, "bufCnt")-1)
		return nil
	}
}

// private returns an unexported field of h.
func private[T any](h *hci.HCI, name string) *T {
	return (*T)(unsafe.Pointer(reflect.ValueOf(h).Elem().FieldByName(name).UnsafeAddr()))
}

var testNames = Options{
	Service: "8f11af12-7361-4e72-a216-930647831153", Status: "dbf8882b-260d-49ce-897e-dbdbd5afef4f",
	Write: "13a7f011-f733-4540-9845-0f1a96707a1c", Read: "bd6c820a-439b-4df1-81d0-c9669b4cb143",
}

// benchRadios returns a bench with n controllers and a radio on each.
func benchRadios(t *testing.T, cfg testbed.Config, n int) (*testbed.Bench, []*Radio) {
	t.Helper()
	b := testbed.NewBench(cfg, n)
	t.Cleanup(b.Close)
	var radios []*Radio
	for i := range n {
		radios = append(radios, openThrough(t, i, b.Host(i)))
	}
	return b, radios
}

// openThrough opens the radio on a host of controller i.
func openThrough(t *testing.T, i int, host io.ReadWriteCloser) *Radio {
	t.Helper()
	r, err := open(t.Context(), testNames, "hci"+string(rune('0'+i)), noAdapter, through(host))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func asLinks(radios []*Radio) []link.Radio {
	var list []link.Radio
	for _, r := range radios {
		list = append(list, r)
	}
	return list
}
