package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// Origins says where each key of a configuration was set: "default",
// FILE:LINE, "environment NAME" or "flag --set".
type Origins map[string]string

// Load reads the configuration: the defaults, over them the file at path, the
// VIPASO_ variables of env (as in os.Environ), and flags by key. An empty path
// means that there is no file.
//
// The error is an *InvalidError if the configuration is wrong, and lists
// everything that is.
func Load(path string, env []string, flags map[string]string) (Config, Origins, error) {
	l := loading{path: path, config: defaults(), origins: Origins{}}
	for _, s := range settings(&l.config) {
		l.origins[s.key] = "default"
	}
	if path != "" {
		if err := l.readFile(); err != nil {
			return Config{}, nil, err
		}
	}
	l.readEnv(env)
	l.readFlags(flags)
	if len(l.problems) == 0 {
		l.check()
	}
	if len(l.problems) > 0 {
		return Config{}, nil, &InvalidError{l.problems}
	}
	return l.config, l.origins, nil
}

// loading is a configuration on its way.
type loading struct {
	path     string
	file     []byte
	spans    map[string]span
	config   Config
	origins  Origins
	problems []Problem
}

func (l *loading) readFile() error {
	file, err := os.ReadFile(l.path)
	if err != nil {
		return &InvalidError{[]Problem{{
			Origin: l.path, What: "the file cannot be read: " + err.Error(),
			Why:  "vipasod does not start on half a configuration.",
			Next: "Make one with `vipasod config example > FILE`, readable for the user of vipasod.",
		}}}
	}
	if err := l.config.decode(l.path, file); err != nil {
		return err
	}
	l.file, l.spans = file, spans(file)
	for _, s := range settings(&l.config) {
		if place, ok := l.spans[s.key]; ok {
			l.origins[s.key] = at(l.path, place.line)
		}
	}
	return nil
}

func (l *loading) readEnv(env []string) {
	known := map[string]setting{}
	for _, s := range settings(&l.config) {
		known[s.env()] = s
	}
	for _, pair := range env {
		name, text, _ := strings.Cut(pair, "=")
		if s, ok := known[name]; ok {
			l.overlay(s, text, "environment "+name)
		} else if section(name, known) {
			l.problems = append(l.problems, Problem{
				Origin: "environment " + name, What: "this variable sets no known key",
				Why:  "A key that is not known is refused, because ignoring it would hide a mistake.",
				Next: "Unset it, or compare it with `vipasod config example`: radio.driver is set by VIPASO_RADIO_DRIVER.",
			})
		}
	}
}

// section reports whether name looks like a key of a table: VIPASO_RADIO_ and
// the like. Other VIPASO_ names belong to other programs.
func section(name string, known map[string]setting) bool {
	for _, s := range known {
		table, _, nested := strings.Cut(s.key, ".")
		if nested && strings.HasPrefix(name, "VIPASO_"+strings.ToUpper(table)+"_") {
			return true
		}
	}
	return false
}

func (l *loading) readFlags(flags map[string]string) {
	list := settings(&l.config)
	for _, key := range slices.Sorted(maps.Keys(flags)) {
		i := slices.IndexFunc(list, func(s setting) bool { return s.key == key })
		if i < 0 {
			l.problems = append(l.problems, Problem{
				Key: key, Origin: "flag --set", What: fmt.Sprintf("unknown key %q", key),
				Why:  "A key that is not known is refused, because ignoring it would hide a mistake.",
				Next: nextExample,
			})
			continue
		}
		l.overlay(list[i], flags[key], "flag --set")
	}
}

// overlay sets one key from the text of a flag or variable.
func (l *loading) overlay(s setting, text, origin string) {
	l.origins[s.key] = origin
	delete(l.spans, s.key) // the file's value does not count any more
	if err := s.set(text); err != nil {
		l.problems = append(l.problems, Problem{
			Key: s.key, Origin: origin, What: err.Error(),
			Why: s.key + " takes " + s.takes() + ".", Next: nextExample,
		})
	}
}
