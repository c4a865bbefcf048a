package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// emit prints m for programs if --json was given, else calls human.
func (a *app) emit(m proto.Message, human func()) error {
	if !a.json {
		human()
		return a.stdout.err
	}
	return a.object(m)
}

// object prints m as one line of JSON: proto names, every field that has a
// value or a default, 64-bit numbers as strings.
func (a *app) object(m proto.Message) error {
	b, err := protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode %s: %w", m.ProtoReflect().Descriptor().Name(), err)
	}
	// protojson varies its white space from build to build on purpose.
	var line bytes.Buffer
	if err := json.Compact(&line, b); err != nil {
		return fmt.Errorf("compact %s: %w", m.ProtoReflect().Descriptor().Name(), err)
	}
	line.WriteByte('\n')
	_, err = a.stdout.Write(line.Bytes())
	return err
}

// A plain object is what has no message in the API, because no daemon is
// asked for it. Its form follows the same rules.
func (a *app) plain(v any, human func()) error {
	if !a.json {
		human()
		return a.stdout.err
	}
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
