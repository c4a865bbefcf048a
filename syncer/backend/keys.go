package backend

import (
	"crypto/ecdsa"
	"fmt"
	"sync"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// ErrForeign says that the keys and the database belong to different
// backends.
var ErrForeign = fmt.Errorf("keys and database do not belong together: %w", ErrDatabase)

// A keyring has the private keys of an authority, those that rotation adds
// while it is used included.
type keyring struct {
	find func(preauth.PublicKey) (*ecdsa.PrivateKey, error)
	mu   sync.Mutex
	keys map[preauth.PublicKey]*ecdsa.PrivateKey
}

func newKeyring(a Authority) *keyring {
	r := &keyring{find: a.Find, keys: map[preauth.PublicKey]*ecdsa.PrivateKey{}}
	for _, k := range []*ecdsa.PrivateKey{a.Root, a.Issuer} {
		r.keys[preauth.PublicKeyOf(&k.PublicKey)] = k
	}
	return r
}

// private returns the private key of a public one. The error wraps ErrForeign
// if the authority has none.
func (r *keyring) private(public preauth.PublicKey) (*ecdsa.PrivateKey, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := r.keys[public]; k != nil {
		return k, nil
	}
	if r.find == nil {
		return nil, fmt.Errorf("key %x: %w", public.KeyID(), ErrForeign)
	}
	k, err := r.find(public)
	if err != nil {
		return nil, fmt.Errorf("key %x: %w: %w", public.KeyID(), ErrForeign, err)
	}
	r.keys[public] = k
	return k, nil
}

// adopt makes the authority's keys known to the database, once. A root key
// that the database does not know is refused if it knows another: no device
// would ever believe it.
func (s *Server) adopt(t Tx) error {
	roots, err := t.roots()
	if err != nil {
		return err
	}
	if len(roots) == 0 {
		if err := t.putRoot(rootKey{public: preauth.PublicKeyOf(&s.authority.Root.PublicKey), from: s.now()}); err != nil {
			return err
		}
	}
	if _, _, err := s.root(t); err != nil {
		return err
	}
	if err := s.adoptIssuer(t); err != nil {
		return err
	}
	return s.adoptSealing(t)
}

// adoptIssuer lists the first issuer key in the bundle, with the first epoch.
// Later ones come by RotateIssuer and WithdrawIssuer alone: a file that lies
// about must not take over.
func (s *Server) adoptIssuer(t Tx) error {
	known, err := t.issuerKeys()
	if err != nil {
		return err
	}
	if len(known) > 0 {
		_, _, err := s.issuer(t, s.now()) // its private key must be there
		return err
	}
	epoch, err := t.epoch()
	if err != nil {
		return err
	}
	return t.putIssuerKey(issuerKey{
		public:    preauth.PublicKeyOf(&s.authority.Issuer.PublicKey),
		notBefore: s.authority.IssuerFrom, notAfter: s.authority.IssuerUntil, epoch: epoch,
	})
}

// adoptSealing notes the sealing key: a bundle that names another one is of
// another epoch.
func (s *Server) adoptSealing(t Tx) error {
	if s.authority.Sealing == nil {
		return nil
	}
	const name = "sealing_key"
	public := fmt.Sprintf("%x", s.authority.Sealing.PublicKey().Bytes())
	known, err := t.setting(name)
	if err != nil || known == public {
		return err
	}
	if known != "" {
		s.log.Warn("the sealing key is another one: what was evacuated before cannot be opened without the lost one", "key", public, "before", known)
	}
	if err := t.putSetting(name, public); err != nil {
		return err
	}
	return t.nextEpoch()
}

// root returns the key that signs bundles, and the handovers that lead to it
// from the oldest root key that a device may still know.
func (s *Server) root(t Tx) (*ecdsa.PrivateKey, [][]byte, error) {
	roots, err := t.roots()
	if err != nil {
		return nil, nil, err
	}
	var handovers [][]byte
	for _, r := range roots[1:] {
		handovers = append(handovers, r.handover)
	}
	key, err := s.keys.private(roots[len(roots)-1].public)
	return key, newest(handovers, preauth.HandoversMax), err
}

// issuer returns the key that signs certificates and verdicts at now: the
// newest that has begun, of those that bundles list.
func (s *Server) issuer(t Tx, now time.Time) (*ecdsa.PrivateKey, issuerKey, error) {
	all, err := t.issuerKeys()
	if err != nil {
		return nil, issuerKey{}, err
	}
	s.knowIssuers(all)
	k := signing(all, now)
	key, err := s.keys.private(k.public)
	return key, k, err
}

// signing is the key, of all, newest first, that signs at now: the zero one if
// there is none that may. One that bundles do not list was withdrawn, or is
// over: no device would believe it.
func signing(all []issuerKey, now time.Time) (oldest issuerKey) {
	for _, k := range all {
		if !k.listed {
			continue
		}
		if !k.notBefore.After(now) {
			return k
		}
		oldest = k
	}
	return oldest // the clock stands before the first
}

// knowIssuers lets settlement take what any of these keys has signed. It is
// called before a new one signs anything. Keys are only ever added: fewer than
// are known are of an older state of the books, which somebody still reads.
func (s *Server) knowIssuers(all []issuerKey) {
	s.knowing.Lock()
	defer s.knowing.Unlock()
	if len(all) < s.known {
		return
	}
	keys := make([]*peerv1.IssuerKey, len(all))
	for i, k := range all {
		keys[i] = k.message()
	}
	issuers := preauth.IssuersOf(keys)
	s.genuine.Store(&issuers)
	s.known = len(all)
}

func (k issuerKey) message() *peerv1.IssuerKey {
	return &peerv1.IssuerKey{PublicKey: k.public[:], NotBeforeMs: k.notBefore.UnixMilli(), NotAfterMs: k.notAfter.UnixMilli()}
}
