package outbox

import "time"

// Base is how long the first retry may wait at most; each further one waits
// up to twice as long.
const Base = time.Second

// ToldMax bounds how long the backend can send a device away, so that a
// wrong answer cannot silence it for days.
const ToldMax = 15 * time.Minute

// Pace is how eagerly a device calls the backend.
type Pace struct {
	Splay time.Duration // bound on the wait before the first call
	Max   time.Duration // bound on the wait between tries
}

// First returns how long to wait before the first call after a start or a
// reconnect, from 0 to Splay, so that the tills of a street that got its
// power back do not all call at once. Entropy is 64 random bits.
func (p Pace) First(entropy uint64) time.Duration { return upTo(p.Splay, entropy) }

// Next returns how long to wait after the given number of failed tries, at
// least 1: anything up to a bound that doubles from Base to Max (full
// jitter). If the backend told how long to wait, that is obeyed instead, up
// to ToldMax.
func (p Pace) Next(tries int, told time.Duration, entropy uint64) time.Duration {
	if told > 0 {
		return min(told, ToldMax)
	}
	bound := Base
	for ; tries > 1 && bound < p.Max; tries-- {
		bound *= 2
	}
	return upTo(min(bound, p.Max), entropy)
}

// Postpone returns it as it waits after an answer at now that left it here
// because of err.
func (p Pace) Postpone(it Item, err error, now time.Time, entropy uint64) Item {
	it.Tries++
	it.NextTry = now.Add(p.Next(it.Tries, 0, entropy))
	it.Error = Reason(err)
	return it
}

func upTo(bound time.Duration, entropy uint64) time.Duration {
	return time.Duration(entropy % uint64(max(bound, 0)+1))
}
