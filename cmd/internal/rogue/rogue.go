// Package rogue is a device whose owner speaks the protocol by hand: its
// certificate may be genuine, what it says is not. The attack kit and tests
// send it against real devices.
package rogue

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/daemon"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// Device is a rogue till or customer. Its fields may be changed, so that it
// shows one thing and has another.
type Device struct {
	Radio    link.Radio
	Keys     daemon.Keys
	Identity store.Identity
	Trust    preauth.Trust
	Cert     preauth.DeviceCert
	Purses   []store.Authorization // a customer's pre-authorizations
	Nonce    [16]byte              // n_B or n_C of all its sessions
}

// Turn makes a rogue of the enrolled device whose files are in dir and that
// does not run.
func Turn(ctx context.Context, dir string, role peerv1.Role, radio link.Radio) (*Device, error) {
	kind := store.Customer
	if role == peerv1.Role_ROLE_BUSINESS {
		kind = store.Business
	}
	s, err := store.Open(ctx, dir, store.Options{Role: kind})
	if err != nil {
		return nil, err
	}
	d := &Device{Radio: radio}
	if err := errors.Join(d.read(ctx, s), s.Close()); err != nil {
		return nil, err
	}
	if d.Keys, err = daemon.LoadKeys(dir); err != nil {
		return nil, err
	}
	if d.Trust, err = preauth.OpenTrust(d.Identity.RootKey, d.Identity.TrustBundle); err != nil {
		return nil, err
	}
	d.Cert, err = preauth.Open[*peerv1.DeviceCert](d.Identity.DeviceCert)
	rand.Read(d.Nonce[:])
	return d, err
}

func (d *Device) read(ctx context.Context, s *store.Store) (err error) {
	if d.Identity, err = s.Identity(ctx); err != nil {
		return err
	}
	d.Purses, err = s.Authorizations(ctx)
	return err
}

// Local is its part in a handshake. It believes any certificate.
func (d *Device) Local() secure.Local {
	return secure.Local{
		NoiseKey: [32]byte(d.Keys.Noise.Bytes()), DeviceCert: d.Identity.DeviceCert, Epoch: d.Trust.Epoch(),
		VerifyPeer: func(b []byte) ([32]byte, error) {
			c, err := preauth.Open[*peerv1.DeviceCert](b)
			if err != nil {
				return [32]byte{}, err
			}
			return [32]byte(c.Body.NoiseKey), nil
		},
	}
}

// Find connects, as a till does, to the next customer on the air that fits;
// nil fits all.
func (d *Device) Find(ctx context.Context, fits func(link.Beacon) bool) (l link.Link, seen link.Sighting, err error) {
	if err := d.Radio.Scan(ctx, true); err != nil {
		return nil, seen, err
	}
	defer func() { err = errors.Join(err, d.Radio.Scan(context.WithoutCancel(ctx), false)) }()
	for {
		if seen, err = d.Radio.NextSighting(ctx); err != nil {
			return nil, seen, fmt.Errorf("nobody to dial: %w", err)
		}
		b, err := link.DecodeBeacon(seen.ServiceData)
		if err != nil || fits != nil && !fits(b) {
			continue
		}
		if l, err := d.Radio.Dial(ctx, seen.Address, false); err == nil {
			return l, seen, nil
		}
	}
}

// Knock connects to the next customer that is heard, and shakes hands once.
func (d *Device) Knock(ctx context.Context) (*secure.Session, error) {
	l, seen, err := d.Find(ctx, nil)
	if err != nil {
		return nil, err
	}
	return secure.Initiate(ctx, l, d.Local(), secure.Initiator{Advertisement: seen.ServiceData, Nonce: d.Nonce})
}

// Dial is Knock until a customer shakes hands, or ctx ends. The caller closes
// the session.
func (d *Device) Dial(ctx context.Context) (*secure.Session, error) {
	for {
		s, err := d.Knock(ctx)
		if err == nil {
			return s, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
	}
}

// Advertise makes it heard, as a customer who wants to pay.
func (d *Device) Advertise(ctx context.Context) error {
	b := link.Beacon{Version: secure.VersionMax, BaseHandle: link.DefaultBaseHandle}
	rand.Read(b.EID[:])
	return d.Radio.Advertise(ctx, link.Advertisement{On: true, ServiceData: b.Encode()})
}

// Respond waits for the next till that dials, and shakes hands once.
func (d *Device) Respond(ctx context.Context) (*secure.Session, error) {
	l, err := d.Radio.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return secure.Respond(ctx, l, d.Local(), secure.Responder{
		RecentAdvertisement: func([]byte) bool { return true }, Nonce: d.Nonce,
	})
}

// Accept advertises until a till shakes hands, or ctx ends. The caller closes
// the session.
func (d *Device) Accept(ctx context.Context) (*secure.Session, error) {
	if err := d.Advertise(ctx); err != nil {
		return nil, err
	}
	for {
		s, err := d.Respond(ctx)
		if err == nil {
			return s, nil
		}
		if ctx.Err() != nil || errors.Is(err, link.ErrClosed) {
			return nil, err
		}
	}
}

// Send sends one message. That the other side has ended the link meanwhile is
// no error: the next Receive says why.
func Send(ctx context.Context, s *secure.Session, typ secure.Type, body []byte) error {
	if err := s.Send(ctx, typ, body); err != nil && ctx.Err() != nil {
		return err
	}
	return nil
}

// Next returns the next message that is no Pending.
func Next(ctx context.Context, s *secure.Session) (secure.Type, []byte, error) {
	for {
		typ, body, err := s.Receive(ctx)
		if typ != secure.Pending || err != nil {
			return typ, body, err
		}
	}
}

// Request signs a request for a session over 1.00 USD, or as change has it.
func (d *Device) Request(s *secure.Session, change func(*peerv1.Request)) (preauth.Request, error) {
	binding, id := s.Binding(), uuid.New()
	body := &peerv1.Request{
		PaymentId: id[:], BusinessDeviceId: d.Cert.Body.DeviceId, Nonce: d.Nonce[:], Amount: 100, Currency: "USD",
		TtlMs: 60_000, ChannelBinding: binding[:], DeviceCert: d.Identity.DeviceCert, CreatedMs: time.Now().UnixMilli(),
	}
	if change != nil {
		change(body)
	}
	return Sign(d, body)
}

// Voucher signs the first voucher of a pre-authorization for a request, or as
// change has it.
func (d *Device) Voucher(cert preauth.PreauthCert, r preauth.Request, change func(*peerv1.Voucher)) (preauth.Voucher, error) {
	body := &peerv1.Voucher{
		PreauthId: cert.Body.PreauthId, RequestHash: r.Hash[:], Amount: r.Body.Amount, Currency: r.Body.Currency,
		Counter: 1, Remaining: max(0, cert.Body.Limit-r.Body.Amount), PrevHash: cert.Hash[:], DeviceTimeMs: time.Now().UnixMilli(),
	}
	if change != nil {
		change(body)
	}
	return Sign(d, body)
}

// Sign signs a body with the rogue's key.
func Sign[M proto.Message](d *Device, body M) (preauth.Signed[M], error) {
	return preauth.Sign(d.Keys.Signing, body)
}
