package payment

import (
	"fmt"
	"slices"
	"strings"
)

// CustomerDiagram draws the customer's state machine in Mermaid.
func CustomerDiagram() string {
	var lines []string
	for from, edges := range customer {
		for ev, e := range edges {
			lines = append(lines, arrow(from, e.to, string(ev)))
		}
	}
	return diagram(Requested, lines)
}

// BusinessDiagram draws the business's state machine in Mermaid.
func BusinessDiagram() string {
	var lines []string
	for from, edges := range business {
		for ev, e := range edges {
			lines = append(lines, arrow(from, e.to, string(ev)))
		}
	}
	return diagram(Open, lines)
}

func arrow(from, to State, event string) string {
	return fmt.Sprintf("    %s --> %s: %s\n", from, to, event)
}

func diagram(start State, lines []string) string {
	slices.Sort(lines)
	return "stateDiagram-v2\n    [*] --> " + string(start) + "\n" + strings.Join(lines, "")
}
