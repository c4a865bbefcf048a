package daemon

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
	"github.com/vipaso/vipasod/store"
)

// The methods whose calls are remembered, as the store names them. That a
// payment is asked for with progress or without makes no difference to it.
const (
	methodRequest      = "SendPaymentRequestViaBle"
	methodCancel       = "CancelPayment"
	methodReverse      = "ReversePayment"
	methodAccept       = "AcceptPayment"
	methodDecline      = "DeclinePayment"
	methodPreAuthorize = "PreAuthorizeInstrument"
	methodVoid         = "VoidPreAuthorization"
	methodEnroll       = "Enroll"
	methodComplete     = "CompleteEnrollment"
	methodLogout       = "Logout"
	methodAllow        = "Allow"
	methodEndAllowance = "EndAllowance"
	methodLogLevel     = "SetLogLevel"
	methodConditions   = "SetConditions"
	methodDropLink     = "DropLink"
	methodOffline      = "SetOffline"
)

// newCall identifies a mutating call: by its request_id, and by what it says
// beside that, so that another call with the same id is found out. method is
// the one that the store remembers.
func newCall(method string, req interface {
	proto.Message
	GetRequestId() string
}) (store.Call, error) {
	id, err := preauth.ParseID(req.GetRequestId())
	if err != nil {
		return store.Call{}, inField("request_id", err)
	}
	rest := proto.Clone(req).ProtoReflect()
	rest.Clear(rest.Descriptor().Fields().ByName(protoreflect.Name("request_id")))
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(rest.Interface())
	if err != nil {
		return store.Call{}, err
	}
	return store.Call{RequestID: id, Method: method, Content: sha256.Sum256(b)}, nil
}

// knownCall finds an earlier call with this request id. The error wraps
// errReused if that was another call.
func (d *Device) knownCall(ctx context.Context, call store.Call) (store.Call, bool, error) {
	c, known := d.passing.find(call.RequestID)
	if !known {
		var err error
		if c, known, err = d.store.Call(ctx, call.RequestID); err != nil || !known {
			return store.Call{}, false, err
		}
	}
	if c.Method != call.Method || c.Content != call.Content {
		return store.Call{}, false, fmt.Errorf("request_id %s: %w", call.RequestID, errReused)
	}
	return c, true, nil
}

// remember stores a call that had nothing left to do: its id is used all the
// same.
func (d *Device) remember(ctx context.Context, call store.Call) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known, err := d.knownCall(ctx, call); known || err != nil {
		return err
	}
	return d.commit(ctx, &store.Change{Call: &call})
}

// passingMax is how many calls passing remembers.
const passingMax = 1000

// passing remembers the calls whose effect ends with the process: like that,
// they are not on disk, and can be made when nothing can be written.
type passing struct {
	turn chan struct{} // holds the call that is being made
	mu   sync.Mutex
	last []store.Call // oldest first
}

func newPassing() *passing { return &passing{turn: make(chan struct{}, 1)} }

func (p *passing) find(id preauth.ID) (store.Call, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.last, func(c store.Call) bool { return c.RequestID == id })
	if i < 0 {
		return store.Call{}, false
	}
	return p.last[i], true
}

func (p *passing) add(c store.Call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.last) == passingMax {
		p.last = slices.Delete(p.last, 0, 1)
	}
	p.last = append(p.last, c)
}

// once does what a call asks for whose effect ends with the process, unless
// that was done. A call that fails may be made again.
func (d *Device) once(ctx context.Context, call store.Call, do func() error) error {
	select {
	case d.passing.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-d.passing.turn }()
	if _, known, err := d.knownCall(ctx, call); known || err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	d.passing.add(call)
	return nil
}

// idIn reads the id in a field of a call.
func idIn(field, text string) (preauth.ID, error) {
	id, err := preauth.ParseID(text)
	return id, inField(field, err)
}

// tagIn reads the optional tag of a call, zero if there is none.
func tagIn(text string) (preauth.ID, error) {
	if text == "" {
		return preauth.ID{}, nil
	}
	return idIn("tag_id", text)
}

// amountIn reads an amount above zero.
func amountIn(text, currency string) (money.Amount, error) {
	a, err := money.Parse(text, currency)
	if err == nil && a.Minor == 0 {
		err = fmt.Errorf("%s %s: %w", text, currency, money.ErrRange)
	}
	return a, inAmountField("amount", err)
}

// tipIn reads an amount that may be zero or missing, in minor units.
func tipIn(field, text, currency string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	a, err := money.Parse(text, currency)
	return a.Minor, inAmountField(field, err)
}

// inAmountField says which field an amount's error is about: the currency's,
// if that is what is wrong.
func inAmountField(field string, err error) error {
	if errors.Is(err, money.ErrCurrency) {
		field = "currency"
	}
	return inField(field, err)
}
