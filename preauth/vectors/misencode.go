package vectors

import (
	"bytes"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Misencoding is another encoding of a message than the one there may be. Many
// decoders of protobuf take it.
type Misencoding struct {
	Name string // such as "with a field twice"
	Enc  []byte
}

// Misencodings spoils the encoding of a message whose first field is of bytes
// or a number, in each way that a strict decoder must notice.
func Misencodings(enc []byte) []Misencoding {
	fields := split(enc)
	if len(fields) == 0 {
		return nil
	}
	number, kind, n := protowire.ConsumeTag(enc)
	_, m := protowire.ConsumeVarint(enc[n:]) // the number, or the length of the bytes
	first, rest := fields[0], enc[len(fields[0]):]
	longer := func(end int) []byte { // the varint that ends there
		return slices.Concat(enc[:end-1], []byte{enc[end-1] | 0x80, 0}, enc[end:])
	}
	all := []Misencoding{
		{"with a trailing byte", slices.Concat(enc, []byte{0})},
		{"cut off", enc[:len(enc)-1]},
		{"with an unknown field", slices.Concat(enc, []byte{0xf8, 0x07, 1})}, // field 127
		{"with a field twice", slices.Concat(first, enc)},
		{"with a tag longer than it needs", longer(n)},
		{"with a number or length longer than it needs", longer(n + m)},
		{"with a default value written out", slices.Concat(defaultOf(number, kind), rest)},
	}
	if len(fields) > 1 {
		all = append(all, Misencoding{"with its first field last", slices.Concat(rest, first)})
	}
	return all
}

// split takes an encoding apart into its fields.
func split(enc []byte) [][]byte {
	var fields [][]byte
	for len(enc) > 0 {
		_, _, n := protowire.ConsumeField(enc)
		if n < 0 {
			return nil
		}
		fields, enc = append(fields, bytes.Clone(enc[:n])), enc[n:]
	}
	return fields
}

// defaultOf is the encoding of a field's default value, which must be left out.
func defaultOf(number protowire.Number, kind protowire.Type) []byte {
	b := protowire.AppendTag(nil, number, kind)
	return append(b, 0) // of a number, or the length of bytes
}
