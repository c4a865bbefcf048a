package hci

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/go-ble/ble/linux/hci"

	"github.com/vipaso/vipasod/ble/link"
)

// Go-ble keeps three things to itself without which it cannot be used safely.
// They are read here, and nowhere else, by the names they have at the pinned
// version; Open fails if one is missing.

// masterConns returns a function that waits for the next connection that we
// have asked for, and returns nil at the end of the adapter.
//
// Go-ble's own Dial must not be used. It loses a connection that is there
// before Dial waits for it, then waits for ever; and it starts an ATT client
// at once that reads the bare connection, in a goroutine that an empty or a
// short PDU panics.
func masterConns(dev *hci.HCI) (func() *hci.Conn, error) {
	field := reflect.ValueOf(dev).Elem().FieldByName("chMasterConn")
	if !field.IsValid() || field.Type() != reflect.TypeFor[chan *hci.Conn]() {
		return nil, unknownVersion("chMasterConn")
	}
	if err := known(); err != nil {
		return nil, err
	}
	conns := *(*chan *hci.Conn)(unsafe.Pointer(field.UnsafeAddr()))
	return func() *hci.Conn {
		select {
		case c := <-conns:
			return c
		case <-dev.Done():
			return nil
		}
	}, nil
}

// known checks the fields that the functions below read.
func known() error {
	conn := reflect.TypeFor[hci.Conn]()
	if f, ok := conn.FieldByName("param"); !ok || f.Type.Kind() != reflect.Slice || f.Type.Elem().Kind() != reflect.Uint8 {
		return unknownVersion("param")
	}
	if f, ok := conn.FieldByName("txBuffer"); !ok || f.Type != reflect.TypeFor[*hci.Client]() {
		return unknownVersion("txBuffer")
	}
	if f, ok := reflect.TypeFor[hci.Client]().FieldByName("sent"); !ok || f.Type.Kind() != reflect.Chan {
		return unknownVersion("sent")
	}
	if f, ok := reflect.TypeFor[hci.HCI]().FieldByName("pool"); !ok || f.Type != reflect.TypeFor[*hci.Pool]() {
		return unknownVersion("pool")
	}
	if f, ok := reflect.TypeFor[hci.Pool]().FieldByName("ch"); !ok || f.Type.Kind() != reflect.Chan {
		return unknownVersion("ch")
	}
	return nil
}

func unknownVersion(field string) error {
	return fmt.Errorf("go-ble has no field %s of the kind we know: %w", field, link.ErrAdapter)
}

// freeBuffers returns a function that says how many of the controller's
// buffers are free. Go-ble waits for one with a lock held that the end of a
// connection needs as well, so a write is made only if it need not wait.
func freeBuffers(dev *hci.HCI) func() int {
	pool := reflect.ValueOf(dev).Elem().FieldByName("pool").Elem().FieldByName("ch")
	return pool.Len
}

// sentBuffers returns a function that says how many buffers a connection has
// in use.
func sentBuffers(c *hci.Conn) func() int {
	sent := reflect.ValueOf(c).Elem().FieldByName("txBuffer").Elem().FieldByName("sent")
	return sent.Len
}

// handleOf returns the handle of a connection, by which go-ble tells its end.
func handleOf(c *hci.Conn) uint16 {
	return binary.LittleEndian.Uint16(reflect.ValueOf(c).Elem().FieldByName("param").Bytes()[2:4])
}
