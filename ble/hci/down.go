package hci

import (
	"context"
	"errors"

	"github.com/vipaso/vipasod/ble/link"
)

// Down is the radio of an adapter that could not be opened. It says why, and
// can do nothing.
type Down struct {
	// Adapter is its name.
	Adapter string

	// Err is what Open returned.
	Err error
}

// Missing reports whether the adapter is not there at all: Present tells
// when it is back.
func (d Down) Missing() bool { return reasonOf(d.Err) == reasonMissing }

// Present reports whether an adapter is there. It takes nothing.
func Present(adapter string) bool {
	_, err := resolve(adapter)
	return err == nil
}

// Status implements link.Radio.
func (d Down) Status() link.Status {
	detail := d.Err.Error()
	var a *link.AdapterError
	if errors.As(d.Err, &a) {
		detail = a.Detail
	}
	return link.Status{Adapter: d.Adapter, Reason: reasonOf(d.Err), Detail: detail}
}

// Advertise implements link.Radio. It is a wish, and stays one.
func (d Down) Advertise(context.Context, link.Advertisement) error { return nil }

// Scan implements link.Radio. It is a wish, and stays one.
func (d Down) Scan(context.Context, bool) error { return nil }

// NextSighting implements link.Radio: there is none.
func (d Down) NextSighting(ctx context.Context) (link.Sighting, error) {
	<-ctx.Done()
	return link.Sighting{}, ctx.Err()
}

// Accept implements link.Radio: nobody can connect.
func (d Down) Accept(ctx context.Context) (link.Link, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// Dial implements link.Radio.
func (d Down) Dial(context.Context, string, bool) (link.Link, error) {
	return nil, adapterError(d.Err)
}

// Close implements link.Radio.
func (d Down) Close() error { return nil }
