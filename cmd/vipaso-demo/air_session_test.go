package main

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"

	"golang.org/x/crypto/curve25519"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/secure"
)

// identity returns a device whose certificate is its role and public key.
func identity(t *testing.T, role, peerRole string, secret byte) secure.Local {
	t.Helper()
	loc := secure.Local{NoiseKey: [32]byte{secret}}
	public, err := curve25519.X25519(loc.NoiseKey[:], curve25519.Basepoint)
	if err != nil {
		t.Fatal(err)
	}
	loc.DeviceCert = append([]byte(role), public...)
	loc.VerifyPeer = func(cert []byte) ([32]byte, error) {
		key, ok := bytes.CutPrefix(cert, []byte(peerRole))
		if !ok || len(key) != 32 {
			return [32]byte{}, errors.New("untrusted")
		}
		return [32]byte(key), nil
	}
	return loc
}

// TestAirSession runs a whole session between two clients of the socket, over
// an air that loses a tenth of the values.
func TestAirSession(t *testing.T) {
	path := startAir(t, "--interval", "2ms", "--loss", "10%")
	tillRadio, customerRadio := joinSocket(t, path, "till"), joinSocket(t, path, "customer")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	beacon := link.Beacon{Version: 1, EID: link.EID{1, 2, 3}, BaseHandle: link.DefaultBaseHandle}.Encode()
	ad := link.Advertisement{On: true, ServiceData: beacon, ReadValue: link.Limits{VersionMin: 1, VersionMax: 1, Window: 4, MessageMax: 4096}.Encode()}
	if err := errors.Join(customerRadio.Advertise(ctx, ad), tillRadio.Scan(ctx, true)); err != nil {
		t.Fatal(err)
	}

	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { // the customer answers every request with a payment
		l, err := customerRadio.Accept(ctx)
		if err != nil {
			t.Error(err)
			return
		}
		s, err := secure.Respond(ctx, l, identity(t, "customer", "business", 2), secure.Responder{
			RecentAdvertisement: func(ad []byte) bool { return bytes.Equal(ad, beacon) }, ReadValue: ad.ReadValue,
		})
		if err != nil {
			t.Error(err)
			return
		}
		defer s.Close(secure.CloseDone)
		for {
			_, body, err := s.Receive(ctx)
			if errors.Is(err, link.ErrLost) {
				return
			}
			if err == nil {
				err = s.Send(ctx, secure.Payment, body)
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	seen, err := tillRadio.NextSighting(ctx)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tillRadio.Dial(ctx, seen.Address, false)
	if err != nil {
		t.Fatal(err)
	}
	s, err := secure.Initiate(ctx, l, identity(t, "business", "customer", 1), secure.Initiator{Advertisement: seen.ServiceData})
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= secure.BodyMax; n = n*3 + 1 {
		body := bytes.Repeat([]byte{byte(n)}, n)
		if err := s.Send(ctx, secure.Request, body); err != nil {
			t.Fatal(err)
		}
		if typ, got, err := s.Receive(ctx); err != nil || typ != secure.Payment || !bytes.Equal(got, body) {
			t.Fatalf("%s of %d bytes, %v", typ, len(got), err)
		}
	}
	if err := s.Close(secure.CloseDone); err != nil {
		t.Error(err)
	}
}
