package daemon

import (
	"context"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
)

// GetTrust implements devicev1.DeviceServiceServer. It needs no network.
func (s *deviceService) GetTrust(context.Context, *devicev1.GetTrustRequest) (*devicev1.GetTrustResponse, error) {
	who := s.d.self.Load()
	if !who.Enrolled() {
		return nil, errNotEnrolled
	}
	return &devicev1.GetTrustResponse{RootKey: who.RootKey[:], TrustBundle: who.TrustBundle}, nil
}
