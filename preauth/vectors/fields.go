package vectors

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Fields writes a message for people and for programs that do not know
// protobuf's JSON: an object with the fields that are set, by their names in
// the definition and in its order. Bytes are hexadecimal, enums their names,
// numbers numbers.
func Fields(m proto.Message) json.RawMessage { return appendMessage(nil, m.ProtoReflect()) }

func appendMessage(b []byte, m protoreflect.Message) []byte {
	fields := m.Descriptor().Fields()
	b = append(b, '{')
	first := true
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !m.Has(fd) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(strconv.AppendQuote(b, string(fd.Name())), ':')
		if !fd.IsList() {
			b = appendValue(b, fd, m.Get(fd))
			continue
		}
		b = append(b, '[')
		for j := range m.Get(fd).List().Len() {
			if j > 0 {
				b = append(b, ',')
			}
			b = appendValue(b, fd, m.Get(fd).List().Get(j))
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

func appendValue(b []byte, fd protoreflect.FieldDescriptor, v protoreflect.Value) []byte {
	switch fd.Kind() {
	case protoreflect.MessageKind:
		return appendMessage(b, v.Message())
	case protoreflect.BytesKind:
		return strconv.AppendQuote(b, hex.EncodeToString(v.Bytes()))
	case protoreflect.StringKind:
		text, _ := json.Marshal(v.String()) // a string always encodes
		return append(b, text...)
	case protoreflect.EnumKind:
		return strconv.AppendQuote(b, string(fd.Enum().Values().ByNumber(v.Enum()).Name()))
	}
	return fmt.Append(b, v.Interface())
}

// SetFields sets the fields of m as Fields has written them. The error wraps
// ErrFormat.
func SetFields(b json.RawMessage, m proto.Message) error {
	return setMessage(b, m.ProtoReflect())
}

func setMessage(b json.RawMessage, m protoreflect.Message) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b, &fields); err != nil {
		return fmt.Errorf("%s: %w", m.Descriptor().Name(), plain(b, err))
	}
	for name, raw := range fields {
		fd := m.Descriptor().Fields().ByName(protoreflect.Name(name))
		if fd == nil {
			return malformed(fmt.Sprintf("%s has no field %q", m.Descriptor().Name(), name))
		}
		if err := setField(raw, m, fd); err != nil {
			return err
		}
	}
	return nil
}

func setField(raw json.RawMessage, m protoreflect.Message, fd protoreflect.FieldDescriptor) error {
	if !fd.IsList() {
		v, err := value(raw, fd, func() protoreflect.Value { return m.NewField(fd) })
		if err == nil {
			m.Set(fd, v)
		}
		return err
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return fmt.Errorf("%s: %w", fd.Name(), plain(raw, err))
	}
	list := m.Mutable(fd).List()
	for _, item := range items {
		v, err := value(item, fd, list.NewElement)
		if err != nil {
			return err
		}
		list.Append(v)
	}
	return nil
}

// value reads one value of a field; fresh makes an empty one.
func value(raw json.RawMessage, fd protoreflect.FieldDescriptor, fresh func() protoreflect.Value) (protoreflect.Value, error) {
	switch fd.Kind() {
	case protoreflect.MessageKind:
		m := fresh()
		return m, setMessage(raw, m.Message())
	case protoreflect.BytesKind:
		return scalar(raw, fd, func(x Hex) protoreflect.Value { return protoreflect.ValueOfBytes(x) })
	case protoreflect.StringKind:
		return scalar(raw, fd, protoreflect.ValueOfString)
	case protoreflect.BoolKind:
		return scalar(raw, fd, protoreflect.ValueOfBool)
	case protoreflect.Uint32Kind:
		return scalar(raw, fd, protoreflect.ValueOfUint32)
	case protoreflect.Uint64Kind:
		return scalar(raw, fd, protoreflect.ValueOfUint64)
	case protoreflect.Int64Kind:
		return scalar(raw, fd, protoreflect.ValueOfInt64)
	case protoreflect.EnumKind:
		named := protoreflect.EnumValueDescriptor(nil)
		v, err := scalar(raw, fd, func(x string) protoreflect.Value {
			named = fd.Enum().Values().ByName(protoreflect.Name(x))
			return protoreflect.Value{}
		})
		if err == nil && named != nil {
			return protoreflect.ValueOfEnum(named.Number()), nil
		}
		return v, malformed(fmt.Sprintf("%s cannot be this: %.40s", fd.Name(), raw))
	}
	return protoreflect.Value{}, fmt.Errorf("%s is of kind %s: %w", fd.Name(), fd.Kind(), ErrFormat)
}

func scalar[T any](raw json.RawMessage, fd protoreflect.FieldDescriptor, of func(T) protoreflect.Value) (protoreflect.Value, error) {
	var x T
	if err := json.Unmarshal(raw, &x); err != nil {
		return protoreflect.Value{}, fmt.Errorf("%s: %w", fd.Name(), plain(raw, err))
	}
	return of(x), nil
}
