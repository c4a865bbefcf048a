package outbox

import (
	"fmt"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
)

// Key names an item: there is at most one of each kind for a request.
type Key struct {
	Kind    payment.ItemKind
	Request preauth.Hash
}

// Item is something to hand in, with the signed objects as they were sent.
// What the item does not have is empty.
type Item struct {
	Key         Key
	Payment     preauth.ID
	Request     []byte
	PreauthCert []byte // with a voucher
	Voucher     []byte
	Charge      []byte // instead of certificate and voucher
	Receipt     []byte
	Cancel      []byte

	Deadline  time.Time // when the backend stops taking it
	Total     int64     // minor units; only for the order of sending
	Currency  string
	CreatedAt time.Time
	Stored    int64 // place in the order in which the device stored its items

	Tries   int       // answers that left it here
	NextTry time.Time // not before
	Error   string    // of the last try, a reason of the catalogue
}

// Asks reports whether the item is a question: a claim without the till's
// receipt moves nothing, so the device only asks what became of it.
func (it Item) Asks() bool {
	return it.Key.Kind == payment.ItemClaim && len(it.Receipt) == 0
}

// Size bounds the bytes that the item takes in a call.
func (it Item) Size() int {
	const frames = 7 * 4 // tag and length of six fields and of the item
	return len(it.Request) + len(it.PreauthCert) + len(it.Voucher) +
		len(it.Charge) + len(it.Receipt) + len(it.Cancel) + frames
}

// said is what an item's signed objects say.
type said struct {
	currency string       // of the Request
	promise  preauth.Hash // H(Voucher) or H(Charge), zero without either
	total    int64        // its amount plus tip, else the Request's amount; minor units
}

// read decodes the item's own objects. The row beside them is never trusted
// with money. The error wraps ErrItem.
func (it Item) read() (said, error) {
	r, err := preauth.Open[*peerv1.Request](it.Request)
	if err != nil {
		return said{}, it.broken("request", err)
	}
	if r.Hash != it.Key.Request {
		return said{}, it.broken("request", fmt.Errorf("is %s", r.Hash))
	}
	if it.Key.Kind == payment.ItemCancel && len(it.Cancel) == 0 {
		return said{}, it.broken("cancel", fmt.Errorf("is missing"))
	}
	s := said{currency: r.Body.Currency, total: r.Body.Amount}
	var named []byte
	switch {
	case len(it.Voucher) > 0:
		v, err := preauth.Open[*peerv1.Voucher](it.Voucher)
		if err != nil {
			return said{}, it.broken("voucher", err)
		}
		named, s.promise, s.total = v.Body.RequestHash, v.Hash, v.Body.Amount+v.Body.Tip
	case len(it.Charge) > 0:
		c, err := preauth.Open[*peerv1.Charge](it.Charge)
		if err != nil {
			return said{}, it.broken("charge", err)
		}
		named, s.promise, s.total = c.Body.RequestHash, c.Hash, c.Body.Amount+c.Body.Tip
	case it.Key.Kind == payment.ItemClaim:
		return said{}, it.broken("claim", fmt.Errorf("has no voucher or charge"))
	default:
		return s, nil
	}
	if preauth.Hash(named) != it.Key.Request {
		return said{}, it.broken("voucher", fmt.Errorf("is for request %x", named))
	}
	return s, nil
}

func (it Item) broken(part string, err error) error {
	return fmt.Errorf("%s of %s %s: %w: %w", part, it.Key.Kind, it.Key.Request, err, ErrItem)
}
