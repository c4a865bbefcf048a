package secure

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/link"
)

// unfinishedMax is how many unfinished payments a customer may list.
const unfinishedMax = 8

// versionRange is what one side speaks.
type versionRange struct{ min, max uint32 }

var ours = versionRange{VersionMin, VersionMax}

// common returns the highest version that both sides speak, or false.
func (v versionRange) common(peer versionRange) (uint32, bool) {
	chosen := min(v.max, peer.max)
	return chosen, chosen >= v.min && chosen >= peer.min && peer.min <= peer.max
}

// agree checks the versions in a peer's hello: it must have chosen the highest
// common one. Anything less is how an attacker would bring back an old fault.
func (v versionRange) agree(peer *peerv1.Versions) error {
	theirs := versionRange{peer.GetMin(), peer.GetMax()}
	chosen, ok := v.common(theirs)
	if !ok || peer.GetChosen() != chosen {
		return fmt.Errorf("version %d of %d to %d, where this device speaks %d to %d: %w",
			peer.GetChosen(), theirs.min, theirs.max, v.min, v.max, ErrVersion)
	}
	return nil
}

// businessHello makes the payload of the first message to a customer with that
// read value. The advertisement says the customer's highest version.
func businessHello(readValue []byte, loc Local, in Initiator) (*peerv1.BusinessHello, error) {
	beacon, err := link.DecodeBeacon(in.Advertisement)
	if err != nil {
		return nil, fmt.Errorf("advertisement: %w: %w", err, ErrHandshake)
	}
	chosen := min(uint32(beacon.Version), ours.max)
	if chosen < ours.min {
		return nil, fmt.Errorf("the customer speaks versions up to %d: %w", beacon.Version, ErrVersion)
	}
	commitment := sha256.Sum256(in.Nonce[:])
	return &peerv1.BusinessHello{
		DeviceCert:    loc.DeviceCert,
		Versions:      &peerv1.Versions{Min: ours.min, Max: ours.max, Chosen: chosen},
		Advertisement: in.Advertisement,
		ReadValue:     readValue,
		BundleEpoch:   loc.Epoch,
		NonceHash:     commitment[:],
	}, nil
}

// judge checks the first message as the customer device does, before it says
// anything about itself. peerStatic is the Noise key that was used.
func (r Responder) judge(hello *peerv1.BusinessHello, peerStatic []byte, loc Local) error {
	if err := ours.agree(hello.GetVersions()); err != nil {
		return err
	}
	if len(hello.GetNonceHash()) != sha256.Size {
		return fmt.Errorf("nonce hash of %d bytes: %w", len(hello.GetNonceHash()), ErrProtocol)
	}
	if err := checkIdentity(hello.GetDeviceCert(), peerStatic, loc); err != nil {
		return err
	}
	if ad := hello.GetAdvertisement(); len(ad) != link.BeaconLen || r.RecentAdvertisement == nil || !r.RecentAdvertisement(ad) {
		return fmt.Errorf("advertisement %x was not sent by this device: %w", ad, ErrDowngrade)
	}
	if v := hello.GetReadValue(); len(v) > 0 && !bytes.Equal(v, r.ReadValue) {
		return fmt.Errorf("read value %x is not that of this device: %w", v, ErrDowngrade)
	}
	return nil
}

// customerHello makes the payload of the second message.
func (r Responder) customerHello(loc Local, peer *peerv1.BusinessHello) *peerv1.CustomerHello {
	hello := &peerv1.CustomerHello{
		DeviceCert:  loc.DeviceCert,
		Versions:    &peerv1.Versions{Min: ours.min, Max: ours.max, Chosen: peer.GetVersions().GetChosen()},
		BundleEpoch: loc.Epoch,
		Nonce:       r.Nonce[:],
		ResumeKey:   r.ResumeKey[:],
	}
	if r.Unfinished != nil {
		ids := r.Unfinished(peer.GetDeviceCert())
		hello.Unfinished = ids[:min(len(ids), unfinishedMax)]
	}
	return hello
}

// judgeCustomer checks the second message as the till does.
func judgeCustomer(hello *peerv1.CustomerHello, peerStatic []byte, loc Local) error {
	if err := ours.agree(hello.GetVersions()); err != nil {
		return err
	}
	if len(hello.GetNonce()) != 16 || len(hello.GetResumeKey()) != 16 || len(hello.GetUnfinished()) > unfinishedMax {
		return fmt.Errorf("nonce of %d bytes, resume key of %d, %d unfinished payments: %w",
			len(hello.GetNonce()), len(hello.GetResumeKey()), len(hello.GetUnfinished()), ErrProtocol)
	}
	for _, id := range hello.GetUnfinished() {
		if len(id) != 16 {
			return fmt.Errorf("payment id of %d bytes: %w", len(id), ErrProtocol)
		}
	}
	return checkIdentity(hello.GetDeviceCert(), peerStatic, loc)
}

// checkIdentity verifies a certificate, and that the device that shows it is
// the one it was made for.
func checkIdentity(cert, peerStatic []byte, loc Local) error {
	key, err := loc.VerifyPeer(cert)
	if err != nil {
		return fmt.Errorf("device certificate: %w: %w", err, ErrPeerIdentity)
	}
	if subtle.ConstantTimeCompare(key[:], peerStatic) != 1 {
		return fmt.Errorf("the device certificate names another Noise key: %w", ErrPeerIdentity)
	}
	return nil
}
