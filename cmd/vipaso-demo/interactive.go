package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"
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
	if err := s.sheet(out); err != nil {
		return errors.Join(err, s.close())
	}
	err = h.keepUp(ctx, func(line string) { fmt.Fprintln(progress, line) })
	fmt.Fprintln(progress, "\nstopping everything")
	return errors.Join(err, s.close())
}

// keepUp starts devices that were killed again, until ctx ends.
func (p *processes) keepUp(ctx context.Context, tell func(string)) error {
	gone := make(chan string, len(p.devices))
	watch := func(name string) {
		c := p.devices[name]
		go func() {
			<-c.done
			gone <- name
		}()
	}
	for name := range p.devices {
		watch(name)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case name := <-gone:
			if ctx.Err() != nil {
				return nil
			}
			old := p.take(name)
			tell(fmt.Sprintf("%s: %v; starting it again", title(name), old.err))
			if err := p.start(ctx, old.spec); ctx.Err() != nil {
				return nil
			} else if err != nil {
				return err
			}
			watch(name)
		}
	}
}

// sheetData is what the sheet of ready-to-paste lines says.
type sheetData struct {
	Ctl, Grpcurl, Backend              string
	Dir, Books                         string
	Till, Ann, Bea, Carl               place
	AnnCard, BeaCard, AnnHold          string
	RequestID, OtherID, Balance, Aside string
}

// sheet prints what can be done with the world, with real ids and sockets.
func (s *stage) sheet(out io.Writer) error {
	d := sheetData{
		Ctl: program("vipasoctl"), Backend: program("vipaso-backend"), Grpcurl: grpcurl(),
		Dir: filepath.Dir(s.host.books()), Books: s.host.books(),
		Till: s.host.where("till"), Ann: s.host.where("ann"), Bea: s.host.where("bea"), Carl: s.host.where("carl"),
		AnnCard: s.ann.instrument, BeaCard: s.bea.instrument,
		RequestID: newRequestID(), OtherID: newRequestID(), Balance: balance, Aside: setAside,
	}
	if holds := s.ann.holdIDs(); len(holds) > 0 {
		d.AnnHold = holds[0]
	}
	return sheetText.Execute(out, d)
}

// program is how to call one of the other programs: beside this one, on the
// path, or from the source.
func program(name string) string {
	if self, err := os.Executable(); err == nil {
		if beside := filepath.Join(filepath.Dir(self), name); executable(beside) {
			return beside
		}
	}
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	return "go run ./cmd/" + name
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

func grpcurl() string {
	if path, err := exec.LookPath("grpcurl"); err == nil {
		return path
	}
	return "go tool -modfile=tools/go.mod grpcurl"
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
  {{.Ctl}} --socket {{.Ann.Socket}} preauth void {{.AnnHold}}
  kill -9 {{.Ann.PID}}                       # Ann's device; it comes back on what is on its disk

Give them a network, and see it settle:
  {{.Ctl}} --socket {{.Till.Socket}} sim offline off
  {{.Ctl}} --socket {{.Ann.Socket}} sim offline off
  {{.Backend}} admin --dir {{.Books}} reconcile

The same with grpcurl, which asks the daemon for its API (the same request_id is the same
call: take a new one for another payment):
  {{.Grpcurl}} -plaintext -unix {{.Till.Socket}} list
  {{.Grpcurl}} -plaintext -unix -d '{"session":"SESSION_MODE_CONTINUOUS"}' {{.Ann.Socket}} vipaso.customer.v1.CustomerService/ReceivePaymentRequestsViaBle
  {{.Grpcurl}} -plaintext -unix -d '{"request_id":"{{.RequestID}}","amount":"12.00","currency":"USD"}' {{.Till.Socket}} vipaso.business.v1.BusinessService/SendPaymentRequestViaBle
  {{.Grpcurl}} -plaintext -unix -d '{"request_id":"{{.OtherID}}","payment_id":"PAYMENT","amount":"12.00","currency":"USD","instrument_id":"{{.AnnCard}}"}' {{.Ann.Socket}} vipaso.customer.v1.CustomerService/AcceptPayment
  {{.Grpcurl}} -plaintext -unix -d '{"offline":false}' {{.Till.Socket}} vipaso.sim.v1.SimService/SetOffline

^C ends everything.
`))
