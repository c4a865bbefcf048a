package secure

import (
	"testing"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/sim"
)

// BenchmarkExchange sends a payment of usual size and answers it with a
// receipt, over a link without any delay.
func BenchmarkExchange(b *testing.B) {
	air := sim.NewAir(1, sim.Conditions{})
	defer air.Close()
	central, peripheral := air.Join("till"), air.Join("customer")
	if err := peripheral.Advertise(b.Context(), link.Advertisement{On: true, ServiceData: beacon}); err != nil {
		b.Fatal(err)
	}
	c, err := central.Dial(b.Context(), peripheral.Status().Address, false)
	if err != nil {
		b.Fatal(err)
	}
	p, err := peripheral.Accept(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	sessions := make(chan *Session, 1)
	go func() {
		s, err := Respond(b.Context(), p, newParty(b, "customer", "business", 2).Local, Responder{
			RecentAdvertisement: func([]byte) bool { return true },
		})
		if err != nil {
			b.Error(err)
		}
		sessions <- s
	}()
	till, err := Initiate(b.Context(), c, newParty(b, "business", "customer", 1).Local, Initiator{Advertisement: beacon})
	if err != nil {
		b.Fatal(err)
	}
	customer := <-sessions
	defer customer.Close(CloseDone)
	defer till.Close(CloseDone)
	go func() {
		for {
			if _, _, err := till.Receive(b.Context()); err != nil {
				return
			}
			if err := till.Send(b.Context(), Receipt, make([]byte, 200)); err != nil {
				return
			}
		}
	}()
	payment := make([]byte, 900)
	b.ReportAllocs()
	for b.Loop() {
		if err := customer.Send(b.Context(), Payment, payment); err != nil {
			b.Fatal(err)
		}
		if _, _, err := customer.Receive(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	if n := customer.Counters(); n.MessagesSent != n.MessagesReceived {
		b.Errorf("counters %+v", n)
	}
}
