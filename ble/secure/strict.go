package secure

import (
	"bytes"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Encode returns the only encoding of m that Decode accepts.
func Encode(m proto.Message) ([]byte, error) {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", name(m), err)
	}
	return b, nil
}

// Decode parses b into m, strictly: fields that are unknown, repeated or in
// another order, and trailing bytes, are refused, so that a message has one
// encoding. The error wraps ErrProtocol.
func Decode(b []byte, m proto.Message) error {
	if err := proto.Unmarshal(b, m); err != nil {
		return fmt.Errorf("%s does not parse: %w", name(m), ErrProtocol)
	}
	// Unknown fields survive Unmarshal and would be encoded again.
	if unknown(m.ProtoReflect()) {
		return fmt.Errorf("%s with unknown fields: %w", name(m), ErrProtocol)
	}
	again, err := Encode(m)
	if err != nil || !bytes.Equal(again, b) {
		return fmt.Errorf("%s in another encoding: %w", name(m), ErrProtocol)
	}
	return nil
}

func name(m proto.Message) protoreflect.Name { return m.ProtoReflect().Descriptor().Name() }

// unknown reports whether m or a message in it has unknown fields.
func unknown(m protoreflect.Message) bool {
	if len(m.GetUnknown()) > 0 {
		return true
	}
	found := false
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.Message() == nil || fd.IsMap():
		case fd.IsList():
			for i := range v.List().Len() {
				found = found || unknown(v.List().Get(i).Message())
			}
		default:
			found = unknown(v.Message())
		}
		return !found
	})
	return found
}
