package crash

import (
	"bytes"
	"strings"
	"testing"
)

// after returns what 200 power cuts leave of a file after ops: each content
// once, "none" where there is no file.
func after(before map[string][]byte, name string, ops ...Op) map[string]int {
	d := NewDisk(&Log{Before: before, Ops: ops})
	for d.Next() {
	}
	seen := map[string]int{}
	for variant := range 200 {
		text := "none"
		if b, ok := d.Image(variant)[name]; ok {
			text = string(b)
		}
		seen[text]++
	}
	return seen
}

// TestImage: what was waited for is there, what was not may be, and nothing
// else.
func TestImage(t *testing.T) {
	old := map[string][]byte{"a": []byte("old")}
	write := Op{Kind: Write, Data: []byte("new")}
	create, first := Op{Kind: Create, Name: "b", File: 1}, Op{Kind: Write, File: 1, Data: []byte("one")}
	syncData := func(file, covers int) Op { return Op{Kind: Sync, File: file, Covers: covers} }
	failed := func(file, covers int) Op { return Op{Kind: Failed, File: file, Covers: covers} }
	syncNames := func(covers int) Op { return Op{Kind: SyncDir, Covers: covers} }
	tests := []struct {
		name, file string
		ops        []Op
		want       []string // all that may be, the first of them if everything is on disk
	}{
		{"nothing was done", "a", nil, []string{"old"}},
		{"a write", "a", []Op{write}, []string{"new", "old"}},
		{"a write that was waited for", "a", []Op{write, syncData(0, 1)}, []string{"new"}},
		{"a write that came while another was waited for", "a", []Op{write, {Kind: Write, Data: []byte("ever")}, syncData(0, 1)}, []string{"ever", "new"}},
		{"a write whose fsync failed, and then did not", "a", []Op{write, failed(0, 1), syncData(0, 2)}, []string{"new", "old"}},
		{"a write after one whose fsync failed", "a", []Op{{Kind: Write, Data: []byte("ever")}, failed(0, 1), write, syncData(0, 3)}, []string{"newr", "new"}},
		{"a removal whose fsync failed", "a", []Op{{Kind: Unlink, Name: "a"}, failed(names, 1), syncNames(2)}, []string{"none", "old"}},
		{"a cut", "a", []Op{{Kind: Truncate, Size: 1}}, []string{"o", "old"}},
		{"a new file", "b", []Op{create, first}, []string{"one", "", "none"}},
		{"a new file whose data was waited for", "b", []Op{create, first, syncData(1, 2)}, []string{"one", "none"}},
		{"a new file whose name was waited for", "b", []Op{create, first, syncNames(2)}, []string{"one", ""}},
		{"a new file with all of it", "b", []Op{create, first, syncData(1, 2), syncNames(3)}, []string{"one"}},
		{"a removal", "a", []Op{{Kind: Unlink, Name: "a"}}, []string{"none", "old"}},
		{"a removal that was waited for", "a", []Op{{Kind: Unlink, Name: "a"}, syncNames(1)}, []string{"none"}},
		{"a file in place of another", "a", []Op{create, first, syncData(1, 2), syncNames(3), {Kind: Rename, Name: "b", To: "a"}}, []string{"one", "old"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			seen := after(old, tt.file, tt.ops...)
			for _, want := range tt.want {
				if seen[want] == 0 {
					t.Errorf("never %q", want)
				}
				delete(seen, want)
			}
			if len(seen) > 0 {
				t.Errorf("also %v", seen)
			}
			d := NewDisk(&Log{Before: old, Ops: tt.ops})
			for d.Next() {
			}
			if b, ok := d.Image(Everything)[tt.file]; ok != (tt.want[0] != "none") || ok && string(b) != tt.want[0] {
				t.Errorf("everything is %q, want %q", b, tt.want[0])
			}
		})
	}
}

// TestTornWrite: of a write over several sectors each may be there without
// the others, and what a file has grown by may hold anything.
func TestTornWrite(t *testing.T) {
	three := bytes.Repeat([]byte("x"), 3*sector)
	seen := after(map[string][]byte{"a": nil}, "a", Op{Kind: Write, Data: three})
	whole, last, zeros := string(three), 0, 0
	for text := range seen {
		if strings.HasSuffix(text, whole[:sector]) && text != whole && len(text) == len(whole) {
			last++
			if strings.HasPrefix(text, string(make([]byte, sector))) {
				zeros++
			}
		}
	}
	if seen[whole] == 0 || seen[""] == 0 || zeros == 0 || last == zeros {
		t.Errorf("whole %d, none %d, only the last of three %d, after zeros %d", seen[whole], seen[""], last, zeros)
	}
}
