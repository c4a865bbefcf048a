package backend

import (
	"context"
	"fmt"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"

	"github.com/vipaso/vipasod/preauth/seal"
)

// SubmitSealed is Submit of what a device sealed, handed in by another. The
// seal proves nothing and need not: every item proves itself. The carrier gets
// counts, for the verdicts are those of strangers.
//
// The error wraps ErrSeal, or is one of Submit's.
func (s *Server) SubmitSealed(ctx context.Context, r *backendv1.SubmitSealedRequest) (*backendv1.SubmitSealedResponse, error) {
	req, err := s.Unseal(r.Sealed)
	if err != nil {
		return nil, err
	}
	answer, err := s.Submit(ctx, req)
	if err != nil {
		return nil, err
	}
	resp := &backendv1.SubmitSealedResponse{Items: uint32(len(answer.Results)), Time: answer.Time}
	for _, item := range answer.Results {
		if len(item.Verdict) > 0 {
			resp.Judged++
		}
	}
	return resp, nil
}

// Unseal returns the call inside, which is within the bounds of Submit. An
// operator who submits it may see what came of each item.
//
// The error wraps ErrSeal.
func (s *Server) Unseal(sealed []byte) (*backendv1.SubmitRequest, error) {
	if s.authority.Sealing == nil {
		return nil, fmt.Errorf("this backend has no sealing key: %w", ErrSeal)
	}
	plain, err := seal.Open(s.authority.Sealing, sealed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSeal, err)
	}
	req := &backendv1.SubmitRequest{}
	if err := proto.Unmarshal(plain, req); err != nil {
		return nil, fmt.Errorf("what was sealed is not payments: %w", ErrSeal)
	}
	if err := protovalidate.Validate(req); err != nil {
		return nil, fmt.Errorf("what was sealed is not payments: %w: %w", ErrSeal, err)
	}
	return req, nil
}
