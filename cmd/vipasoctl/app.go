package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// An app is one run of vipasoctl: its streams, its global flags and its
// connection to the daemon, which is made at the first call.
type app struct {
	stdin  io.Reader
	stdout *output
	stderr *output
	env    func(string) string
	now    func() time.Time
	zone   *time.Location

	socket  string
	json    bool
	verbose bool

	conn *conn

	// command is the path of the command that runs, such as vipasoctl pay
	// request.
	command string

	// payment is the payment that the command was given, if any.
	payment string

	// role is what the daemon said that it is, if it was asked.
	role paymentv1.Role

	// ran is whether a command's own code was reached: errors before that
	// are about how the command was written.
	ran bool
}

// run runs vipasoctl with args (without the program's name) and returns its
// exit code, as exit.go lists them. It returns early when ctx ends.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env func(string) string) int {
	return newApp(stdin, stdout, stderr, env).run(ctx, args)
}

func newApp(stdin io.Reader, stdout, stderr io.Writer, env func(string) string) *app {
	return &app{
		stdin:  stdin,
		stdout: &output{w: stdout},
		stderr: &output{w: stderr},
		env:    env,
		now:    time.Now,
		zone:   time.Local,
	}
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.rootCommand()
	root.SetArgs(shieldNegatives(args))
	err := root.ExecuteContext(ctx)
	if a.conn != nil {
		a.conn.close()
	}
	var usage *usageError
	switch {
	case err == nil:
		err = a.stdout.err
	case !a.ran || errors.As(err, &usage):
		err = asUsage(err, root, args)
	}
	if err != nil {
		a.explain(err)
	}
	return a.code(err)
}

// code returns the exit code for err. A socket that this user may not open is
// not a dead one.
func (a *app) code(err error) int {
	if interrupted(err) && errors.Is(a.refusal(), fs.ErrPermission) {
		return exitNotAllowed
	}
	return exitCode(err)
}

// printf writes human text to stdout.
func (a *app) printf(format string, args ...any) {
	fmt.Fprintf(a.stdout, format, args...)
}

// note writes a message to stderr.
func (a *app) note(format string, args ...any) {
	fmt.Fprintf(a.stderr, format+"\n", args...)
}

// progress writes a message to stderr if somebody is there to read it.
func (a *app) progress(format string, args ...any) {
	if a.verbose || a.stderr.terminal() {
		a.note(format, args...)
	}
}

// An output is stdout or stderr. It may be written to by several goroutines,
// and keeps the first error, so that a full disk is not taken for success.
type output struct {
	mu  sync.Mutex
	w   io.Writer
	err error
}

// Write writes p; after an error it writes nothing more and returns that.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.w.Write(p)
	o.err = err
	return n, err
}
