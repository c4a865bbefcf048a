package main

import (
	"encoding/base64"
	"encoding/csv"
	"io"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// A sheet writes payments as CSV: one column for each field of Payment by its
// proto name, those of the receipt with "receipt_" before it. Enums have no
// prefix, times are RFC 3339 in UTC, signed objects base64.
type sheet struct{ w *csv.Writer }

func newSheet(w io.Writer) *sheet {
	s := &sheet{w: csv.NewWriter(w)}
	// The writer keeps its first error for flush.
	_ = s.w.Write(columns((&paymentv1.Payment{}).ProtoReflect().Descriptor(), ""))
	return s
}

func (s *sheet) add(p *paymentv1.Payment) error {
	return s.w.Write(cells(p.ProtoReflect()))
}

func (s *sheet) flush() error {
	s.w.Flush()
	return s.w.Error()
}

// nested is whether f is a message that becomes columns of its own.
func nested(f protoreflect.FieldDescriptor) bool {
	return f.Kind() == protoreflect.MessageKind && f.Message().FullName() != (&timestamppb.Timestamp{}).ProtoReflect().Descriptor().FullName()
}

func columns(d protoreflect.MessageDescriptor, before string) []string {
	var names []string
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		if nested(f) {
			names = append(names, columns(f.Message(), string(f.Name())+"_")...)
			continue
		}
		names = append(names, before+string(f.Name()))
	}
	return names
}

func cells(m protoreflect.Message) []string {
	var row []string
	for i := range m.Descriptor().Fields().Len() {
		f := m.Descriptor().Fields().Get(i)
		if nested(f) {
			row = append(row, cells(m.Get(f).Message())...)
			continue
		}
		row = append(row, cell(m, f))
	}
	return row
}

func cell(m protoreflect.Message, f protoreflect.FieldDescriptor) string {
	v := m.Get(f)
	switch f.Kind() {
	case protoreflect.EnumKind:
		value := f.Enum().Values().ByNumber(v.Enum())
		if value == nil || v.Enum() == 0 {
			return ""
		}
		return strings.TrimPrefix(string(value.Name()), prefix(f.Enum()))
	case protoreflect.BytesKind:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	case protoreflect.MessageKind:
		t, ok := v.Message().Interface().(*timestamppb.Timestamp)
		if !ok || !m.Has(f) {
			return ""
		}
		return t.AsTime().Format(time.RFC3339Nano)
	case protoreflect.StringKind:
		return inert(v.String())
	default:
		return v.String()
	}
}

// inert keeps a spreadsheet from running a stranger's text as a formula.
func inert(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
