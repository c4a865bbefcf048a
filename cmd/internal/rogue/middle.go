package rogue

import (
	"context"
	"sync"
	"time"

	"github.com/vipaso/vipasod/ble/link"
)

// Middle stands between a till and a customer on the air: towards the till it
// sends the customer's advertisement, and it carries every value from one to
// the other.
type Middle struct {
	Near link.Radio // towards the customer
	Far  link.Radio // towards the till

	// Delay is how long each value takes on its way.
	Delay time.Duration
	// Announce changes what the till hears of the customer; it may be nil.
	Announce func(*link.Advertisement)
	// Ready is called when the customer is taken and the till can come; it may
	// be nil.
	Ready func()
	// Change changes a value on its way; it may be nil. Each direction calls it
	// from a goroutine of its own.
	Change func(toCustomer bool, value []byte)
}

// Stand waits for a customer, takes its only link, shows its advertisement to
// the till, and carries values between them until one of them ends it. It
// returns how many values it carried: none if the till did not come.
func (m Middle) Stand(ctx context.Context) (carried int, err error) {
	near := &Device{Radio: m.Near}
	customer, seen, err := near.Find(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer customer.Close("the middle is done")
	ad := link.Advertisement{On: true, ServiceData: append([]byte(nil), seen.ServiceData...), ReadValue: append([]byte(nil), customer.PeerReadValue()...)}
	if m.Announce != nil {
		m.Announce(&ad)
	}
	if err := m.Far.Advertise(ctx, ad); err != nil {
		return 0, err
	}
	defer func() { _ = m.Far.Advertise(context.WithoutCancel(ctx), link.Advertisement{}) }()
	if m.Ready != nil {
		m.Ready()
	}
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		select {
		case <-customer.Done():
		case <-waiting.Done():
		}
	}()
	till, err := m.Far.Accept(waiting)
	if err != nil {
		return 0, ctx.Err() // the customer let go first
	}
	defer till.Close("the middle is done")
	return m.carry(ctx, till, customer), nil
}

// late is a value and when it is due.
type late struct {
	value []byte
	due   time.Time
}

// carry carries values both ways until a link ends.
func (m Middle) carry(ctx context.Context, till, customer link.Link) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var ways sync.WaitGroup
	var counts [2]int
	for i, way := range [2]struct{ from, to link.Link }{{till, customer}, {customer, till}} {
		ways.Go(func() {
			defer cancel()
			counts[i] = m.oneWay(ctx, way.from, way.to, i == 0)
		})
	}
	ways.Wait()
	return counts[0] + counts[1]
}

func (m Middle) oneWay(ctx context.Context, from, to link.Link, toCustomer bool) (n int) {
	queue := make(chan late, 1024)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for v := range queue {
			timer := time.NewTimer(time.Until(v.due))
			<-timer.C // what was sent before a link ended still arrives
			if to.Send(context.WithoutCancel(ctx), v.value) != nil {
				return
			}
		}
	}()
	defer func() { close(queue); <-done }()
	for ; ; n++ {
		value, err := from.Receive(ctx)
		if err != nil {
			return n
		}
		if m.Change != nil {
			m.Change(toCustomer, value)
		}
		select {
		case queue <- late{value, time.Now().Add(m.Delay)}:
		case <-done:
			return n
		}
	}
}
