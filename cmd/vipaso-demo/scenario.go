package main

import (
	"fmt"
	"slices"
	"strings"
)

// scenario is a short play: what people do, and what they must see.
type scenario struct {
	name  string
	about string // one line, for people
	cast  cast
	play  func(*stage)
}

// scenarios are all there are, in the order in which they are played.
var scenarios = slices.Concat(payScenarios, refusalScenarios, linkScenarios, crashScenarios, syncScenarios, onlineScenarios, lateScenarios)

// chosen returns the scenarios that a flag asks for.
func chosen(name string) ([]scenario, error) {
	if name == "all" {
		return scenarios, nil
	}
	for _, s := range scenarios {
		if s.name == name {
			return []scenario{s}, nil
		}
	}
	return nil, usageError{fmt.Errorf("no scenario is called %q; there are all, %s", name, strings.Join(names(), ", "))}
}

func names() []string {
	var all []string
	for _, s := range scenarios {
		all = append(all, s.name)
	}
	return all
}
