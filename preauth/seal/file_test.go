package seal

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestFile(t *testing.T) {
	parts := []Part{{Items: 100, Sealed: []byte("one")}, {Items: 7, Sealed: []byte("two")}}
	var file bytes.Buffer
	if err := WriteFile(&file, parts); err != nil {
		t.Fatal(err)
	}
	want := `{"format":"vipaso-sealed/1","parts":2,"items":107}
{"items":100,"sealed":"b25l"}
{"items":7,"sealed":"dHdv"}
`
	if file.String() != want {
		t.Errorf("wrote %s", file.String())
	}
	got, err := ReadFile(&file)
	if err != nil || !reflect.DeepEqual(got, parts) {
		t.Errorf("read %v: %v", got, err)
	}
}

// What can be read of a damaged file is money that still arrives.
func TestReadFile(t *testing.T) {
	const head, one, two = `{"format":"vipaso-sealed/1","parts":2,"items":2}` + "\n", `{"items":1,"sealed":"b25l"}` + "\n", `{"items":1,"sealed":"dHdv"}` + "\n"
	tests := []struct {
		name, file string
		parts      int
		err        error
	}{
		{"whole", head + one + two, 2, nil},
		{"no line end", head + one + strings.TrimSuffix(two, "\n"), 2, nil},
		{"nothing in it", `{"format":"vipaso-sealed/1","parts":0,"items":0}`, 0, nil},
		{"empty file", "", 0, ErrFormat},
		{"another format", `{"format":"vipaso-sealed/2","parts":2,"items":2}` + "\n" + one + two, 0, ErrFormat},
		{"another file", "hello\n" + one, 0, ErrFormat},
		{"cut between lines", head + one, 1, ErrDamaged},
		{"cut within a line", head + one + two[:12], 1, ErrDamaged},
		{"a line damaged", head + "{{\n" + two, 1, ErrDamaged},
		{"not base64", head + `{"items":1,"sealed":"?"}` + "\n" + two, 1, ErrDamaged},
		{"an empty part", head + `{"items":1}` + "\n" + two, 1, ErrDamaged},
		{"a line too much", head + one + two + two, 3, ErrDamaged},
		{"a line too long", head + one + strings.Repeat("x", lineMax+1), 1, ErrDamaged},
		{"a header too long", strings.Repeat("x", lineMax+1), 0, ErrFormat},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			parts, err := ReadFile(strings.NewReader(tt.file))
			if len(parts) != tt.parts || !errors.Is(err, tt.err) {
				t.Errorf("%d parts (%v), want %d (%v)", len(parts), err, tt.parts, tt.err)
			}
		})
	}
}
