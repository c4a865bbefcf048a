package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/preauth"
)

// outboxMax is how many messages may wait for one peer. An honest exchange
// needs three; a peer that does not take them is dropped.
const outboxMax = 32

// outgoing is one message to a peer, or, with last, the end of the session.
type outgoing struct {
	typ  secure.Type
	body []byte
	last bool
	code secure.CloseCode // with last
}

// peer is a live session. Messages to it are queued, so that one slow peer
// delays no other and no lock is held while the radio works.
type peer struct {
	d       *Device
	sess    *secure.Session
	out     chan outgoing
	gone    chan struct{}
	pending chan []byte // body of the Pending to repeat, nil for none
	nudge   signal      // something changed that may concern this session
	bundle  []byte      // what has come of the peer's trust bundle
	parts   uint32      // how many pieces that is
	bundled atomic.Bool // ours was sent
	took    atomic.Bool // the peer's has come
}

func newPeer(d *Device, s *secure.Session) *peer {
	return &peer{d: d, sess: s, out: make(chan outgoing, outboxMax), gone: make(chan struct{}), pending: make(chan []byte, 1)}
}

// send queues a message. It reports whether the session is still there.
func (p *peer) send(typ secure.Type, body []byte) bool {
	select {
	case <-p.gone:
		return false
	default:
	}
	select {
	case p.out <- outgoing{typ: typ, body: body}:
		return true
	default:
		go p.close(secure.CloseBusy) // which may take a second that the caller does not have
		return false
	}
}

// end closes the session in good order when what is queued has been sent.
func (p *peer) end(code secure.CloseCode) {
	select {
	case p.out <- outgoing{last: true, code: code}:
	default:
		go p.close(code)
	}
}

// repeat has a Pending sent every few seconds, until it is called with nil.
// It never waits: the newest call counts.
func (p *peer) repeat(body []byte) {
	for {
		select {
		case p.pending <- body:
			return
		default:
		}
		select {
		case <-p.pending:
		default:
		}
	}
}

func (p *peer) close(code secure.CloseCode) {
	if err := p.sess.Close(code); err != nil && !errors.Is(err, link.ErrLost) && !errors.Is(err, link.ErrClosed) {
		p.d.log.Debug("close session", "error", err)
	}
}

// run works on the session until it ends: receive handles what comes in,
// attend is called at the start and whenever the session is nudged, from the
// same goroutine. It returns how the session ended.
func (p *peer) run(ctx context.Context, receive func(secure.Type, []byte) error, attend func() error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type incoming struct {
		typ  secure.Type
		body []byte
		err  error
	}
	in := make(chan incoming)
	go func() {
		for {
			typ, body, err := p.sess.Receive(ctx)
			select {
			case in <- incoming{typ, body, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	go p.write(ctx)
	// What nobody has ended by then ends because the program fails: that is no
	// word that everything is stored.
	defer p.close(secure.CloseShutdown)
	defer close(p.gone)
	for {
		nudged := p.nudge.wait()
		if err := attend(); err != nil {
			p.close(secure.CloseBusy)
			return err
		}
		for wait := true; wait; {
			select {
			case <-nudged:
				wait = false
			case m := <-in:
				if m.err != nil {
					return m.err
				}
				if err := receive(m.typ, m.body); err != nil {
					p.refuse(err)
					return err
				}
				wait = false
			case <-ctx.Done():
				p.close(secure.CloseShutdown)
				return ctx.Err()
			}
		}
	}
}

// refuse ends the session because of what the peer sent, or because we could
// not handle it.
func (p *peer) refuse(err error) {
	for _, fault := range []error{secure.ErrProtocol, preauth.ErrDecode, preauth.ErrSignature, preauth.ErrRequest} {
		if errors.Is(err, fault) {
			p.sess.Refuse(fmt.Errorf("%w: %w", secure.ErrProtocol, err))
			return
		}
	}
	p.close(secure.CloseBusy)
}

// write sends what is queued, and Pending while somebody decides.
func (p *peer) write(ctx context.Context) {
	var pending []byte
	tick := time.NewTicker(pendingEvery)
	defer tick.Stop()
	for {
		var m outgoing
		select {
		case m = <-p.out:
		case pending = <-p.pending:
			continue
		case <-tick.C:
			if pending == nil {
				continue
			}
			m = outgoing{typ: secure.Pending, body: pending}
		case <-ctx.Done():
			return
		}
		if m.last {
			p.close(m.code)
			return
		}
		sendCtx, cancel := context.WithTimeout(ctx, sendLimit)
		err := p.sess.Send(sendCtx, m.typ, m.body)
		cancel()
		if err != nil {
			p.d.log.Debug("send", "type", m.typ.String(), "error", err)
			p.close(secure.CloseBusy)
			return
		}
		if m.typ != secure.Pending {
			p.d.sent.Add(1)
		}
	}
}
