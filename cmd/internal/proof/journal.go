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
// the signature; one of reading is returned as it is. It names the line. What
// is returned with it is how far the journal is good.
func VerifyJournal(file io.Reader, root preauth.PublicKey, each func(preauth.JournalEntry)) (j Journal, err error) {
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, lineMax)
	var end *devicev1.ExportJournalResponse
	n := 1
	for ; lines.Scan(); n++ {
		part := new(devicev1.ExportJournalResponse)
		if protojson.Unmarshal(lines.Bytes(), part) != nil || part.GetPart() == nil { // the parser's words are about our types
			return j, unreadable(fmt.Sprintf("line %d is no line of a journal, or a damaged one", n))
		}
		if end != nil {
			return j, unreadable(fmt.Sprintf("line %d follows the one that ends the journal", n))
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
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return j, unreadable(fmt.Sprintf("line %d is longer than any line of a journal", n))
	} else if err != nil {
		return j, err
	}
	if err := j.close(end, root); errors.Is(err, preauth.ErrDecode) {
		return j, unreadable("the last line is damaged, which the device has signed")
	} else if err != nil {
		return j, err
	}
	return j, nil
}

// unreadable is ErrFile that says what of the file it is.
type unreadable string

func (u unreadable) Error() string { return string(u) }

// Unwrap returns ErrFile.
func (u unreadable) Unwrap() error { return ErrFile }

// entryOf reads one event. The error wraps ErrFile.
func entryOf(p *devicev1.JournalEntry) (e preauth.JournalEntry, err error) {
	e = preauth.JournalEntry{Sequence: p.GetSequence(), TimeMs: p.GetTimeMs(), Body: p.GetBody()}
	if len(p.GetPaymentId()) > 0 {
		if e.Payment, err = preauth.IDFrom(p.GetPaymentId()); err != nil {
			return e, unreadable("it is damaged: payment_id is no id")
		}
	}
	if len(p.GetHash()) > 0 {
		if e.Hash, err = preauth.HashFrom(p.GetHash()); err != nil {
			return e, unreadable("it is damaged: hash is no hash")
		}
	}
	return e, nil
}

// close verifies who vouches for what was read.
func (j *Journal) close(end *devicev1.ExportJournalResponse, root preauth.PublicKey) error {
	switch {
	case end == nil:
		return unreadable("the last line is missing, which the device has signed")
	case len(end.GetHead()) == 0:
		return fmt.Errorf("the device was not enrolled, or had no events: %w", ErrUnvouched)
	}
	var from peerv1.Issuance
	if err := preauth.DecodeStrict(end.GetIssuance(), &from); err != nil {
		return fmt.Errorf("the last line: issuance: %w", err)
	}
	issuers, err := preauth.OpenIssuance(root, &from)
	if err != nil {
		return OtherRoot(fmt.Errorf("the last line: issuers: %w", err), root, &from)
	}
	if j.Device, err = issuers.GenuineDevice(end.GetDeviceCert()); err != nil {
		return fmt.Errorf("the last line: device: %w", err)
	}
	if j.Head, err = j.Journal.Close(end.GetHead(), j.Device); err != nil {
		return fmt.Errorf("the last line: %w", err)
	}
	return nil
}
