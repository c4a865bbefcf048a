// Command draw makes the page and the picture of what the proofs have found.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vipaso/vipasod/cmd/internal/prove/report"
)

func main() {
	in := flag.String("in", "out", "directory of the results")
	page := flag.String("page", "out/reliability.html", "the page to write")
	picture := flag.String("picture", "", "the picture to write, if the pairs of kills were tried")
	flag.Parse()
	if err := draw(*in, *page, *picture); err != nil {
		fmt.Fprintln(os.Stderr, "draw:", err)
		os.Exit(1)
	}
}

// draw writes the page, and the picture if there is anything to show on it.
func draw(in, page, picture string) error {
	r, err := report.Load(in)
	if err != nil {
		return err
	}
	var html bytes.Buffer
	if err := r.Page(&html); err != nil {
		return err
	}
	if err := write(page, html.Bytes()); err != nil {
		return err
	}
	fmt.Println("wrote", page)
	for _, missing := range r.Missing() {
		fmt.Println("not run:", missing)
	}
	if picture == "" {
		return nil
	}
	svg, err := r.Picture()
	if errors.Is(err, report.ErrNotRun) {
		fmt.Println("left as it is:", picture)
		return nil
	}
	if err != nil {
		return err
	}
	if err := write(picture, []byte(svg)); err != nil {
		return err
	}
	fmt.Println("wrote", picture)
	return nil
}

func write(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}
