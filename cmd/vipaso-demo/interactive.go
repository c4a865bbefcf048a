package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
)

// stayUp builds a world and keeps it up until ctx ends.
func stayUp(ctx context.Context, dir string, out, progress io.Writer) error {
	h, err := newProcesses(dir, newSpawner(), interval)
	if err != nil {
		return err
	}
	fmt.Fprintln(progress, "building a world in", dir)
	s, err := build(ctx, h, cast{}, func(line string) { fmt.Fprintln(progress, "  "+line) })
	if err != nil {
		return err
	}
	for _, party := range s.parties() {
		h.devices[party.key].cut.Store(party.cut)
	}
	if err := s.sheet(out); err != nil {
		return errors.Join(err, s.close())
	}
	err = h.keepUp(ctx, func(line string) { fmt.Fprintln(progress, line) })
	fmt.Fprintln(progress, "\nstopping everything")
	return errors.Join(err, s.close())
}

// keepUp starts devices that were killed again, with the network they had,
// until ctx ends.
func (p *processes) keepUp(ctx context.Context, tell func(string)) error {
	gone, news := make(chan string), make(chan string)
	watch := func(name string) {
		c := p.devices[name]
		go p.follow(ctx, name, c, news)
		go func() {
			<-c.done
			send(ctx, gone, name)
		}()
	}
	for name := range p.devices {
		watch(name)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case line := <-news:
			tell(line)
		case name := <-gone:
			old := p.take(name)
			tell(fmt.Sprintf("%s: %v; starting it again", title(name), old.err))
			again := old.spec
			again.offline = old.cut.Load()
			if err := p.start(ctx, again); ctx.Err() != nil {
				return nil
			} else if err != nil {
				return err
			}
			tell(title(name) + " is back")
			watch(name)
		}
	}
}

func send(ctx context.Context, to chan<- string, line string) {
	select {
	case to <- line:
	case <-ctx.Done():
	}
}

// follow notes whether a device has a network, and tells when that changes,
// until the device ends.
func (p *processes) follow(ctx context.Context, name string, c *child, news chan<- string) {
	conn, err := p.call(name)
	if err != nil {
		return
	}
	defer conn.Close()
	stream, err := devicev1.NewDeviceServiceClient(conn).WatchStatus(ctx, &devicev1.WatchStatusRequest{})
	if err != nil {
		return
	}
	for {
		r, err := stream.Recv()
		if err != nil {
			return
		}
		b := r.GetStatus().GetBackend()
		if !b.GetOnline() && b.GetLastError() == "" {
			continue // it has not tried yet
		}
		if was := c.cut.Swap(!b.GetOnline()); was && b.GetOnline() {
			send(ctx, news, title(name)+" has a network")
		} else if !was && !b.GetOnline() {
			send(ctx, news, title(name)+" has no network")
		}
	}
}

// sheetData is what the sheet of ready-to-paste lines says.
type sheetData struct {
	Ctl, Grpcurl, Backend          string
	Dir, Books                     string
	Till, Ann, Bea, Carl           place
	AnnCard, BeaCard, AnnHold      string
	RequestID, AcceptID, NetworkID string
	Balance, Aside                 string
}

// sheet prints what can be done with the world, with real ids and sockets.
func (s *stage) sheet(out io.Writer) error {
	d := sheetData{
		Ctl: program("vipasoctl"), Backend: program("vipaso-backend"), Grpcurl: grpcurl(),
		Dir: filepath.Dir(s.host.books()), Books: s.host.books(),
		Till: s.host.where("till"), Ann: s.host.where("ann"), Bea: s.host.where("bea"), Carl: s.host.where("carl"),
		AnnCard: s.ann.instrument, BeaCard: s.bea.instrument,
		RequestID: newRequestID(), AcceptID: newRequestID(), NetworkID: newRequestID(), Balance: balance, Aside: setAside,
	}
	if holds := s.ann.holdIDs(); len(holds) > 0 {
		d.AnnHold = holds[0]
	}
	return sheetText.Execute(out, d)
}

// program is how to call one of the other programs from anywhere: beside this
// one, on the path, or from the source.
func program(name string) string {
	if self, err := os.Executable(); err == nil {
		if beside := filepath.Join(filepath.Dir(self), name); executable(beside) {
			return beside
		}
	}
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	return fromSource() + " run ./cmd/" + name
}

// fromSource is the go command at the source, where `make demo` begins.
func fromSource() string {
	dir, err := os.Getwd()
	if err != nil {
		return "go"
	}
	return "go -C " + quoted(dir)
}

// quoted is a word for a shell.
func quoted(word string) string {
	if !strings.ContainsFunc(word, func(r rune) bool { return !strings.ContainsRune(plain, r) }) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// plain are the characters that mean nothing to a shell.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@%"

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

func grpcurl() string {
	if path, err := exec.LookPath("grpcurl"); err == nil {
		return path
	}
	return fromSource() + " tool -modfile=tools/go.mod grpcurl"
}

// sheetText has one command on each line, so that it can be pasted whole.
var sheetText = template.Must(template.New("sheet").Parse(`
A backend, a till (Cafe Luna) and three customers are up. Each customer has {{.Balance}}
on a card and has set {{.Aside}} aside. Nobody has a network. Files and logs are in
{{.Dir}}

Pay, each in a terminal of its own (Ann listens, the till asks, Ann accepts):
  {{.Ctl}} --socket {{.Ann.Socket}} pay receive
  {{.Ctl}} --socket {{.Till.Socket}} pay request 12.00 USD --ref "Table 4"
  {{.Ctl}} --socket {{.Ann.Socket}} pay accept PAYMENT --amount 12.00 --currency USD --instrument {{.AnnCard}}
or let Bea accept whatever she is asked for:
  {{.Ctl}} --socket {{.Bea.Socket}} pay receive --accept-all --instrument {{.BeaCard}}

Look:
  {{.Ctl}} --socket {{.Till.Socket}} status
  {{.Ctl}} --socket {{.Ann.Socket}} preauth list
  {{.Ctl}} --socket {{.Till.Socket}} listen
  {{.Ctl}} --socket {{.Till.Socket}} payments list

Make trouble:
  {{.Ctl}} --socket {{.Till.Socket}} sim drop-link
  {{.Ctl}} --socket {{.Till.Socket}} sim set --loss 10% --latency 50ms
  kill -9 {{.Ann.PID}}   # Ann's device; it comes back on what is on its disk

Give them a network, and see it settle:
  {{.Ctl}} --socket {{.Till.Socket}} sim offline off
  {{.Ctl}} --socket {{.Ann.Socket}} sim offline off
  {{.Ctl}} --socket {{.Ann.Socket}} preauth void {{.AnnHold}}
  {{.Backend}} admin --dir {{.Books}} reconcile

The same with grpcurl, which asks the daemon for its API (the same request_id is the same
call: take a new one for another payment):
  {{.Grpcurl}} -plaintext -unix {{.Till.Socket}} list
  {{.Grpcurl}} -plaintext -unix -d '{"session":"SESSION_MODE_CONTINUOUS"}' {{.Ann.Socket}} vipaso.customer.v1.CustomerService/ReceivePaymentRequestsViaBle
  {{.Grpcurl}} -plaintext -unix -d '{"request_id":"{{.RequestID}}","amount":"12.00","currency":"USD"}' {{.Till.Socket}} vipaso.business.v1.BusinessService/SendPaymentRequestViaBle
  {{.Grpcurl}} -plaintext -unix -d '{"request_id":"{{.AcceptID}}","payment_id":"PAYMENT","amount":"12.00","currency":"USD","instrument_id":"{{.AnnCard}}"}' {{.Ann.Socket}} vipaso.customer.v1.CustomerService/AcceptPayment
  {{.Grpcurl}} -plaintext -unix -d '{"request_id":"{{.NetworkID}}","offline":false}' {{.Till.Socket}} vipaso.sim.v1.SimService/SetOffline

^C ends everything.
`))
