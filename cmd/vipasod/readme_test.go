package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	_ "github.com/vipaso/vipasod/proto/vipaso/business/v1" // the API that the README calls
	_ "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	_ "github.com/vipaso/vipasod/proto/vipaso/device/v1"
)

// newUUID is how the README makes an id where nothing but Go is installed.
const newUUID = `'$(cat /proc/sys/kernel/random/uuid)'`

// readmeCalls finds the calls of the local API in the README: data, which may
// be empty, and method.
func readmeCalls(readme string) [][2]string {
	joined := strings.ReplaceAll(readme, "\\\n", " ")
	var calls [][2]string
	for _, m := range regexp.MustCompile(`(?m)^\$grpcurl (?:-d '(.*)' +)?\S+\.sock ([\w.]+/\w+)$`).FindAllStringSubmatch(joined, -1) {
		calls = append(calls, [2]string{strings.ReplaceAll(m[1], newUUID, "0190b2c4-0000-7000-8000-000000000003"), m[2]})
	}
	return calls
}

// TestDocsReadmeCalls: the calls that the README shows are calls of the API,
// and need nothing that is not there.
func TestDocsReadmeCalls(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	calls := readmeCalls(string(readme))
	if len(calls) < 3 {
		t.Fatalf("found only %d calls", len(calls))
	}
	for _, c := range calls {
		name := protoreflect.FullName(strings.ReplaceAll(c[1], "/", "."))
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
		if err != nil {
			t.Errorf("%s: %v", c[1], err)
			continue
		}
		in := dynamicpb.NewMessage(d.(protoreflect.MethodDescriptor).Input())
		if c[0] != "" {
			if err := protojson.Unmarshal([]byte(c[0]), in); err != nil {
				t.Errorf("%s with %s: %v", c[1], c[0], err)
			}
		}
	}
	if strings.Contains(string(readme), "uuidgen") || !strings.Contains(string(readme), `grpcurl="go tool -modfile=tools/go.mod grpcurl `) {
		t.Error("the README asks for programs that a plain system does not have")
	}
}
