package proof

import (
	"bytes"
	"encoding/json"
	"errors"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// FileMax bounds a file of evidence, in bytes.
const FileMax = 32 << 20

// ErrFile: a file of another kind, or a damaged one.
var ErrFile = errors.New("not a file of this kind, or damaged")

// EvidenceFile returns e as the text of a file: one JSON object, proto names,
// signed objects in base64.
func EvidenceFile(e *peerv1.Evidence) ([]byte, error) { return line(e) }

// ParseEvidence is the inverse of EvidenceFile. What it returns is not
// verified. The error is ErrFile.
func ParseEvidence(text []byte) (*peerv1.Evidence, error) {
	e := new(peerv1.Evidence)
	if err := protojson.Unmarshal(text, e); err != nil {
		return nil, ErrFile // the parser's words are about our types
	}
	return e, nil
}

// line returns m as one line of JSON. protojson varies its white space from
// build to build on purpose.
func line(m proto.Message) ([]byte, error) {
	b, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, b); err != nil {
		return nil, err
	}
	compact.WriteByte('\n')
	return compact.Bytes(), nil
}
