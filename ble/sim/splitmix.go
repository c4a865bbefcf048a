package sim

// splitmix is the SplitMix64 generator: its whole state is one number, so
// that an air can be replayed from its seed on every version of Go.
type splitmix uint64

// next returns the next 64 bits.
func (s *splitmix) next() uint64 {
	*s += 0x9E3779B97F4A7C15
	z := uint64(*s)
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// below returns a number from 0 to n-1.
func (s *splitmix) below(n int) int { return int(s.next() % uint64(n)) }
