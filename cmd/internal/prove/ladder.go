package prove

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"time"
)

// ladder is what happened, one line each, in order. Its digest is that of a
// run: two runs of one seed must agree in it.
type ladder struct {
	lines  []line
	digest hash.Hash
	names  map[[32]byte]string // of requests
	count  int
}

// line is one rung. from and to are the parties of an arrow; without to it is
// something that from did by itself.
type line struct {
	step     int
	at       time.Duration // since the run began
	from, to string
	what     string
	about    string // name of the request, if it is about one
}

func newLadder() *ladder {
	return &ladder{digest: sha256.New(), names: make(map[[32]byte]string)}
}

func (l *ladder) add(n line) {
	l.lines = append(l.lines, n)
	fmt.Fprintln(l.digest, n.String())
}

// name gives a request a short name.
func (l *ladder) name(request [32]byte) string {
	if request == ([32]byte{}) {
		return "-"
	}
	name, ok := l.names[request]
	if !ok {
		l.count++
		name = fmt.Sprintf("R%d.%s", l.count, hex.EncodeToString(request[:2]))
		l.names[request] = name
	}
	return name
}

func (n line) String() string {
	head := fmt.Sprintf("%5d %12s  ", n.step, n.at.Truncate(time.Millisecond))
	text := n.what
	if n.about != "" {
		text += " " + n.about
	}
	if n.to == "" {
		return head + fmt.Sprintf("%-8s %s", n.from, text)
	}
	return head + fmt.Sprintf("%-8s ──%s──▶ %s", n.from, text, n.to)
}

// sum is the digest of all lines so far.
func (l *ladder) sum() string { return hex.EncodeToString(l.digest.Sum(nil)) }

// text returns the whole trace.
func (l *ladder) text() []string {
	all := make([]string, len(l.lines))
	for i, n := range l.lines {
		all[i] = n.String()
	}
	return all
}
