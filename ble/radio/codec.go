// Package radio carries a link.Radio across a process boundary: Serve offers
// one on a connection, Client uses one from afar. In between are the frames of
// vipaso.radio.v1, each behind a 4-byte big-endian length.
//
// The process that owns an adapter may crash or hang because of what strangers
// send by radio; then the Client's links are lost, and nothing else. Neither
// side trusts the other more than needed: lengths and counts are bounded, and
// whatever is out of order ends the connection.
package radio

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"google.golang.org/protobuf/proto"

	radiov1 "github.com/vipaso/vipasod/proto/vipaso/radio/v1"
)

const (
	// protocolVersion is that of vipaso.radio.v1.
	protocolVersion = 1
	// frameMax is the longest frame in bytes, without its length.
	frameMax = 64 << 10
	// writeLimit is how long one frame may take to be written; a peer that
	// does not read for so long hangs.
	writeLimit = 2 * time.Second
	// helloLimit is how long the other side has for its Hello. It may be a
	// process that was started just now, on a machine that is busy: whoever
	// kills it too early does so again and again.
	helloLimit = 10 * time.Second
)

// ErrFrame says that the other process sent what this protocol does not know.
var ErrFrame = errors.New("malformed radio frame")

// wire writes and reads frames. Writing may be done concurrently.
type wire struct {
	conn net.Conn
	in   *bufio.Reader
	buf  []byte // of read

	mu  sync.Mutex
	out []byte // of write
}

func newWire(conn net.Conn) *wire {
	return &wire{conn: conn, in: bufio.NewReaderSize(conn, 4096)}
}

// write sends one frame. After an error the connection is closed.
func (w *wire) write(f *radiov1.Frame) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	out, err := proto.MarshalOptions{}.MarshalAppend(append(w.out[:0], 0, 0, 0, 0), f)
	if err != nil {
		return fmt.Errorf("encode frame: %w", err)
	}
	w.out = out
	if len(out)-4 > frameMax {
		return fmt.Errorf("frame of %d bytes: %w", len(out)-4, ErrFrame)
	}
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	if err := w.conn.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return err
	}
	if _, err := w.conn.Write(out); err != nil {
		w.conn.Close() // a part of the frame may have been written
		return fmt.Errorf("write frame: %w", err)
	}
	return nil
}

// read returns the next frame, whose body is never nil. The error wraps
// ErrFrame or is the connection's.
func (w *wire) read() (*radiov1.Frame, error) {
	var head [4]byte
	if _, err := io.ReadFull(w.in, head[:]); err != nil {
		return nil, fmt.Errorf("read frame: %w", err)
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > frameMax {
		return nil, fmt.Errorf("frame of %d bytes: %w", n, ErrFrame)
	}
	if cap(w.buf) < int(n) {
		w.buf = make([]byte, n)
	}
	if _, err := io.ReadFull(w.in, w.buf[:n]); err != nil {
		return nil, fmt.Errorf("read frame: %w", err)
	}
	f := &radiov1.Frame{}
	if err := proto.Unmarshal(w.buf[:n], f); err != nil {
		return nil, fmt.Errorf("frame does not parse: %w", ErrFrame)
	}
	if f.GetBody() == nil {
		return nil, fmt.Errorf("empty frame: %w", ErrFrame)
	}
	return f, nil
}

// readHello returns the first frame, which must be a Hello of our version and
// come soon.
func (w *wire) readHello() (*radiov1.Hello, error) {
	if err := w.conn.SetReadDeadline(time.Now().Add(helloLimit)); err != nil {
		return nil, err
	}
	f, err := w.read()
	if err != nil {
		return nil, fmt.Errorf("hello: %w", err)
	}
	hello := f.GetHello()
	if hello == nil {
		return nil, fmt.Errorf("first frame is no hello: %w", ErrFrame)
	}
	if hello.GetVersion() != protocolVersion {
		return nil, fmt.Errorf("hello of version %d, want %d: %w", hello.GetVersion(), protocolVersion, ErrFrame)
	}
	return hello, w.conn.SetReadDeadline(time.Time{})
}

// hungUp reports whether err means that the other side, or this one, closed
// the connection.
func hungUp(err error) bool {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, syscall.EPIPE, syscall.ECONNRESET} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}
