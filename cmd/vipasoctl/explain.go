package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/vipaso/vipasod/cmd/internal/flags"
	"github.com/vipaso/vipasod/daemon/catalogue"
)

// A usageError is a command that cannot be understood.
type usageError struct {
	message string
	help    string // the command to read
}

func (u *usageError) Error() string { return u.message }

func usagef(format string, args ...any) error {
	return &usageError{message: fmt.Sprintf(format, args...)}
}

// asUsage turns an error of parsing args into a usageError that names the
// command to read about.
func asUsage(err error, root *cobra.Command, args []string) error {
	var u *usageError
	if !errors.As(err, &u) {
		u = &usageError{message: unshield(flags.Explain(err).Error())}
	}
	cmd, _, findErr := root.Find(shieldNegatives(args))
	if findErr != nil || cmd.Name() == "help" {
		cmd = root
	}
	u.help = cmd.CommandPath() + " --help"
	return u
}

// An explanation is what an error says to people.
type explanation struct {
	head string // one line
	what string
	why  string
	next string
}

// explain writes err to stderr: what happened, why, and the next command. An
// outcome has been told on stdout.
func (a *app) explain(err error) {
	var done outcome
	if errors.As(err, &done) {
		return
	}
	e := a.explanation(err)
	a.note("error: %s", clean(oneLine(e.head)))
	a.advise(e)
}

// advise writes what follows the head of an explanation.
func (a *app) advise(e explanation) {
	for _, line := range []struct{ label, text string }{{"what", e.what}, {"why", e.why}, {"next", e.next}} {
		if line.text != "" {
			a.note("%s%s", a.stderr.bold(a, pad(line.label, 7)), clean(oneLine(line.text)))
		}
	}
}

// oneLine joins the lines of several errors, without shields, also quoted
// ones.
func oneLine(s string) string {
	return strings.NewReplacer("\n", "; ", shield, "", `\x00`, "").Replace(s)
}

func (a *app) explanation(err error) explanation {
	var usage *usageError
	var file *fileError
	var unknown *unknownCode
	var bare *noProof
	switch {
	case errors.As(err, &usage):
		return explanation{head: usage.message, next: usage.help}
	case errors.As(err, &file):
		return file.explanation()
	case errors.As(err, &bare):
		return bare.explanation()
	case errors.As(err, &unknown):
		return explanation{head: unknown.Error(), next: "vipasoctl errors"}
	case interrupted(err):
		return a.unreachable()
	case cancelled(err):
		return explanation{head: "stopped"}
	case unimplemented(err):
		return explanation{
			head: "this vipasod does not serve that call",
			why:  `vipasod is older than this vipasoctl, or it is a sim command and the radio is not simulated (driver = "sim").`,
			next: "compare vipasoctl version with the first line of vipasoctl status",
		}
	}
	st, ok := statusOf(err)
	if !ok {
		return explanation{head: err.Error(), next: "vipasoctl doctor"}
	}
	e := explanation{head: st.Message(), why: violations(err), next: "vipasoctl doctor"}
	if entry, ok := catalogue.Lookup(reasonOf(err)); ok {
		e.what, e.next = entry.What, entry.Next
		e.why = strings.TrimSpace(entry.Why + " " + e.why)
	}
	if strings.Contains(e.head, strings.TrimSuffix(e.what, ".")) {
		e.what = "" // the daemon's message begins with it
	}
	if reasonOf(err) == catalogue.FieldInvalid && a.command != "" {
		e.next += " Here: " + a.command + " --help."
	}
	id := detail[*errdetails.ErrorInfo](err).GetMetadata()["payment_id"]
	if id == "" {
		id = a.payment
	}
	if id != "" {
		e.next = strings.ReplaceAll(e.next, " PAYMENT", " "+id)
	}
	if reason := reasonOf(err); reason != "" {
		e.head = reason + ": " + e.head
	}
	if again := detail[*errdetails.RetryInfo](err).GetRetryDelay().AsDuration(); again > 0 {
		e.next = fmt.Sprintf("%s Again in %s.", e.next, span(again))
	}
	return e
}

// unreachable explains why nobody answers on the socket.
func (a *app) unreachable() explanation {
	e := explanation{
		head: catalogue.DaemonUnreachable + ": vipasod does not answer on " + a.socket,
		why:  "It is not running, or its socket is elsewhere (--socket or VIPASO_SOCKET).",
		next: "systemctl status vipasod",
	}
	refusal := a.refusal()
	if refusal == nil {
		return e
	}
	e.what = refusal.Error()
	switch {
	case errors.Is(refusal, fs.ErrPermission):
		e.head = "this user may not connect to vipasod on " + a.socket
		e.why = "Only root and the members of the socket's group may connect."
		e.next = `sudo usermod -aG vipaso "$USER", then log in again; ls -l ` + a.socket + " names the group"
	case errors.Is(refusal, fs.ErrNotExist):
		e.why = "There is no such socket: vipasod is not running, or its socket is elsewhere."
		e.next = "sudo systemctl start vipasod, or name its socket with --socket PATH or VIPASO_SOCKET; systemctl status vipasod"
	case errors.Is(refusal, syscall.ECONNREFUSED) && !isSocket(a.socket):
		e.why = "That is no socket."
		e.next = "name the one of vipasod with --socket PATH or VIPASO_SOCKET; [grpc] socket in its configuration says where it is; systemctl status vipasod"
	case errors.Is(refusal, syscall.ECONNREFUSED):
		e.why = "The socket is there, but nobody listens: vipasod has ended."
		e.next = "sudo systemctl restart vipasod; systemctl status vipasod says why it ended"
	case errors.Is(refusal, syscall.EINVAL):
		e.why = "The path of a socket has at most 107 bytes."
		e.next = "name the right one with --socket PATH; a longer one needs another [grpc] socket in the configuration"
	}
	return e
}

func isSocket(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Type() == fs.ModeSocket
}

// refusal is why the socket could not be reached, if it could not.
func (a *app) refusal() error {
	if a.conn == nil {
		return nil
	}
	if err := a.conn.refusal.Load(); err != nil {
		return *err
	}
	return nil
}

// violations lists the fields that the daemon found wrong, as far as its
// message does not say it.
func violations(err error) string {
	st, _ := statusOf(err)
	var fields []string
	for _, v := range detail[*errdetails.BadRequest](err).GetFieldViolations() {
		// The last part of what a chain of errors says is its kind, which the
		// message says in the catalogue's words.
		said, text := st.Message(), v.GetDescription()
		values := text[:max(0, strings.LastIndex(text, ": "))]
		switch {
		case !strings.Contains(said, text) && (values == "" || !strings.Contains(said, values)):
			fields = append(fields, v.GetField()+": "+text)
		case !strings.Contains(said, v.GetField()):
			fields = append(fields, "It is about "+v.GetField()+".")
		}
	}
	return strings.Join(fields, "; ")
}

// interruption says why a stream has to be opened again.
func interruption(err error) string {
	switch reasonOf(err) {
	case catalogue.WatchBehind:
		return "vipasod did not wait for us; going on where we stopped"
	case catalogue.WatchExpired:
		return "vipasod has not had the last event that was seen (its store was replaced or restored); starting with what is there now"
	}
	if errors.Is(err, io.EOF) {
		return "vipasod is stopping; waiting for it"
	}
	return "vipasod went away; waiting for it"
}

// span writes d as people say it: 22s, 3m 5s, 3h 31m, 3d 4h.
func span(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	days, hours := int(d/(24*time.Hour)), int(d/time.Hour)%24
	minutes, seconds := int(d/time.Minute)%60, int(d/time.Second)%60
	switch {
	case days > 0:
		return fmt.Sprintf("%dd %dh", days, hours)
	case hours > 0:
		return fmt.Sprintf("%dh %dm", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%dm %ds", minutes, seconds)
	default:
		return fmt.Sprintf("%ds", seconds)
	}
}
