package main

import (
	"strings"
	"testing"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// checkSheet holds each line for grpcurl against the API: method, fields and
// rules.
func checkSheet(t *testing.T, sheet string) {
	t.Helper()
	calls := 0
	for line := range strings.Lines(sheet) {
		_, rest, ok := strings.Cut(line, " -d '")
		if !ok {
			continue
		}
		calls++
		body, rest, _ := strings.Cut(rest, "' ")
		words := strings.Fields(rest)
		service, method, _ := strings.Cut(words[len(words)-1], "/")
		found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
		if err != nil {
			t.Fatal(err)
		}
		call := found.(protoreflect.ServiceDescriptor).Methods().ByName(protoreflect.Name(method))
		if call == nil {
			t.Errorf("%s has no %s", service, method)
			continue
		}
		input, err := protoregistry.GlobalTypes.FindMessageByName(call.Input().FullName())
		if err != nil {
			t.Fatal(err)
		}
		request := input.New().Interface()
		if err := protojson.Unmarshal([]byte(strings.ReplaceAll(body, "PAYMENT", newRequestID())), request); err != nil {
			t.Errorf("%s: %v", method, err)
		} else if err := protovalidate.Validate(request); err != nil {
			t.Errorf("%s: %v", method, err)
		}
	}
	if calls < 4 {
		t.Errorf("%d calls on the sheet:\n%s", calls, sheet)
	}
}

func TestQuoted(t *testing.T) {
	for word, want := range map[string]string{
		"/work/vipasod": "/work/vipasod", "/my shop": "'/my shop'", "it's": `'it'\''s'`, "$HOME": "'$HOME'",
	} {
		if got := quoted(word); got != want {
			t.Errorf("%s became %s, not %s", word, got, want)
		}
	}
}
