package conformance

import (
	"bytes"
	"fmt"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/vectors"
)

// The sides of a handshake, as vectors name them.
const (
	till     = "TILL"
	customer = "CUSTOMER"
)

// runHandshake plays the sides that are there.
func runHandshake(c vectors.Handshake) (name, want, got string) {
	want = showHandshake(c)
	done, err := Shake(c)
	if err != nil {
		return c.Name, want, err.Error()
	}
	return c.Name, want, showHandshake(done)
}

func showHandshake(c vectors.Handshake) string {
	if c.RefusedBy != "" {
		return fmt.Sprintf("%s refuses with ALERT %d", c.RefusedBy, c.Alert)
	}
	s := fmt.Sprintf("first %x, second %x, binding %x, code %s", c.First, c.Second, c.Binding, c.Code)
	for _, m := range c.Messages {
		s += fmt.Sprintf(", %s %x", m.From, m.Sealed)
	}
	return s
}

// Shake returns the handshake as this implementation plays it: messages of a
// side that is there are made anew, those of a stranger are taken as they are.
// The error says that this cannot be.
func Shake(c vectors.Handshake) (vectors.Handshake, error) {
	c.RefusedBy, c.Alert, c.Binding, c.Code = "", 0, nil, "" // whatever is expected
	if c.Till != nil {
		c.First = nil
	}
	if c.Customer != nil {
		c.Second = nil
	}
	p := play{c: c}
	trust, err := preauth.OpenTrust(preauth.PublicKey(c.Root), c.Bundle)
	if err != nil {
		return c, err
	}
	p.trust = trust
	if err := p.open(); err != nil || p.c.RefusedBy != "" {
		return p.c, err
	}
	if err := p.answer(); err != nil || p.c.RefusedBy != "" {
		return p.c, err
	}
	return p.c, p.finish()
}

// play is a handshake under way.
type play struct {
	c        vectors.Handshake
	trust    preauth.Trust
	opening  *secure.Opening
	till     secure.Agreement
	customer secure.Agreement
}

// refused notes who ends the handshake. An error that no ALERT tells is no
// refusal.
func (p *play) refused(by string, err error) error {
	p.c.RefusedBy, p.c.Alert = by, uint8(secure.AlertOf(err))
	if p.c.Alert == 0 {
		return err
	}
	return nil
}

// local is a side whose peer must have that role.
func (p *play) local(noiseKey vectors.B32, cert vectors.Hex, epoch uint64, speaks secure.Versions, peer peerv1.Role) secure.Local {
	return secure.Local{
		NoiseKey: [32]byte(noiseKey), DeviceCert: cert, Epoch: epoch, Versions: speaks,
		VerifyPeer: func(b []byte) ([32]byte, error) {
			shown, err := p.trust.DeviceCert(b, peer, time.UnixMilli(p.c.NowMs))
			if err != nil {
				return [32]byte{}, err
			}
			return [32]byte(shown.Body.NoiseKey), nil
		},
	}
}

// open makes the first message.
func (p *play) open() error {
	t := p.c.Till
	if t == nil {
		return nil
	}
	in := secure.Initiator{Advertisement: t.Advertisement, Nonce: [16]byte(t.Nonce)}
	local := p.local(t.NoiseKey, t.DeviceCert, t.Epoch, secure.Versions{Min: t.VersionMin, Max: t.VersionMax}, peerv1.Role_ROLE_CUSTOMER)
	opening, first, err := in.Open(local, t.ReadValue, bytes.NewReader(t.Ephemeral[:]))
	if err != nil {
		return p.refused(till, err)
	}
	p.opening, p.c.First = opening, first
	return nil
}

// answer judges it, and makes the second.
func (p *play) answer() error {
	c := p.c.Customer
	if c == nil {
		return nil
	}
	r := secure.Responder{
		RecentAdvertisement: func(b []byte) bool { return bytes.Equal(b, c.Advertisement) },
		ReadValue:           c.ReadValue, Nonce: [16]byte(c.Nonce), ResumeKey: [16]byte(c.ResumeKey),
		Unfinished: func([]byte) (ids [][]byte) {
			for _, id := range c.Unfinished {
				ids = append(ids, id)
			}
			return ids
		},
	}
	local := p.local(c.NoiseKey, c.DeviceCert, c.Epoch, secure.Versions{Min: c.VersionMin, Max: c.VersionMax}, peerv1.Role_ROLE_BUSINESS)
	second, agreed, err := r.Answer(local, p.c.First, bytes.NewReader(c.Ephemeral[:]))
	if err != nil {
		return p.refused(customer, err)
	}
	p.customer, p.c.Second = agreed, second
	return nil
}

// finish judges the second message, and exchanges messages if both sides are
// there.
func (p *play) finish() error {
	if p.opening == nil {
		return nil
	}
	agreed, err := p.opening.Finish(p.c.Second)
	if err != nil {
		return p.refused(till, err)
	}
	p.till = agreed
	p.c.Binding = agreed.Binding[:]
	p.c.Code = secure.Code(agreed.Binding, [16]byte(p.c.Till.Nonce), agreed.PeerNonce)
	if p.c.Customer == nil {
		return nil
	}
	if p.customer.Binding != agreed.Binding || agreed.ResumeKey != p.customer.ResumeKey {
		return fmt.Errorf("bindings %x and %x, resume keys %x and %x", agreed.Binding, p.customer.Binding, agreed.ResumeKey, p.customer.ResumeKey)
	}
	return p.talk()
}

// talk seals each message, and opens it on the other side.
func (p *play) talk() error {
	messages := make([]vectors.Sealed, len(p.c.Messages))
	for i, m := range p.c.Messages {
		from, to := &p.till, &p.customer
		if m.From == customer {
			from, to = to, from
		}
		sealed, err := from.Seal(secure.Type(m.Type), m.Body)
		if err != nil {
			return err
		}
		kind, body, err := to.Open(sealed)
		if err != nil || uint8(kind) != m.Type || !bytes.Equal(body, m.Body) {
			return fmt.Errorf("message %d arrives as %s %x: %w", i+1, kind, body, err)
		}
		m.Sealed = sealed
		messages[i] = m
	}
	p.c.Messages = messages
	return nil
}
