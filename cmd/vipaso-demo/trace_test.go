package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// trace is what happened in a scenario: what people did and saw, the events
// of each device by its own numbers, and who believes what in the end. Ids
// have names, times are left out.
func trace(s *stage, a *audit) string {
	var b strings.Builder
	b.WriteString("# play\n")
	for _, line := range s.journal {
		fmt.Fprintln(&b, line)
	}
	n := newNaming(s)
	for _, p := range s.parties() {
		fmt.Fprintf(&b, "\n# events of %s\n", p.key)
		events, _ := p.log.snapshot()
		for _, e := range events {
			fmt.Fprintf(&b, "%d %s\n", e.GetSequence(), n.event(e))
		}
	}
	if a != nil {
		b.WriteString("\n# end\n")
		b.WriteString(endOf(a))
	}
	return b.String()
}

// endOf is the final table.
func endOf(a *audit) string {
	var w bytes.Buffer
	if err := printOutcomes(&w, []outcome{{scenario: scenario{name: "end"}, audit: a}}); err != nil {
		return err.Error()
	}
	lines := strings.Split(w.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// naming gives ids the names that people use.
type naming struct{ names map[string]string }

func newNaming(s *stage) naming {
	n := naming{names: map[string]string{}}
	for _, one := range s.sales {
		n.names[one.id] = one.label
	}
	for _, p := range s.customers() {
		for i, id := range p.holdIDs() {
			n.names[id] = fmt.Sprintf("%s-preauth-%d", p.key, i+1)
		}
	}
	return n
}

// untold are the fields that differ from run to run, or are for people.
var untold = []protoreflect.Name{"code", "next_step", "resolution", "detail", "receipt", "payment_reference", "mcc", "business_name"}

// event is one line: what happened, and the fields that matter.
func (n naming) event(e *paymentv1.Event) string {
	m := e.ProtoReflect()
	f := m.WhichOneof(m.Descriptor().Oneofs().ByName("event"))
	words := []string{string(f.Name())}
	body := m.Get(f).Message()
	fields := body.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if field.Message() != nil || slices.Contains(untold, field.Name()) || !body.Has(field) {
			continue
		}
		words = append(words, n.field(field, body.Get(field)))
	}
	return strings.Join(words, " ")
}

func (n naming) field(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	text := v.String()
	if f.Enum() != nil {
		text = string(f.Enum().Values().ByNumber(v.Enum()).Name())
	}
	if name, ok := n.names[text]; ok {
		return name
	}
	return string(f.Name()) + "=" + text
}
