package prove

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"time"
)

// dice is the only source of chance of a run.
type dice struct{ *rand.Rand }

func newDice(seed uint64) dice {
	return dice{rand.New(rand.NewPCG(seed, 0x7669_7061_736f))}
}

// chance is true in that many of a thousand cases.
func (d dice) chance(perMille int) bool { return d.IntN(1000) < perMille }

// between returns a number of from to to, both included.
func (d dice) between(from, to int64) int64 { return from + d.Int64N(to-from+1) }

// span returns a time between two.
func (d dice) span(from, to time.Duration) time.Duration {
	return time.Duration(d.between(from.Milliseconds(), to.Milliseconds())) * time.Millisecond
}

// fill makes random bytes.
func (d dice) fill(b []byte) {
	for i := range b {
		b[i] = byte(d.Uint32())
	}
}

// among returns one of several, and false if there is none.
func among[T any](d dice, all []T) (one T, ok bool) {
	if len(all) == 0 {
		return one, false
	}
	return all[d.IntN(len(all))], true
}

// keyOf is the signing key of a name: always the same one.
func keyOf(name string) (*ecdsa.PrivateKey, error) {
	secret := sha256.Sum256([]byte("key of " + name))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), secret[:])
	if err != nil {
		return nil, fmt.Errorf("key of %s: %w", name, err)
	}
	return key, nil
}

// numbered makes ids: the nth of a series is always the same.
func numbered(series string) func() ([16]byte, error) {
	n := 0
	return func() ([16]byte, error) {
		n++
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", series, n))
		return [16]byte(sum[:16]), nil
	}
}
