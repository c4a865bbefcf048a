package proof

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protojson"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// ErrUnvouched: a journal that no device has signed.
var ErrUnvouched = errors.New("no device vouches for this journal")

// lineMax bounds a line of a journal, in bytes.
const lineMax = 1 << 20

// Journal is an exported journal that was verified.
type Journal struct {
	preauth.Journal
	Head   preauth.JournalHead
	Device preauth.DeviceCert
}

// JournalLine returns a part of a journal as a line of its file: one JSON
// object, proto names, bytes in base64.
func JournalLine(part *devicev1.ExportJournalResponse) ([]byte, error) { return line(part) }

// VerifyJournal reads an exported journal, one line for each event and the
// device's signed word at the end, and verifies it by nothing but the root
// key. It shows each event that fits to each, which may be nil.
//
// The error wraps ErrFile, ErrUnvouched, preauth.ErrJournal for the first
// event that does not fit, or is one of preauth's about the certificate and
// the signature. What is returned with it is how far the journal is good.
func VerifyJournal(file io.Reader, root preauth.PublicKey, each func(preauth.JournalEntry)) (j Journal, err error) {
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, lineMax)
	var end *devicev1.ExportJournalResponse
	for n := 1; lines.Scan(); n++ {
		part := new(devicev1.ExportJournalResponse)
		if err := protojson.Unmarshal(lines.Bytes(), part); err != nil {
			return j, fmt.Errorf("line %d: %w", n, ErrFile) // the parser's words are about our types
		}
		if end != nil {
			return j, fmt.Errorf("line %d: comes after the end: %w", n, ErrFile)
		}
		if part.GetEntry() == nil {
			end = part
			continue
		}
		e, err := entryOf(part.GetEntry())
		if err == nil {
			err = j.Add(e)
		}
		if err != nil {
			return j, fmt.Errorf("line %d: %w", n, err)
		}
		if each != nil {
			each(e)
		}
	}
	if err := lines.Err(); err != nil {
		return j, fmt.Errorf("%w: %w", ErrFile, err)
	}
	return j, j.close(end, root)
}

// entryOf reads one event.
func entryOf(p *devicev1.JournalEntry) (e preauth.JournalEntry, err error) {
	e = preauth.JournalEntry{Sequence: p.GetSequence(), TimeMs: p.GetTimeMs(), Body: p.GetBody()}
	if len(p.GetPaymentId()) > 0 {
		if e.Payment, err = preauth.IDFrom(p.GetPaymentId()); err != nil {
			return e, fmt.Errorf("payment_id: %w: %w", ErrFile, err)
		}
	}
	if len(p.GetHash()) > 0 {
		if e.Hash, err = preauth.HashFrom(p.GetHash()); err != nil {
			return e, fmt.Errorf("hash: %w: %w", ErrFile, err)
		}
	}
	return e, nil
}

// close verifies who vouches for what was read.
func (j *Journal) close(end *devicev1.ExportJournalResponse, root preauth.PublicKey) error {
	switch {
	case end == nil:
		return fmt.Errorf("the last line is missing: %w", ErrFile)
	case len(end.GetHead()) == 0:
		return fmt.Errorf("the device was not enrolled, or had no events: %w", ErrUnvouched)
	}
	var from peerv1.Issuance
	if err := preauth.DecodeStrict(end.GetIssuance(), &from); err != nil {
		return fmt.Errorf("issuance: %w", err)
	}
	issuers, err := preauth.OpenIssuance(root, &from)
	if err != nil {
		return OtherRoot(fmt.Errorf("issuers: %w", err), root, &from)
	}
	if j.Device, err = issuers.GenuineDevice(end.GetDeviceCert()); err != nil {
		return fmt.Errorf("device: %w", err)
	}
	j.Head, err = j.Journal.Close(end.GetHead(), j.Device)
	return err
}
