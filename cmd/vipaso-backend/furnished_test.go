package main

import (
	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"

	"github.com/vipaso/vipasod/preauth"
)

// furnished makes and enrolls a till and a customer's device with an instrument
// of 500.00 USD.
func (s *site) furnished() (till, phone *device, instrument preauth.ID) {
	s.t.Helper()
	shop := s.create("business_id", "business", "create", "--name", "Cafe Luna")
	ada := s.create("customer_id", "customer", "create", "--name", "Ada")
	card := s.create("instrument_id", "instrument", "create", "--customer", ada, "--balance", "500.00")
	code := s.create("code", "enroll-code", "create", "--business", shop)
	till = s.enroll(byCode(code, 1), code, newKey(s.t))
	code = s.create("code", "enroll-code", "create", "--customer", ada)
	phone = s.enroll(byCode(code, 2), code, newKey(s.t))
	instrument, err := preauth.ParseID(card)
	must(s.t, err)
	return till, phone, instrument
}

// setsAside sets 100.00 USD aside on an instrument.
func (s *site) setsAside(phone *device, instrument preauth.ID) *backendv1.PreAuthorizeResponse {
	s.t.Helper()
	resp, err := phone.calls.PreAuthorize(s.t.Context(), &backendv1.PreAuthorizeRequest{
		RequestId: make([]byte, 16), InstrumentId: instrument[:], Amount: 100_00, Currency: "USD",
	})
	must(s.t, err)
	return resp
}
