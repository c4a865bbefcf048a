package secure

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"

	"google.golang.org/protobuf/proto"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/link"
)

// unfinishedMax is how many unfinished payments a customer may list.
const unfinishedMax = 8

// Versions is the range of protocol versions that one side speaks.
type Versions struct{ Min, Max uint8 }

// Ours are the versions of this package, and what the zero Versions means.
var Ours = Versions{VersionMin, VersionMax}

func (v Versions) orOurs() Versions { return cmp.Or(v, Ours) }

// common returns the highest version that both sides speak, or false.
func (v Versions) common(low, high uint32) (uint32, bool) {
	chosen := min(uint32(v.Max), high)
	return chosen, chosen >= uint32(v.Min) && chosen >= low && low <= high
}

// agree checks the versions in a peer's hello: it must have chosen the highest
// common one. Anything less is how an attacker would bring back an old fault.
func (v Versions) agree(peer *peerv1.Versions) error {
	chosen, ok := v.common(peer.GetMin(), peer.GetMax())
	if !ok || peer.GetChosen() != chosen {
		return fmt.Errorf("version %d of %d to %d, where this device speaks %d to %d: %w",
			peer.GetChosen(), peer.GetMin(), peer.GetMax(), v.Min, v.Max, ErrVersion)
	}
	return nil
}

func (v Versions) message(chosen uint32) *peerv1.Versions {
	return &peerv1.Versions{Min: uint32(v.Min), Max: uint32(v.Max), Chosen: chosen}
}

// answers returns the version to speak with a customer that advertises so, or
// why there is none.
func (v Versions) answers(b link.Beacon) (uint32, error) {
	if b.Critical {
		return 0, fmt.Errorf("the customer speaks to those only who know a flag that this device does not: %w", ErrVersion)
	}
	if b.Version < v.Min {
		return 0, fmt.Errorf("the customer speaks versions up to %d, this device from %d: %w", b.Version, v.Min, ErrVersion)
	}
	return uint32(min(b.Version, v.Max)), nil
}

// decodeHello decodes a hello strictly. A peer of other versions may say more
// than this one can read, and is told of the versions then: that both could
// agree on.
func decodeHello(b []byte, hello interface {
	proto.Message
	GetVersions() *peerv1.Versions
}, v Versions) error {
	strict := Decode(b, hello)
	if strict == nil || proto.Unmarshal(b, hello) != nil || hello.GetVersions() == nil {
		return strict
	}
	if err := v.agree(hello.GetVersions()); err != nil {
		return err
	}
	return strict
}

// businessHello makes the payload of the first message to a customer with that
// read value. The advertisement says the customer's highest version.
func businessHello(readValue []byte, loc Local, in Initiator) (*peerv1.BusinessHello, error) {
	beacon, err := link.DecodeBeacon(in.Advertisement)
	if err != nil {
		return nil, fmt.Errorf("advertisement: %w: %w", err, ErrHandshake)
	}
	ours := loc.Versions.orOurs()
	chosen, err := ours.answers(beacon)
	if err != nil {
		return nil, err
	}
	commitment := sha256.Sum256(in.Nonce[:])
	return &peerv1.BusinessHello{
		DeviceCert:    loc.DeviceCert,
		Versions:      ours.message(chosen),
		Advertisement: in.Advertisement,
		ReadValue:     readValue,
		BundleEpoch:   loc.Epoch,
		NonceHash:     commitment[:],
	}, nil
}

// judge checks the first message as the customer device does, before it says
// anything about itself. peerStatic is the Noise key that was used.
func (r Responder) judge(hello *peerv1.BusinessHello, peerStatic []byte, loc Local) error {
	if err := loc.Versions.orOurs().agree(hello.GetVersions()); err != nil {
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
		Versions:    loc.Versions.orOurs().message(peer.GetVersions().GetChosen()),
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
	if err := loc.Versions.orOurs().agree(hello.GetVersions()); err != nil {
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
