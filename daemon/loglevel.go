package daemon

import (
	"log/slog"
	"strings"
	"sync"
	"time"
)

// logLevel changes how much is logged, for a while if asked.
type logLevel struct {
	mu         sync.Mutex
	level      *slog.LevelVar
	configured slog.Level
	back       *time.Timer // nil while nothing is planned
}

// newLogLevel takes the present level for the configured one. Nil is a level
// that nobody logs by.
func newLogLevel(v *slog.LevelVar) *logLevel {
	if v == nil {
		v = new(slog.LevelVar)
	}
	return &logLevel{level: v, configured: v.Level()}
}

// name returns the level in force, as the API names it.
func (l *logLevel) name() string { return strings.ToLower(l.level.Level().String()) }

// set changes the level, back to the configured one after a while, or until
// the next call if that is 0. What an earlier call had planned is off.
func (l *logLevel) set(to slog.Level, during time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.back != nil {
		l.back.Stop()
		l.back = nil
	}
	l.level.Set(to)
	if during <= 0 {
		return
	}
	var back *time.Timer
	back = time.AfterFunc(during, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.back == back { // else a later call came in between
			l.level.Set(l.configured)
			l.back = nil
		}
	})
	l.back = back
}
