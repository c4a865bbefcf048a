package seal

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Format names the file: a header, then one Part per line, all JSON.
const Format = "vipaso-sealed/1"

// lineMax bounds a line of the file: the largest sealed part in base64.
const lineMax = 4 << 20

// Errors of reading a file.
var (
	// ErrFormat: not a file of this format.
	ErrFormat = errors.New("not a file of sealed payments")
	// ErrDamaged: a line cannot be read, or the file ends early.
	ErrDamaged = errors.New("the file is damaged")
)

// Part is what can be handed in alone.
type Part struct {
	// Items is how many claims and Cancels are in it, as its maker says.
	Items uint32 `json:"items"`
	// Sealed is what Seal returned.
	Sealed []byte `json:"sealed"`
}

// header is the first line.
type header struct {
	Format string `json:"format"`
	Parts  int    `json:"parts"`
	Items  uint32 `json:"items"` // in all parts together
}

// WriteFile writes parts with their header.
func WriteFile(w io.Writer, parts []Part) error {
	h := header{Format: Format, Parts: len(parts)}
	for _, p := range parts {
		h.Items += p.Items
	}
	out := json.NewEncoder(w)
	if err := out.Encode(h); err != nil {
		return err
	}
	for _, p := range parts {
		if err := out.Encode(p); err != nil {
			return err
		}
	}
	return nil
}

// ReadFile returns the parts of a file. Each stands for itself, so those that
// can be read are returned with an error that wraps ErrDamaged. Of another
// file nothing is returned; the error then wraps ErrFormat.
func ReadFile(r io.Reader) ([]Part, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, lineMax)
	var h header
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &h) != nil || h.Format != Format {
		return nil, errors.Join(ErrFormat, lines.Err())
	}
	var parts []Part
	var damage []error
	for n := 2; lines.Scan(); n++ {
		var p Part
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil || len(p.Sealed) == 0 {
			damage = append(damage, fmt.Errorf("line %d is not a part: %w", n, ErrDamaged))
			continue
		}
		parts = append(parts, p)
	}
	if err := lines.Err(); err != nil {
		damage = append(damage, fmt.Errorf("after %d parts: %w: %w", len(parts), ErrDamaged, err))
	}
	if len(damage) == 0 && len(parts) != h.Parts {
		damage = append(damage, fmt.Errorf("%d parts of %d: %w", len(parts), h.Parts, ErrDamaged))
	}
	return parts, errors.Join(damage...)
}
