package main

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// clean makes text of others harmless for a terminal: a stranger's words come
// over the air and could otherwise move the cursor or reverse the line.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// quoted is clean text in quotes, or nothing.
func quoted(s string) string {
	if s == "" {
		return ""
	}
	return `"` + clean(s) + `"`
}

// word is the name of an enum's value without the prefix that every value of
// its type has; "-" if it is not set.
func word(e protoreflect.Enum) string {
	d := e.Descriptor()
	v := d.Values().ByNumber(e.Number())
	switch {
	case v == nil:
		return fmt.Sprintf("%d", e.Number())
	case v.Number() == 0:
		return "-"
	}
	return strings.TrimPrefix(string(v.Name()), prefix(d))
}

// prefix is what the names of all values of d begin with.
func prefix(d protoreflect.EnumDescriptor) string {
	return strings.TrimSuffix(string(d.Values().ByNumber(0).Name()), "UNSPECIFIED")
}

// number finds the value of d that people write as s: without prefix, in any
// case, with - or _.
func number(d protoreflect.EnumDescriptor, s string) (protoreflect.EnumNumber, bool) {
	name := prefix(d) + strings.ToUpper(strings.ReplaceAll(s, "-", "_"))
	v := d.Values().ByName(protoreflect.Name(name))
	if v == nil || v.Number() == 0 {
		return 0, false
	}
	return v.Number(), true
}

// words lists what people may write for the values of d.
func words(d protoreflect.EnumDescriptor) []string {
	var list []string
	for i := 1; i < d.Values().Len(); i++ {
		name := strings.TrimPrefix(string(d.Values().Get(i).Name()), prefix(d))
		list = append(list, strings.ToLower(strings.ReplaceAll(name, "_", "-")))
	}
	return list
}

// sum is an amount with its currency, or "-".
func sum(amount, currency string) string {
	if amount == "" {
		return "-"
	}
	return strings.TrimSpace(clean(amount) + " " + clean(currency))
}

// zero is whether an amount is nothing.
func zero(amount string) bool { return strings.Trim(amount, "0.") == "" }

// at is a time as a clock on the wall shows it, or "-".
func (a *app) at(t *timestamppb.Timestamp) string {
	if t == nil {
		return "-"
	}
	return t.AsTime().In(a.zone).Format("2006-01-02 15:04:05")
}

// minute is at without the seconds.
func (a *app) minute(t *timestamppb.Timestamp) string {
	if t == nil {
		return "-"
	}
	return t.AsTime().In(a.zone).Format("2006-01-02 15:04")
}

// clock is the time of day, with the date if that is not today.
func (a *app) clock(t *timestamppb.Timestamp) string {
	when, now := t.AsTime().In(a.zone), a.now().In(a.zone)
	if when.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return when.Format("15:04")
	}
	return when.Format("2006-01-02 15:04")
}

// ago and until are the time between now and t.
func (a *app) ago(t *timestamppb.Timestamp) string   { return span(a.now().Sub(t.AsTime())) }
func (a *app) until(t *timestamppb.Timestamp) string { return span(t.AsTime().Sub(a.now())) }

// size is a number of bytes for people, in powers of ten.
func size(n uint64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	default:
		return fmt.Sprintf("%d B", n)
	}
}

// plural is n things.
func plural(n uint32, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// either is yes or no.
func either(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}
