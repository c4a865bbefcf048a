package vectors

import (
	"bytes"
	"fmt"
	"os"
)

// Keep compares a file of vectors with what it should be today, or, to update
// it, writes that. The error names the first line that differs.
func Keep(path string, today []byte, update bool) error {
	if update {
		return os.WriteFile(path, today, 0o644)
	}
	stored, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	was, now := bytes.Split(stored, []byte("\n")), bytes.Split(today, []byte("\n"))
	for i := range max(len(was), len(now)) {
		if i >= len(was) || i >= len(now) || !bytes.Equal(was[i], now[i]) {
			return fmt.Errorf("%s:%d is not what is made today; if the change is meant, run the test with -update", path, i+1)
		}
	}
	return nil
}
