package main

import (
	"bytes"
	"fmt"
	"go/format"
	"strings"

	"github.com/vipaso/vipasod/daemon/catalogue"
)

// render returns the generated files by their path from the root.
func render(entries []catalogue.Entry) (map[string][]byte, error) {
	reasons, err := constants(entries)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		"daemon/catalogue/reasons.go": reasons,
		"daemon/catalogue/ERRORS.md":  page(entries),
		"deploy/vipasod.catalog":      journal(entries),
	}, nil
}

// constants is a Go file with one constant per reason.
func constants(entries []catalogue.Entry) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("// Code generated from errors.toml. DO NOT EDIT.\n\npackage catalogue\n\n")
	b.WriteString("// The reasons. They are API: none is ever renamed or reused.\nconst (\n")
	for i, e := range entries {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "\t// %s: %s\n\t%s = %q\n", identifier(e.Code), e.What, identifier(e.Code), e.Code)
	}
	b.WriteString(")\n")
	return format.Source(b.Bytes())
}

// identifier is the Go name of a code: RequestIDReused for REQUEST_ID_REUSED.
func identifier(code string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(code, "_") {
		if word == "ID" {
			b.WriteString(word)
			continue
		}
		b.WriteString(word[:1] + strings.ToLower(word[1:]))
	}
	return b.String()
}

// page is the catalogue as a page for people.
func page(entries []catalogue.Entry) []byte {
	var b bytes.Buffer
	b.WriteString("<!-- Generated from errors.toml. Do not edit. -->\n# Reasons\n\n" +
		"Every machine-readable reason of vipasod, as `vipasoctl errors` prints it. *Status* is the gRPC code of the\n" +
		"call that fails with it; a reason without one appears only in events, Cancels and verdicts. *Retry*: `never`, the same\n" +
		"call cannot succeed; `fix`, it can once somebody has changed something; `automatic`, it is retried, or may be at once.\n\n" +
		"| reason | status | retry | the customer sees |\n|---|---|---|---|\n")
	for _, e := range entries {
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s | %s |\n", e.Code, strings.ToLower(e.Code), e.GRPC, e.Retry, e.Shopper)
	}
	for _, e := range entries {
		fmt.Fprintf(&b, "\n## %s\n\n%s %s\n\nNext: %s\n", e.Code, e.What, e.Why, e.Next)
	}
	return b.Bytes()
}

// journal is the message catalogue that journalctl -x reads. There, text
// between @ signs is replaced by a field of the log entry, which is why Parse
// refuses @.
func journal(entries []catalogue.Entry) []byte {
	var b bytes.Buffer
	b.WriteString("# Generated from daemon/catalogue/errors.toml. Do not edit.\n")
	for _, e := range entries {
		fmt.Fprintf(&b, "\n-- %s\nSubject: %s: %s\nDefined-By: vipasod\n\n%s\n\nNext step: %s\n",
			e.MessageID, e.Code, strings.TrimSuffix(e.What, "."), e.Why, e.Next)
	}
	return b.Bytes()
}
