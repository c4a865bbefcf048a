package hci

import (
	"context"
	"fmt"
	"time"

	"github.com/go-ble/ble"
	"github.com/go-ble/ble/linux/att"
	"github.com/go-ble/ble/linux/gatt"
	"github.com/go-ble/ble/linux/hci"
	"github.com/go-ble/ble/linux/hci/evt"

	"github.com/vipaso/vipasod/ble/link"
)

// gapName is the constant name in the GAP service. A longer one would make
// go-ble panic when it is read.
const gapName = "vipaso"

// handles are where attributes are.
type handles struct {
	status, cccd, write uint16
	// changed is the switch for the indications of the GATT service, services
	// are where services begin; only our own server's are known.
	changed  uint16
	services []uint16
}

// handlesAt returns the handles of the service at base, as we lay it out.
func handlesAt(base uint16) handles {
	return handles{status: base + 2, cccd: base + 3, write: base + 5}
}

// attServer is our GATT server.
type attServer struct {
	db      *att.DB
	handles handles
}

// newATTServer lays out the service. read returns what the read characteristic
// shows.
func newATTServer(n names, read func() []byte) (*attServer, error) {
	server, err := gatt.NewServerWithName(gapName)
	if err != nil {
		return nil, err
	}
	s := ble.NewService(n.service)
	status := s.NewCharacteristic(n.status)
	status.HandleNotify(ble.NotifyHandlerFunc(subscribed))
	write := s.NewCharacteristic(n.write)
	write.HandleWrite(ble.WriteHandlerFunc(func(ble.Request, ble.ResponseWriter) {})) // the guard has it
	write.Property = ble.CharWriteNR
	s.NewCharacteristic(n.read).HandleRead(ble.ReadHandlerFunc(func(_ ble.Request, rsp ble.ResponseWriter) {
		rsp.Write(read())
	}))
	if err := server.SetServices([]*ble.Service{s}); err != nil {
		return nil, err
	}
	h := handles{
		status: status.ValueHandle, cccd: status.ValueHandle + 1, write: write.ValueHandle,
		changed: link.DefaultBaseHandle - 1, services: []uint16{1, 12, link.DefaultBaseHandle},
	}
	if want := handlesAt(link.DefaultBaseHandle); h.status != want.status || h.write != want.write {
		return nil, fmt.Errorf("service laid out at %+v, not %+v: %w", h, want, link.ErrAdapter)
	}
	return &attServer{db: server.DB(), handles: h}, nil
}

// guardKey is where a connection's context has its guard.
type guardKey struct{}

// subscribed is called by go-ble when a central has switched notifications on:
// from then on it is a link.
func subscribed(req ble.Request, n ble.Notifier) {
	g, ok := req.Conn().Context().Value(guardKey{}).(*guard)
	if !ok {
		return
	}
	g.radio.announce(g)
	<-n.Context().Done()
	g.close(fmt.Errorf("notifications switched off: %w", link.ErrLost))
}

// subscribeLimit is how long a central may keep us from others before it has
// subscribed.
const subscribeLimit = 5 * time.Second

// accepting serves each central that connects. It must always be ready for the
// next: go-ble's reader waits for it.
func (r *Radio) accepting() {
	for {
		c, err := r.dev.Accept()
		if err != nil {
			return // watching says why
		}
		bare, ok := c.(*hci.Conn)
		if !ok {
			continue
		}
		r.mu.Lock()
		second := r.taken()
		r.shown.on = false // the controller has stopped by itself
		r.centrals++
		r.mu.Unlock()
		g := r.guard(bare, peripheral)
		if second {
			g.refuse("second central")
			continue
		}
		go r.serve(g)
	}
}

// serve runs go-ble's ATT server on a connection until it ends.
func (r *Radio) serve(g *guard) {
	defer func() {
		if p := recover(); p != nil {
			g.refuse("panic of the ATT server")
		}
	}()
	limit := time.AfterFunc(subscribeLimit, func() {
		if !g.announced() {
			g.refuse("no subscription")
		}
	})
	defer limit.Stop()
	ctx := context.WithValue(context.Background(), ble.ContextKeyCCC, make(map[uint16]uint16))
	g.SetContext(context.WithValue(ctx, guardKey{}, g))
	s, err := att.NewServer(r.server.db, g)
	if err != nil {
		g.lost(err)
		return
	}
	s.Loop()
}

// announce makes a link of a connection, once.
func (r *Radio) announce(g *guard) {
	g.mu.Lock()
	if g.link != nil || g.err != nil {
		g.mu.Unlock()
		return
	}
	c := &conn{g: g, opcode: opNotify, handle: r.server.handles.status, valueMax: g.txMTU - 3}
	g.link = c
	g.mu.Unlock()
	r.heard()
	select {
	case r.accepted <- c:
	default:
		g.refuse("nobody accepts")
	}
}

// disconnected is called by go-ble's reader, which must not be kept.
func (r *Radio) disconnected(e evt.DisconnectionComplete) {
	if g := r.find(e.ConnectionHandle()); g != nil {
		g.setDown()
	}
}

// find returns the connection with a handle.
func (r *Radio) find(handle uint16) *guard {
	r.mu.Lock()
	defer r.mu.Unlock()
	for g := range r.guards {
		if g.handle == handle {
			return g
		}
	}
	return nil
}
