package prove

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/preauth"
)

// end is one party of a session.
type end interface {
	who() *person
	// alive reports whether there is a process to talk to.
	alive() bool
	// bundle is what it shows in a handshake.
	shows() preauth.Trust
	// joined is called when the handshake is over, heard for each message,
	// parted once when the session has ended.
	joined(s *session) error
	heard(s *session, m message) error
	parted(s *session) error
}

// message is one application message, or the end of the session.
type message struct {
	typ  secure.Type // 0: closed by the other side
	body []byte
}

// session is an encrypted session between a till and a customer. Each side
// learns by itself that it is over.
type session struct {
	w          *world
	id         int
	till, cust end
	binding    [32]byte // channel binding
	nonceTill  [16]byte
	nonceCust  [16]byte
	resume     [16]byte
	unfinished []preauth.ID // of the handshake's second message
	settling   bool         // the till waits for what was listed as unfinished

	toTill, toCust []message
	tillGone       bool // the side has left, or was told that the other has
	custGone       bool
	cutOff         bool // nothing is carried any more
}

// other is the far side of one.
func (s *session) other(of end) end {
	if of == s.till {
		return s.cust
	}
	return s.till
}

func (s *session) gone(of end) *bool {
	if of == s.till {
		return &s.tillGone
	}
	return &s.custGone
}

func (s *session) queue(to end) *[]message {
	if to == s.till {
		return &s.toTill
	}
	return &s.toCust
}

// meet lets a till and a customer shake hands, if both accept the other.
func (w *world) meet(till, cust end) (*session, error) {
	w.sessions++
	s := &session{w: w, id: w.sessions, till: till, cust: cust}
	w.dice.fill(s.binding[:])
	w.dice.fill(s.nonceTill[:])
	w.dice.fill(s.nonceCust[:])
	w.dice.fill(s.resume[:])
	if !acceptsPeer(till, cust) || !acceptsPeer(cust, till) {
		w.tell(till.who().name, cust.who().name, "refused in the handshake", preauth.Hash{})
		return nil, nil
	}
	if l, ok := cust.(interface{ lists(preauth.ID) []preauth.ID }); ok {
		s.unfinished = l.lists(till.who().id)
	}
	s.settling = len(s.unfinished) > 0
	w.links = append(w.links, s)
	w.tell(till.who().name, cust.who().name, fmt.Sprintf("session %d, %d unfinished", s.id, len(s.unfinished)), preauth.Hash{})
	for _, e := range []end{cust, till} {
		if err := s.run(e, e.joined(s)); err != nil {
			return s, err
		}
	}
	return s, nil
}

// acceptsPeer is what a device checks of the other's certificate. A hostile
// one checks nothing.
func acceptsPeer(e, peer end) bool {
	d, honest := e.(interface{ base() *device })
	if !honest {
		return true
	}
	return d.base().accepts(peer.who())
}

// send puts a message on its way.
func (s *session) send(from end, typ secure.Type, body []byte) error {
	if *s.gone(from) || s.cutOff {
		return nil
	}
	to := s.other(from)
	s.w.tell(from.who().name, to.who().name, typ.String(), aboutOf(typ, body))
	if err := s.w.check.sent(from, typ, body); err != nil {
		return err
	}
	q := s.queue(to)
	*q = append(*q, message{typ, slices.Clone(body)})
	return nil
}

// close ends the session from one side; what it sent before still arrives.
func (s *session) close(from end) error {
	if *s.gone(from) {
		return nil
	}
	*s.gone(from) = true
	*s.queue(from) = nil
	if !s.cutOff {
		q := s.queue(s.other(from))
		*q = append(*q, message{})
	}
	return s.run(from, from.parted(s))
}

// cut ends the session for both: what was on its way is lost.
func (s *session) cut(why string) {
	if s.cutOff {
		return
	}
	s.w.harm["link lost"]++
	s.w.tell(s.till.who().name, s.cust.who().name, fmt.Sprintf("✂ session %d %s", s.id, why), preauth.Hash{})
	s.cutOff = true
	s.toTill, s.toCust = nil, nil
}

// part tells a side that the session is over.
func (s *session) part(e end) error {
	*s.gone(e) = true
	*s.queue(e) = nil
	if !e.alive() {
		return nil
	}
	return s.run(e, e.parted(s))
}

// carry delivers the next message to a side.
func (s *session) carry(to end) error {
	q := s.queue(to)
	m := (*q)[0]
	*q = (*q)[1:]
	if m.typ == 0 {
		return s.part(to)
	}
	if !to.alive() || *s.gone(to) {
		return nil
	}
	return s.run(to, to.heard(s, m))
}

// run judges the error of a party: a process that is gone loses all sessions,
// what breaks the protocol ends this one, and what breaks a rule ends the run.
func (s *session) run(e end, err error) error {
	switch {
	case err == nil, isBroken(err):
		return err
	case errors.Is(err, errDown):
		s.w.dropSessions(e)
		return nil
	}
	s.w.tell(e.who().name, "", "ends session: "+err.Error(), preauth.Hash{})
	return s.close(e)
}

// over reports whether nothing is left of the session.
func (s *session) over() bool { return s.tillGone && s.custGone }

// dropSessions tells the other sides of a process that has died, sooner or
// later, that it is gone.
func (w *world) dropSessions(e end) {
	for _, s := range w.links {
		if (s.till == e || s.cust == e) && !*s.gone(e) {
			s.cutOff = true
			s.toTill, s.toCust = nil, nil
			*s.gone(e) = true
		}
	}
}

// aboutOf finds which request a message speaks of, for the ladder.
func aboutOf(typ secure.Type, body []byte) preauth.Hash {
	switch typ {
	case secure.Request:
		r, _ := preauth.Open[*peerv1.Request](body)
		return r.Hash
	case secure.Payment:
		var m peerv1.Payment
		if preauth.DecodeStrict(body, &m) != nil {
			return preauth.Hash{}
		}
		v, err := preauth.Open[*peerv1.Voucher](m.Voucher)
		return named(v.Body.GetRequestHash(), err)
	case secure.Receipt:
		r, err := preauth.Open[*peerv1.Receipt](body)
		return named(r.Body.GetRequestHash(), err)
	case secure.Cancel:
		c, err := preauth.Open[*peerv1.Cancel](body)
		return named(c.Body.GetRequestHash(), err)
	case secure.Decline:
		d, err := preauth.Open[*peerv1.Decline](body)
		return named(d.Body.GetRequestHash(), err)
	case secure.Charge:
		c, err := preauth.Open[*peerv1.Charge](body)
		return named(c.Body.GetRequestHash(), err)
	}
	return preauth.Hash{}
}

func named(hash []byte, err error) preauth.Hash {
	if err != nil {
		return preauth.Hash{}
	}
	return preauth.Hash(hash)
}

// nonceHash is what the till's first handshake message commits to.
func (s *session) nonceHash() [32]byte { return sha256.Sum256(s.nonceTill[:]) }
