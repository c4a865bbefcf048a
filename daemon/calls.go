package daemon

import (
	"crypto/sha256"
	"errors"
	"fmt"

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
	methodAccept       = "AcceptPayment"
	methodDecline      = "DeclinePayment"
	methodPreAuthorize = "PreAuthorizeInstrument"
	methodVoid         = "VoidPreAuthorization"
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
