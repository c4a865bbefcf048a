package prove

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// Payments is how many payments a run opens.
const Payments = 50

// world is one run: everybody who takes part, what is on its way, and the
// time.
type world struct {
	stage *Stage
	seed  uint64
	dir   string
	dice  dice
	now   time.Time // true time, which is the backend's
	step  int
	log   *ladder
	check *checker
	newID func() (preauth.ID, error)

	office      *office
	tills       []*till
	wallets     []*wallet
	rogueTill   *rogueTill   // nil if all tills are honest
	rogueWallet *rogueWallet // nil if all customers are

	links    []*session
	sessions int
	orphans  []*call // to the backend, of processes that have died since
	opened   int     // payments so far
	payments int     // to open
	quiet    bool    // nothing goes wrong any more
	apart    bool    // at the end nobody meets anybody any more
	cutOff   bool    // nobody reaches the backend
	genuine  map[[32]byte]preauth.ID
	harm     map[string]int // what went wrong, how often
}

// newWorld copies the stage and lets everybody start.
func newWorld(stage *Stage, seed uint64) (*world, error) {
	dir, err := os.MkdirTemp(stage.dir, "run-")
	if err != nil {
		return nil, err
	}
	w := &world{
		stage: stage, seed: seed, dir: dir, dice: newDice(seed), now: start, log: newLadder(),
		payments: Payments, genuine: make(map[[32]byte]preauth.ID), harm: make(map[string]int),
	}
	w.check = newChecker(w)
	if err := stage.copyTo(dir); err != nil {
		return w, err
	}
	return w, w.begin()
}

// cast says who is honest in a run of a seed.
func (w *world) cast() (rogueTill, rogueWallet bool) { return w.seed%4 >= 2, w.seed%2 == 1 }

func (w *world) begin() error {
	guarantees := []int64{0, 5_00, 20_00}
	w.now = w.now.Add(time.Second)
	if err := w.openOffice(guarantees[w.dice.IntN(len(guarantees))]); err != nil {
		return err
	}
	w.check.model.open(w.stage.people)
	badTill, badWallet := w.cast()
	for _, p := range w.stage.people {
		switch {
		case p.name == "sol" && badTill:
			w.rogueTill = newRogueTill(w, p)
		case p.name == "eve" && badWallet:
			w.rogueWallet = newRogueWallet(w, p)
		case p.role == peerv1.Role_ROLE_BUSINESS:
			w.tills = append(w.tills, newTill(w, p))
		default:
			w.wallets = append(w.wallets, newWallet(w, p))
		}
	}
	for _, o := range w.owners() {
		if err := w.start(o); err != nil {
			return err
		}
	}
	return nil
}

// close ends the run and removes what it has stored.
func (w *world) close() error {
	var errs []error
	for _, o := range w.owners() {
		if d := o.base(); d.up() {
			errs = append(errs, d.st.Close())
		}
	}
	if w.office != nil {
		errs = append(errs, w.office.close())
	}
	return errors.Join(append(errs, os.RemoveAll(w.dir))...)
}

// owners are the honest devices, in order.
func (w *world) owners() []owner {
	all := make([]owner, 0, 5)
	for _, t := range w.tills {
		all = append(all, t)
	}
	for _, c := range w.wallets {
		all = append(all, c)
	}
	return all
}

// start boots the process of a device that is down.
func (w *world) start(o owner) error {
	w.tell(o.who().name, "", "starts", preauth.Hash{})
	var err error
	switch o := o.(type) {
	case *till:
		err = o.start()
	case *wallet:
		err = o.start()
	}
	return w.after(o, err)
}

// after judges what became of something that a device did: a process that
// has died is gone from all sessions.
func (w *world) after(o owner, err error) error {
	if !o.base().up() {
		w.dropSessions(o)
	}
	if isDown(err) {
		return nil
	}
	return err
}

// tell adds a line to the ladder.
func (w *world) tell(from, to, what string, about preauth.Hash) {
	n := line{step: w.step, at: w.now.Sub(start), from: from, to: to, what: what}
	if !about.Zero() {
		n.about = w.log.name(about)
	}
	w.log.add(n)
}

// vouched remembers that a signed object is genuine, and whose it is.
func (w *world) vouched(b []byte, signer preauth.ID) { w.genuine[sha256.Sum256(b)] = signer }

// signer returns who signed an object; ok is false for a forgery.
func (w *world) signer(b []byte) (id preauth.ID, ok bool) {
	id, ok = w.genuine[sha256.Sum256(b)]
	return id, ok
}

// commitFault decides what goes wrong with a commit.
func (w *world) commitFault(d *device) fault {
	if f := d.next; f != faultNone {
		d.next = faultNone
		return f
	}
	if w.quiet || !w.dice.chance(6) {
		return faultNone
	}
	f := fault(1 + w.dice.IntN(4))
	w.harm[harmNames[f]]++
	return f
}

// dies decides whether a process dies between two effects.
func (w *world) dies(*device) bool {
	if w.quiet || !w.dice.chance(4) {
		return false
	}
	w.harm["program killed"]++
	return true
}

// Result is what a run came to.
type Result struct {
	Seed      uint64
	Payments  int
	Steps     int
	Simulated time.Duration
	Digest    string         // of the trace: equal for equal seeds
	Trace     []string       // what happened, one line each
	Edges     map[string]int // how often each edge of the two machines was taken
	Harm      map[string]int // what went wrong, how often
	Err       error          // wraps ErrViolation if a rule was broken
}

// Run runs one seed.
func (s *Stage) Run(seed uint64) Result { return s.run(seed, (*world).play) }

// run runs a seed, or, for a script, what the script says.
func (s *Stage) run(seed uint64, play func(*world) error) (r Result) {
	w, err := newWorld(s, seed)
	if w == nil {
		return Result{Seed: seed, Err: err}
	}
	defer func() { r.Err = errors.Join(r.Err, w.close()) }()
	if err == nil {
		err = play(w)
	}
	if err != nil {
		err = fmt.Errorf("seed %d, step %d: %w", seed, w.step, err)
	}
	return Result{
		Seed: seed, Payments: w.opened, Steps: w.step, Simulated: w.now.Sub(start),
		Digest: w.log.sum(), Trace: w.log.text(), Edges: w.check.edges, Harm: w.harm, Err: err,
	}
}

// request is how the ladder names requests.
var request = regexp.MustCompile(`R[0-9]+\.[0-9a-f]{4}`)

// Ladder draws what a run that failed has done with the request that its error
// names, or, without one, the end of the run.
func (r Result) Ladder() string {
	name := ""
	if r.Err != nil {
		name = request.FindString(r.Err.Error())
	}
	const last = 40
	var b strings.Builder
	skipped := 0
	for i, line := range r.Trace {
		if i < len(r.Trace)-last && (name == "" || !strings.Contains(line, name)) {
			skipped++
			continue
		}
		if skipped > 0 {
			fmt.Fprintf(&b, "      … %d other lines\n", skipped)
			skipped = 0
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}
