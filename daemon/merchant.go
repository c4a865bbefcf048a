package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

const (
	unfinishedMax = 8                // payment ids in a handshake
	receiptLimit  = 3 * time.Second  // until a voucher without receipt is unconfirmed
	silentLimit   = 2 * time.Minute  // for a session in which the till asks for nothing
	answerLimit   = 15 * time.Second // for the till to answer what was sent or has expired
)

// merchant is a customer's session with one till.
type merchant struct {
	*peer
	cert   preauth.DeviceCert
	nonce  [16]byte
	resume [16]byte
	resend []store.Attempt // accepted payments to send again, oldest first
	as     *self           // who the device was in the handshake
	// The rest is guarded by the wallet's mu. timers end the wait for each
	// request.
	timers  map[preauth.Hash]*time.Timer
	parting *time.Timer           // ends the wait for the till's bundle, nil before it
	closing bool                  // nothing more is expected of the till
	givenUp map[preauth.Hash]bool // promises that it has not answered in time
	dealt   bool                  // a request was shown, or an answer sent again
}

// readValue is the value of the read characteristic.
func readValue() []byte {
	return link.Limits{VersionMin: secure.VersionMin, VersionMax: secure.VersionMax}.Encode()
}

// serve runs one session with a till, from handshake to the end of the link.
func (w *wallet) serve(ctx context.Context, l link.Link) {
	m, err := w.shakeHands(ctx, l)
	if err != nil {
		w.d.refused.note(err)
		w.d.log.Info("handshake", "error", err)
		l.Close("handshake")
		return
	}
	w.mu.Lock()
	w.sessions[m] = struct{}{}
	w.mu.Unlock()
	idle := time.AfterFunc(silentLimit, func() { w.dismiss(m) })
	defer idle.Stop()
	first := true
	if err := w.d.stillIs(m.as); err != nil {
		go m.close(secure.CloseBusy) // enrolled as another device during the handshake
	}
	err = m.run(ctx,
		func(typ secure.Type, body []byte) error { return w.receive(ctx, m, typ, body) },
		func() error {
			if first {
				first = false
				return w.resendAll(m)
			}
			return nil
		})
	w.ended(ctx, m, err)
}

func (w *wallet) shakeHands(ctx context.Context, l link.Link) (*merchant, error) {
	who, err := w.d.enrolled()
	if err != nil {
		return nil, err
	}
	m := &merchant{as: who, timers: make(map[preauth.Hash]*time.Timer), givenUp: make(map[preauth.Hash]bool)}
	rand.Read(m.nonce[:])
	rand.Read(m.resume[:])
	sess, err := secure.Respond(ctx, l, w.d.local(who, peerv1.Role_ROLE_BUSINESS), secure.Responder{
		RecentAdvertisement: w.recent, ReadValue: readValue(), Nonce: m.nonce, ResumeKey: m.resume,
		Unfinished: func(cert []byte) [][]byte { return w.unfinished(ctx, m, cert) },
	})
	if err != nil {
		return nil, err
	}
	if m.cert, err = who.trust.DeviceCert(sess.PeerCert(), peerv1.Role_ROLE_BUSINESS, w.d.now()); err != nil {
		return nil, errors.Join(err, sess.Close(secure.CloseDone))
	}
	m.peer = newPeer(w.d, sess)
	return m, nil
}

// unfinished lists the payments with this till whose voucher has no answer
// yet, and notes them for sending again.
func (w *wallet) unfinished(ctx context.Context, m *merchant, cert []byte) [][]byte {
	c, err := preauth.Open[*peerv1.DeviceCert](cert)
	if err != nil {
		return nil
	}
	open, err := w.d.store.UnfinishedAttempts(ctx)
	if err != nil {
		w.d.log.Error("unfinished payments not read", "error", err)
		return nil
	}
	var ids [][]byte
	for _, a := range open {
		if a.State == payment.Authorized && a.Business == preauth.ID(c.Body.DeviceId) && len(ids) < unfinishedMax {
			ids = append(ids, a.Payment[:])
			m.resend = append(m.resend, a)
		}
	}
	return ids
}

// resendAll sends the stored answers of unfinished payments again, the same
// bytes as before.
func (w *wallet) resendAll(m *merchant) error {
	for _, a := range m.resend {
		w.attach(a.Request, m, answerLimit)
		if err := w.sendVoucher(m, a); err != nil {
			return err
		}
	}
	return nil
}

// sendVoucher sends the stored Voucher or Charge of a. A till whose bundle is
// too old for the certificate gets ours first.
func (w *wallet) sendVoucher(m *merchant, a store.Attempt) error {
	if a.Charge {
		m.send(secure.Charge, a.VoucherBytes)
		return nil
	}
	auth, err := w.d.store.Authorization(context.Background(), a.Preauth)
	if err != nil {
		return err
	}
	if auth.Cert.Body.MinEpoch > m.sess.PeerEpoch() {
		w.d.sendBundle(m.peer)
	}
	m.send(secure.Payment, mustEncode(&peerv1.Payment{Voucher: a.VoucherBytes, PreauthCert: auth.Cert.Bytes}))
	return nil
}

// receive handles what a till sends. An error ends the session.
func (w *wallet) receive(ctx context.Context, m *merchant, typ secure.Type, body []byte) error {
	switch typ {
	case secure.Request:
		return w.requested(ctx, m, body)
	case secure.Receipt:
		r, err := preauth.Open[*peerv1.Receipt](body)
		if err != nil {
			return err
		}
		return w.receipted(ctx, m, preauth.Hash(r.Body.RequestHash), body)
	case secure.Cancel:
		c, err := preauth.Open[*peerv1.Cancel](body)
		if err != nil {
			return err
		}
		return w.cancelled(ctx, m, preauth.Hash(c.Body.RequestHash), body)
	case secure.BundlePart:
		err := w.d.gatherBundle(ctx, m.peer, body)
		if err == nil && m.took.Load() {
			w.part(m, false)
		}
		return err
	case secure.Unknown:
		var u peerv1.Unknown
		if err := preauth.DecodeStrict(body, &u); err != nil {
			return err
		}
		if h, err := preauth.HashFrom(u.RequestHash); err == nil {
			w.unknown(m, h)
		}
		return nil
	case secure.Pending:
		return nil // proves nothing
	}
	return fmt.Errorf("%s from a till: %w", typ, secure.ErrProtocol)
}

// ended deals with what a lost session leaves: a request that cannot be
// answered any more, or a voucher in doubt.
func (w *wallet) ended(ctx context.Context, m *merchant, err error) {
	w.d.refused.note(err)
	w.mu.Lock()
	delete(w.sessions, m)
	var mine []preauth.Hash
	for h, s := range w.byRequest {
		if s == m {
			mine = append(mine, h)
			delete(w.byRequest, h)
		}
	}
	for _, timer := range m.timers {
		timer.Stop()
	}
	if m.parting != nil {
		m.parting.Stop()
	}
	// Who is asked for nothing keeps the identifier: with a new one it would
	// be dialled anew by a till that cannot deal with it.
	w.rotate = w.rotate || m.dealt
	w.mu.Unlock()
	ctx = context.WithoutCancel(ctx) // what was lost with a stop is stored, too
	w.lose(ctx, mine)
	w.d.log.Info("session ended", "peer", shortID(m.cert), "error", err)
	w.wake.fire()
	w.d.changed.fire()
}

// lose records that the link of requests was lost. What a store that takes no
// write could not record is tried again: nobody can answer a request without a
// link, and only a restart would show that otherwise. A request that such a
// store has not taken either was never shown to anybody.
func (w *wallet) lose(ctx context.Context, requests []preauth.Hash) {
	var again []preauth.Hash
	for _, h := range requests {
		_, err := w.d.stepAttempt(ctx, h, payment.CustomerInput{Event: payment.LinkLost}, nil)
		if err != nil && !errors.Is(err, payment.ErrState) && !errors.Is(err, store.ErrNotFound) {
			w.d.log.Error("lost link not recorded yet", "error", err)
			again = append(again, h)
		}
	}
	w.mu.Lock()
	w.lost = append(w.lost, again...)
	w.mu.Unlock()
}

// loseAgain tries to record what lose could not, unless the request has found
// another session. It reports whether something is left.
func (w *wallet) loseAgain(ctx context.Context) bool {
	w.mu.Lock()
	lost := slices.DeleteFunc(w.lost, func(h preauth.Hash) bool { return w.byRequest[h] != nil })
	w.lost = nil
	w.mu.Unlock()
	w.lose(ctx, lost)
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.lost) > 0
}

// dismiss ends a session with a till that wants nothing: it holds one of few
// links.
func (w *wallet) dismiss(m *merchant) {
	w.mu.Lock()
	busy := false
	for _, s := range w.byRequest {
		busy = busy || s == m
	}
	w.mu.Unlock()
	if !busy {
		m.close(secure.CloseBusy)
	}
}

// attach notes in which session a request can be answered, and for how long
// the session waits for it at most.
func (w *wallet) attach(request preauth.Hash, m *merchant, limit time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, there := w.sessions[m]; !there {
		return // ended meanwhile
	}
	w.byRequest[request], m.dealt = m, true
	w.wait(request, m, limit)
}

// wait replaces how long the session waits for a request. The caller holds mu.
func (w *wallet) wait(request preauth.Hash, m *merchant, limit time.Duration) {
	if old := m.timers[request]; old != nil {
		old.Stop()
	}
	m.timers[request] = time.AfterFunc(limit, func() { w.overdue(m, request) })
}

// overdue ends a request that nobody answered in time, and the wait for a
// till that says nothing: it gets one more chance, then the link is given up.
// An answer to a promise that is on its way just then is not stored, and the
// till must not believe that it is.
func (w *wallet) overdue(m *merchant, request preauth.Hash) {
	if w.expire(request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.byRequest[request] == m {
			w.wait(request, m, answerLimit)
		}
		return
	}
	a, err := w.d.store.Attempt(context.Background(), request)
	w.mu.Lock()
	if err != nil || a.State == payment.Authorized {
		m.givenUp[request] = true
	}
	w.mu.Unlock()
	w.finish(m, request)
}

// unknown lets go of a request that the till does not know. That proves
// nothing, but there is nothing to wait for; the till may ask for something
// else.
func (w *wallet) unknown(m *merchant, request preauth.Hash) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byRequest[request] != m {
		return
	}
	delete(w.byRequest, request)
	w.wait(request, m, answerLimit)
}

func (w *wallet) merchantOf(request preauth.Hash) *merchant {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.byRequest[request]
}
