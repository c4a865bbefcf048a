package main

import (
	"context"

	"google.golang.org/grpc"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// A history is what a till's and a customer's service have in common.
type history interface {
	CheckReadiness(context.Context, *paymentv1.CheckReadinessRequest, ...grpc.CallOption) (*paymentv1.CheckReadinessResponse, error)
	FetchPayments(context.Context, *paymentv1.FetchPaymentsRequest, ...grpc.CallOption) (*paymentv1.FetchPaymentsResponse, error)
	FetchPayment(context.Context, *paymentv1.FetchPaymentRequest, ...grpc.CallOption) (*paymentv1.FetchPaymentResponse, error)
	FetchOfflinePayments(context.Context, *paymentv1.FetchOfflinePaymentsRequest, ...grpc.CallOption) (*paymentv1.FetchOfflinePaymentsResponse, error)
	SyncPayments(context.Context, *paymentv1.SyncPaymentsRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[paymentv1.SyncPaymentsResponse], error)
}

// history returns the service of the daemon's role, which it asks for.
func (a *app) history(ctx context.Context) (history, error) {
	st, err := a.getStatus(ctx)
	if err != nil {
		return nil, err
	}
	if st.GetRole() == paymentv1.Role_ROLE_CUSTOMER {
		return a.conn.customer(), nil
	}
	return a.conn.business(), nil
}

// getStatus asks the daemon how it is.
func (a *app) getStatus(ctx context.Context) (*devicev1.Status, error) {
	c, err := a.dial()
	if err != nil {
		return nil, err
	}
	ctx, cancel := quick(ctx)
	defer cancel()
	resp, err := c.device().GetStatus(ctx, &devicev1.GetStatusRequest{})
	a.role = resp.GetStatus().GetRole()
	return resp.GetStatus(), err
}
