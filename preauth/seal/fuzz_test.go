package seal

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

// FuzzReadFile: of any file, the parts that can be read are those that are
// written again; whatever is missing is said.
func FuzzReadFile(f *testing.F) {
	var good bytes.Buffer
	if err := WriteFile(&good, []Part{{Items: 100, Sealed: []byte("one")}, {Items: 7, Sealed: []byte("two")}}); err != nil {
		f.Fatal(err)
	}
	f.Add(good.Bytes())
	f.Add(good.Bytes()[:good.Len()-5])
	f.Add([]byte(`{"format":"vipaso-sealed/1","parts":1,"items":1}` + "\n{}\n"))
	f.Add([]byte(`{"format":"vipaso-sealed/2","parts":0,"items":0}`))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, file []byte) {
		parts, err := ReadFile(bytes.NewReader(file))
		if errors.Is(err, ErrFormat) {
			if parts != nil {
				t.Fatalf("%d parts of another file", len(parts))
			}
			return
		}
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
		var again bytes.Buffer
		if err := WriteFile(&again, parts); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadFile(&again); err != nil || !reflect.DeepEqual(got, parts) {
			t.Fatalf("%v became %v, %v", parts, got, err)
		}
	})
}
