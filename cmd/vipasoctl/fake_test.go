package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"
)

// A fake is a daemon on a real socket whose answers the test gives.
type fake struct {
	t      *testing.T
	socket string

	mu       sync.Mutex
	server   *grpc.Server
	handlers map[string]handler
	asked    map[string][]proto.Message
}

// A handler answers one call.
type handler func(c *call) error

// A call is one call of the program under test.
type call struct {
	ctx  context.Context
	in   proto.Message
	send func(proto.Message) error
}

func newFake(t *testing.T) *fake {
	f := stoppedFake(t)
	f.start()
	return f
}

// stoppedFake is a fake that was not started yet.
func stoppedFake(t *testing.T) *fake {
	return &fake{t: t, socket: filepath.Join(t.TempDir(), "s"), handlers: make(map[string]handler), asked: make(map[string][]proto.Message)}
}

// start makes the daemon answer on its socket.
func (f *fake) start() { f.startOn(func(l net.Listener) net.Listener { return l }) }

// startOn is start with what is made of the listener.
func (f *fake) startOn(through func(net.Listener) net.Listener) {
	f.t.Helper()
	l, err := net.Listen("unix", f.socket)
	if err != nil {
		f.t.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnknownServiceHandler(f.serve))
	f.t.Cleanup(server.Stop)
	f.mu.Lock()
	f.server = server
	f.mu.Unlock()
	go func() { _ = server.Serve(through(l)) }() // ends when stop says so
}

// stop is a crash: every connection breaks.
func (f *fake) stop() {
	f.mu.Lock()
	server := f.server
	f.mu.Unlock()
	server.Stop()
}

// on makes h answer a method, named as in GetStatus or
// CustomerService/FetchPayment.
func (f *fake) on(method string, h handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handlers[method] = h
}

// answer makes a method send these messages.
func (f *fake) answer(method string, messages ...proto.Message) {
	f.on(method, func(c *call) error {
		for _, m := range messages {
			if err := c.send(m); err != nil {
				return err
			}
		}
		return nil
	})
}

// fail makes a method answer with an error.
func (f *fake) fail(method string, err error) {
	f.on(method, func(*call) error { return err })
}

// last is the newest request of a method, nil if there was none.
func (f *fake) last(method string) proto.Message {
	all := f.requests(method)
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}

func (f *fake) requests(method string) []proto.Message {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]proto.Message(nil), f.asked[method]...)
}

func (f *fake) serve(_ any, stream grpc.ServerStream) error {
	full, _ := grpc.MethodFromServerStream(stream)
	in, err := newInput(full)
	if err != nil {
		return err
	}
	if err := stream.RecvMsg(in); err != nil {
		return err
	}
	long := full[strings.LastIndex(full, ".")+1:]
	short := long[strings.Index(long, "/")+1:]
	f.mu.Lock()
	f.asked[long] = append(f.asked[long], in)
	f.asked[short] = append(f.asked[short], in)
	h := f.handlers[long]
	if h == nil {
		h = f.handlers[short]
	}
	f.mu.Unlock()
	if h == nil {
		return failure("UNIMPLEMENTED", "", "no "+long)
	}
	return h(&call{ctx: stream.Context(), in: in, send: func(m proto.Message) error { return stream.SendMsg(m) }})
}

func newInput(fullMethod string) (proto.Message, error) {
	name := strings.ReplaceAll(strings.TrimPrefix(fullMethod, "/"), "/", ".")
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return nil, err
	}
	t, err := protoregistry.GlobalTypes.FindMessageByName(d.(protoreflect.MethodDescriptor).Input().FullName())
	if err != nil {
		return nil, err
	}
	return t.New().Interface(), nil
}

// failure is an error as a daemon gives it; grpcCode is such as NOT_FOUND.
func failure(grpcCode, reason, message string, more ...proto.Message) error {
	st := &spb.Status{Code: code.Code_value[grpcCode], Message: message}
	if reason != "" {
		more = append(more, &errdetails.ErrorInfo{Domain: "vipaso.dev", Reason: reason})
	}
	for _, m := range more {
		d, err := anypb.New(m)
		if err != nil {
			return err
		}
		st.Details = append(st.Details, d)
	}
	return status.ErrorProto(st)
}

// A result is what a run left behind.
type result struct {
	code           int
	stdout, stderr string
}

// noon is the time in these tests, in UTC.
var noon = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

// run runs vipasoctl against f.
func (f *fake) run(args ...string) result {
	return f.runFor(f.t.Context(), args...)
}

func (f *fake) runFor(ctx context.Context, args ...string) result {
	var stdout, stderr bytes.Buffer
	code := f.runTo(ctx, &stdout, &stderr, args...)
	return result{code, stdout.String(), stderr.String()}
}

func (f *fake) runTo(ctx context.Context, stdout, stderr io.Writer, args ...string) int {
	a := newApp(strings.NewReader(""), stdout, stderr, func(name string) string {
		if name == "VIPASO_SOCKET" {
			return f.socket
		}
		return ""
	})
	a.now, a.zone = func() time.Time { return noon }, time.UTC
	return a.run(ctx, args)
}

// A session is a run that a test talks with while it lasts.
type session struct {
	t      *testing.T
	lines  chan string // of stdout; closed at the end
	stderr *output
	text   *bytes.Buffer
	stop   context.CancelFunc // ^C
	code   chan int
}

// begin runs vipasoctl in the background.
func (f *fake) begin(args ...string) *session {
	ctx, stop := context.WithCancel(f.t.Context())
	f.t.Cleanup(stop)
	s := &session{t: f.t, lines: make(chan string, 100), text: &bytes.Buffer{}, stop: stop, code: make(chan int, 1)}
	s.stderr = &output{w: s.text}
	go func() {
		w := &lineWriter{lines: s.lines}
		s.code <- f.runTo(ctx, w, s.stderr, args...)
		close(s.lines)
	}()
	return s
}

// line is the next line of stdout.
func (s *session) line() string {
	s.t.Helper()
	select {
	case l, ok := <-s.lines:
		if !ok {
			s.t.Fatalf("the run ended with no further line; stderr: %s", s.messages())
		}
		return l
	case <-s.t.Context().Done():
		s.t.Fatal("the test ended first")
	case <-time.After(patience):
		s.t.Fatalf("no line after %s; stderr: %s", patience, s.messages())
	}
	return ""
}

// end is the exit code.
func (s *session) end() int {
	s.t.Helper()
	select {
	case code := <-s.code:
		return code
	case <-time.After(patience):
		s.t.Fatalf("still running after %s; stderr: %s", patience, s.messages())
	}
	return -1
}

// messages is stderr so far.
func (s *session) messages() string {
	s.stderr.mu.Lock()
	defer s.stderr.mu.Unlock()
	return s.text.String()
}

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// A lineWriter sends each line written to it.
type lineWriter struct {
	lines chan<- string
	rest  []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		line, rest, ok := bytes.Cut(w.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		w.lines <- string(line)
		w.rest = rest
	}
}

// await waits for a signal of a fake's handler.
func await[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("nothing after %s", patience)
	}
	panic("unreachable")
}

// golden compares got with a file of testdata; UPDATE=1 writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(path, []byte(got), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\n got:\n%s\nwant:\n%s", path, got, want)
	}
}
