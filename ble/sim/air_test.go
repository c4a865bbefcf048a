package sim

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/link/linktest"
)

// TestContract runs the contract of ble/link on good and bad airs.
func TestContract(t *testing.T) {
	for _, cond := range []Conditions{
		{},
		{Interval: 15 * time.Millisecond},
		{Latency: 20 * time.Millisecond},
		{Interval: 30 * time.Millisecond, LossPerMille: 200, Latency: 5 * time.Millisecond},
		{LossPerMille: 100},
	} {
		t.Run(fmt.Sprintf("%+v", cond), func(t *testing.T) {
			mk := func(t *testing.T, n int) []link.Radio {
				air := NewAir(1, cond)
				t.Cleanup(func() { air.Close() })
				radios := make([]link.Radio, n)
				for i := range radios {
					radios[i] = air.Join(fmt.Sprintf("radio %d", i))
				}
				return radios
			}
			linktest.TestRadio(t, mk, func(t *testing.T, f func(*testing.T)) { synctest.Test(t, f) })
		})
	}
}

// pair is a till and a customer on an air, in a bubble.
type pair struct {
	*testing.T
	air            *Air
	till, customer link.Radio
}

func onAir(t *testing.T, cond Conditions, test func(*pair)) {
	synctest.Test(t, func(t *testing.T) {
		p := &pair{T: t, air: NewAir(1, cond)}
		defer p.air.Close()
		p.till, p.customer = p.air.Join("till"), p.air.Join("customer")
		if err := p.customer.Advertise(t.Context(), ad(1)); err != nil {
			t.Fatal(err)
		}
		test(p)
	})
}

func (p *pair) link() (c, l link.Link) {
	p.Helper()
	c, err := p.till.Dial(p.Context(), p.customer.Status().Address, false)
	if err != nil {
		p.Fatal(err)
	}
	l, err = p.customer.Accept(p.Context())
	if err != nil {
		p.Fatal(err)
	}
	return c, l
}

// TestSendWaits sends to a peer that does not read.
func TestSendWaits(t *testing.T) {
	onAir(t, Conditions{}, func(p *pair) {
		near, far := p.link()
		ctx, cancel := context.WithTimeout(p.Context(), time.Second)
		defer cancel()
		sent := 0
		for near.Send(ctx, []byte{byte(sent)}) == nil {
			sent++
		}
		if sent != inboxMax || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			p.Errorf("%d values were taken, then %v", sent, ctx.Err())
		}
		go near.Send(p.Context(), []byte{byte(sent)})
		for i := range sent + 1 {
			if got, err := far.Receive(p.Context()); err != nil || got[0] != byte(i) {
				p.Fatalf("value %d is %x, %v", i, got, err)
			}
		}
	})
}

// TestDialGivenUp cancels a dial that is under way: the link that comes of it
// ends at once.
func TestDialGivenUp(t *testing.T) {
	onAir(t, Conditions{Interval: time.Second}, func(p *pair) {
		ctx, cancel := context.WithTimeout(p.Context(), time.Second)
		defer cancel()
		if _, err := p.till.Dial(ctx, p.customer.Status().Address, false); !errors.Is(err, context.DeadlineExceeded) {
			p.Errorf("dial: %v", err)
		}
		l, err := p.customer.Accept(p.Context())
		if err != nil {
			p.Fatal(err)
		}
		<-l.Done()
		if n := p.till.Status().Links + p.customer.Status().Links; n != 0 {
			p.Errorf("%d links are left", n)
		}
	})
}

func TestAirControls(t *testing.T) {
	onAir(t, Conditions{}, func(p *pair) {
		near, far := p.link()
		p.air.CutAfter(2)
		for range 2 {
			if err := near.Send(p.Context(), []byte("x")); err != nil {
				p.Fatal(err)
			}
		}
		<-far.Done()
		for range 2 {
			if _, err := far.Receive(p.Context()); err != nil {
				p.Errorf("a value before the cut is lost: %v", err)
			}
		}
		near, far = p.link()
		p.air.CutLinkOf("nobody", 0)
		if err := near.Send(p.Context(), []byte("x")); err != nil {
			p.Errorf("cut though another was meant: %v", err)
		}
		p.air.CutLinkOf("customer", 0)
		<-far.Done()
		_, far = p.link()
		p.air.DropLinks()
		<-far.Done()

		p.air.SetConditions(Conditions{LossPerMille: 1000})
		if got := p.air.Conditions(); got.LossPerMille != 1000 {
			p.Errorf("conditions %+v", got)
		}
		if _, err := p.till.Dial(p.Context(), p.customer.Status().Address, false); !errors.Is(err, link.ErrLost) {
			p.Errorf("dial where nothing is heard: %v", err)
		}
		p.air.Do(SetRSSI{A: p.till.(*Radio).ID(), B: p.customer.(*Radio).ID(), RSSI: -77})
		if peers := p.air.PeersOf(p.till); len(peers) != 2 || peers[1].Name != "customer" || peers[1].RSSI != -77 || !peers[1].Advertising {
			p.Errorf("peers %+v", peers)
		}
		if peers := p.air.Peers(); peers[1].RSSI != 0 {
			p.Errorf("peers of nobody %+v", peers)
		}
	})
}

// TestSeparate: who is out of reach is neither heard nor dialled; everybody
// else is.
func TestSeparate(t *testing.T) {
	onAir(t, Conditions{}, func(p *pair) {
		p.air.Separate("customer", "till")
		other := p.air.Join("other")
		for radio, hears := range map[link.Radio]bool{p.till: false, other: true} {
			if err := radio.Scan(p.Context(), true); err != nil {
				p.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(p.Context(), time.Minute)
			_, err := radio.NextSighting(ctx)
			cancel()
			if (err == nil) != hears {
				p.Errorf("heard: %v", err)
			}
			l, err := radio.Dial(p.Context(), p.customer.Status().Address, false)
			if (err == nil) != hears {
				p.Errorf("dialled: %v", err)
			}
			if err == nil {
				l.Close("done")
			}
		}
	})
}

func TestAirClose(t *testing.T) {
	onAir(t, Conditions{Interval: time.Second}, func(p *pair) {
		errs := make(chan error)
		go func() {
			_, err := p.till.Dial(p.Context(), p.customer.Status().Address, false)
			errs <- err
		}()
		synctest.Wait()
		p.air.Close()
		if err := <-errs; !errors.Is(err, link.ErrClosed) {
			p.Errorf("dial: %v", err)
		}
		if _, err := p.air.Join("late").Accept(p.Context()); !errors.Is(err, link.ErrClosed) {
			p.Errorf("accept of one who joins later: %v", err)
		}
	})
}

// TestNobodyAccepts dials a radio whose user does not accept.
func TestNobodyAccepts(t *testing.T) {
	onAir(t, Conditions{}, func(p *pair) {
		for i := range 2 * acceptMax {
			l, err := p.till.Dial(p.Context(), p.customer.Status().Address, false)
			if err != nil {
				p.Fatal(err)
			}
			if i >= acceptMax {
				<-l.Done() // refused
				continue
			}
			l.Close("next")
		}
	})
}
