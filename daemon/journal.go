package daemon

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// ExportJournal implements devicev1.DeviceServiceServer. It ends where the log
// stood when it began: what the device signs is the end of what was sent.
func (s *deviceService) ExportJournal(_ *devicev1.ExportJournalRequest, stream grpc.ServerStreamingServer[devicev1.ExportJournalResponse]) error {
	ctx := stream.Context()
	last, end, err := s.d.journalEnd(ctx)
	if err != nil {
		return err
	}
	for after := uint64(0); after < last; {
		page, err := s.d.store.Journal(ctx, after, exportPage)
		if err != nil {
			return err
		}
		if len(page) == 0 { // the newest are gone from a damaged store: the export shows that they are missing
			break
		}
		for _, e := range page {
			if e.Sequence > last {
				break
			}
			if err := stream.Send(&devicev1.ExportJournalResponse{Part: &devicev1.ExportJournalResponse_Entry{Entry: entryProto(e)}}); err != nil {
				return err
			}
		}
		after = page[len(page)-1].Sequence
	}
	return stream.Send(end)
}

func entryProto(e preauth.JournalEntry) *devicev1.JournalEntry {
	p := &devicev1.JournalEntry{Sequence: e.Sequence, TimeMs: e.TimeMs, Body: e.Body}
	if !e.Payment.Zero() {
		p.PaymentId = e.Payment[:]
	}
	if !e.Hash.Zero() {
		p.Hash = e.Hash[:]
	}
	return p
}

// journalEnd returns the number of the newest event and the device's word on
// the log up to it, with what that is verified by. A device that is not
// enrolled, or has no chain yet, gives no word.
func (d *Device) journalEnd(ctx context.Context) (last uint64, end *devicev1.ExportJournalResponse, err error) {
	last, chain, err := d.store.JournalHead(ctx)
	end = &devicev1.ExportJournalResponse{Part: &devicev1.ExportJournalResponse_Head{}}
	who := d.self.Load()
	if err != nil || chain.Zero() || !who.Enrolled() {
		return last, end, err
	}
	head, err := preauth.Sign(d.opt.Keys.Signing, &peerv1.JournalHead{
		DeviceId: who.cert.Body.DeviceId, Sequence: last, Hash: chain[:], TimeMs: time.Now().UnixMilli(),
	})
	if err != nil {
		return 0, nil, err
	}
	issuance, err := proto.Marshal(who.trust.IssuanceOf(who.cert.KeyID()))
	end.Part = &devicev1.ExportJournalResponse_Head{Head: head.Bytes}
	end.DeviceCert, end.Issuance = who.cert.Bytes, issuance
	return last, end, err
}
