package main

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// A setting is one key of the configuration and the place of its value.
type setting struct {
	key   string        // such as radio.driver
	value reflect.Value // settable: string, Duration, []string or map[string]string
}

// settings lists every key of c, in the order of the file.
func settings(c *Config) []setting {
	return settingsOf("", reflect.ValueOf(c).Elem())
}

func settingsOf(prefix string, v reflect.Value) []setting {
	var list []setting
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("toml"), ",")
		key := prefix + name
		if f := v.Field(i); f.Kind() == reflect.Struct {
			list = append(list, settingsOf(key+".", f)...)
		} else {
			list = append(list, setting{key, f})
		}
	}
	return list
}

// env is the name of the environment variable that sets s.
func (s setting) env() string {
	return "VIPASO_" + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

// takes says what a value of s looks like.
func (s setting) takes() string {
	switch s.value.Interface().(type) {
	case Duration:
		return `a time span such as "5s"`
	case []string:
		return `a list such as ["group:vipaso"]`
	case map[string]string:
		return `amounts by currency such as { USD = "50.00" }`
	default:
		return `text in quotes`
	}
}

// set takes the value from the text of a flag or an environment variable:
// a list is separated by commas, amounts are written USD=50.00,EUR=45.00.
func (s setting) set(text string) error {
	switch p := s.value.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		return p.UnmarshalText([]byte(text))
	case *[]string:
		*p = fields(text)
	case *map[string]string:
		amounts := map[string]string{}
		for _, f := range fields(text) {
			currency, amount, ok := strings.Cut(f, "=")
			if !ok {
				return fmt.Errorf("%q is not written as USD=50.00", f)
			}
			amounts[currency] = amount
		}
		*p = amounts
	case *string:
		*p = text
	}
	return nil
}

// fields splits at commas and drops what is empty.
func fields(text string) []string {
	var list []string
	for f := range strings.SplitSeq(text, ",") {
		if f = strings.TrimSpace(f); f != "" {
			list = append(list, f)
		}
	}
	return list
}

// String is the value as it stands in a file.
func (s setting) String() string {
	switch v := s.value.Interface().(type) {
	case Duration:
		text, _ := v.MarshalText() // never fails
		return strconv.Quote(string(text))
	case []string:
		quoted := make([]string, len(v))
		for i, item := range v {
			quoted[i] = strconv.Quote(item)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	case map[string]string:
		if len(v) == 0 {
			return "{}"
		}
		var pairs []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			pairs = append(pairs, k+" = "+strconv.Quote(v[k]))
		}
		return "{ " + strings.Join(pairs, ", ") + " }"
	default:
		return strconv.Quote(s.value.String())
	}
}
