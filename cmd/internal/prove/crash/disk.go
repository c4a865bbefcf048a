package crash

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
)

// sector is what a disk writes whole or not at all.
const sector = 512

// A Disk replays a Log and knows, at each point of it, what is on disk for
// certain and what may be.
type Disk struct {
	log   *Log
	done  int
	files map[int]*file
	names map[string]int // for certain
	moves []pending      // of names
}

// file is a file on a Disk.
type file struct {
	certain []byte
	pending []pending
}

// pending is an op that is not certain, or comes after one that is not.
type pending struct {
	op       int
	certain  bool
	doubtful bool // its fsync has failed: no later one makes it certain
}

// NewDisk returns the disk before the first op of a log.
func NewDisk(l *Log) *Disk {
	d := &Disk{log: l, files: map[int]*file{}, names: map[string]int{}}
	for n, name := range slices.Sorted(maps.Keys(l.Before)) {
		d.files[n], d.names[name] = &file{certain: bytes.Clone(l.Before[name])}, n
	}
	return d
}

// Done is how many ops were done.
func (d *Disk) Done() int { return d.done }

// Next does the next op. It reports false if there is none.
func (d *Disk) Next() bool {
	if d.done == len(d.log.Ops) {
		return false
	}
	op, at := d.log.Ops[d.done], d.done
	d.done++
	switch op.Kind {
	case Write, Truncate:
		f := d.files[op.File]
		f.pending = append(f.pending, pending{op: at})
	case Create:
		d.files[op.File] = &file{}
		d.moves = append(d.moves, pending{op: at})
	case Rename, Unlink:
		d.moves = append(d.moves, pending{op: at})
	case Sync:
		f := d.files[op.File]
		f.pending = d.settle(f.pending, op.Covers, func(o Op) { f.certain = o.apply(f.certain) })
	case SyncDir:
		d.moves = d.settle(d.moves, op.Covers, func(o Op) { o.move(d.names) })
	case Failed:
		all := d.moves
		if op.File != names {
			all = d.files[op.File].pending
		}
		for i := range all {
			all[i].doubtful = all[i].doubtful || all[i].op < op.Covers && !all[i].certain
		}
	}
	return true
}

// settle makes the pending ops before a point certain and returns the rest.
// What comes after one in doubt stays in its place.
func (d *Disk) settle(all []pending, before int, certain func(Op)) []pending {
	for i := range all {
		all[i].certain = all[i].certain || all[i].op < before && !all[i].doubtful
	}
	for len(all) > 0 && all[0].certain {
		certain(d.log.Ops[all[0].op])
		all = all[1:]
	}
	return all
}

// apply returns a file after a Write or Truncate.
func (o Op) apply(b []byte) []byte {
	if o.Kind == Truncate {
		return resize(b, o.Size)
	}
	if end := o.Off + int64(len(o.Data)); int64(len(b)) < end {
		b = resize(b, end)
	}
	copy(b[o.Off:], o.Data)
	return b
}

// resize cuts b or adds zeros.
func resize(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		return b[:size]
	}
	return append(b, make([]byte, size-int64(len(b)))...)
}

// move changes names as a Create, Rename or Unlink does.
func (o Op) move(names map[string]int) {
	switch o.Kind {
	case Create:
		names[o.Name] = o.File
	case Rename:
		if f, ok := names[o.Name]; ok { // its Create may be what was lost
			names[o.To] = f
			delete(names, o.Name)
		}
	case Unlink:
		delete(names, o.Name)
	}
}

// The variants of an Image that are not drawn by lot.
const (
	Everything = iota // the process was killed, the power stayed
	Nothing           // of what was not waited for
	NoNames           // all data, no change of a name
	NoData            // all changes of names, no data
	byLot
)

// Image returns the files that a power cut at this point leaves. There is one
// for each number, the same each time; those from 4 on are drawn by lot.
func (d *Disk) Image(variant int) map[string][]byte {
	l := lot{dice: rand.New(rand.NewPCG(uint64(d.done), uint64(variant))), variant: variant}
	names := maps.Clone(d.names)
	l.draw(NoNames)
	for _, p := range d.moves {
		if p.certain || l.keeps() {
			d.log.Ops[p.op].move(names)
		}
	}
	image := map[string][]byte{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		f := d.files[names[name]]
		b := bytes.Clone(f.certain)
		l.draw(NoData)
		for _, p := range f.pending {
			if o := d.log.Ops[p.op]; p.certain {
				b = o.apply(b)
			} else {
				b = l.write(b, o)
			}
		}
		image[name] = b
	}
	return image
}

// A lot decides what of the uncertain is on disk.
type lot struct {
	dice    *rand.Rand
	variant int
	chance  float64 // to be there
	whole   bool    // a write is there or not, not torn
	garbage bool    // a file has grown before its data came, over what was there before
}

// draw draws for the names or one file; no is the variant that has none of
// them.
func (l *lot) draw(no int) {
	l.chance, l.whole, l.garbage = 1, false, false
	switch l.variant {
	case Everything:
	case Nothing, no:
		l.chance = 0
	case NoNames, NoData:
	default:
		l.chance = []float64{0, 0.1, 0.5, 0.9, 1}[l.dice.IntN(5)]
		l.whole, l.garbage = l.dice.IntN(3) == 0, l.dice.IntN(2) == 0
	}
}

func (l *lot) keeps() bool {
	return l.chance == 1 || l.chance > 0 && l.dice.Float64() < l.chance
}

// write does those parts of an op that are on disk.
func (l *lot) write(b []byte, o Op) []byte {
	switch {
	case l.chance == 1:
		return o.apply(b)
	case o.Kind == Truncate || l.whole:
		if l.keeps() {
			return o.apply(b)
		}
		return b
	}
	for from := int64(0); from < int64(len(o.Data)); {
		to := min((o.Off+from)/sector*sector+sector-o.Off, int64(len(o.Data)))
		if l.keeps() {
			b = l.grow(b, o.Off+from)
			b = Op{Kind: Write, Off: o.Off + from, Data: o.Data[from:to]}.apply(b)
		}
		from = to
	}
	return b
}

// grow makes a file reach up to a point with what was not written yet.
func (l *lot) grow(b []byte, size int64) []byte {
	old := len(b)
	if int64(old) >= size {
		return b
	}
	b = resize(b, size)
	for i := old; l.garbage && i < len(b); i++ {
		b[i] = byte(l.dice.Uint32())
	}
	return b
}
