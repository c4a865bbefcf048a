package backend

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// tell has a device say that its log ends with that event, signed by itself or
// by whoever is given.
func (d *party) tell(sequence uint64, end string, by ...*party) {
	d.b.t.Helper()
	key := d.key
	if len(by) > 0 {
		key = by[0].key
	}
	hash := make([]byte, 32)
	copy(hash, end)
	d.b.advance(time.Second)
	h, err := preauth.Sign(key, &peerv1.JournalHead{DeviceId: d.id[:], Sequence: sequence, Hash: hash, TimeMs: d.b.now().UnixMilli()})
	must(d.b.t, err)
	_, err = d.calls.Refresh(d.b.ctx, &backendv1.RefreshRequest{JournalHead: h.Bytes})
	must(d.b.t, err)
}

// heads names what is kept of a device, such as "NEWEST 3 c".
func (d *party) heads() string {
	d.b.t.Helper()
	all, err := d.b.admin.JournalHeads(d.b.ctx, d.id)
	must(d.b.t, err)
	var out []string
	for _, h := range all {
		out = append(out, fmt.Sprintf("%s %d %s", h.Kind, h.Sequence, strings.TrimRight(string(h.Hash[:]), "\x00")))
		if _, err := preauth.Open[*peerv1.JournalHead](h.Bytes); err != nil || h.Device != d.id || !h.At.Equal(h.Signed) {
			d.b.t.Errorf("%+v: %v", h, err)
		}
	}
	return strings.Join(out, ", ")
}

// Of each device the newest head is kept, the last of each day, and what an honest device never
// signs, or not any more.
func TestJournalHeadsAreKept(t *testing.T) {
	const jump = preauth.JournalSkip
	tests := []struct {
		name string
		tell func(*street)
		want string
	}{
		{"nothing", func(s *street) { s.refresh(s.till) }, ""},
		{"one", func(s *street) { s.till.tell(3, "c") }, "NEWEST 3 c"},
		{"the same again", func(s *street) { s.till.tell(3, "c"); s.till.tell(3, "c") }, "NEWEST 3 c"},
		{"a later one", func(s *street) { s.till.tell(3, "c"); s.till.tell(5, "e") }, "NEWEST 5 e"},
		{"of three days", func(s *street) {
			s.till.tell(3, "c")
			s.till.tell(4, "d")
			s.advance(headsEvery)
			s.till.tell(5, "e")
			s.advance(headsEvery)
			s.till.tell(6, "f")
		}, "EARLIER 4 d, EARLIER 5 e, NEWEST 6 f"},
		{"that of an earlier day again", func(s *street) {
			s.till.tell(3, "c")
			s.advance(headsEvery)
			s.till.tell(4, "d")
			s.till.tell(3, "c")
		}, "LOWER 3 c, NEWEST 4 d"},
		{"a much later one", func(s *street) { s.till.tell(3, "c"); s.till.tell(3+leap, "x") }, fmt.Sprintf("NEWEST %d x", 3+leap)},
		{"after the store was put back", func(s *street) { s.till.tell(3, "c"); s.till.tell(2+jump, "x"); s.till.tell(3+jump, "y") },
			fmt.Sprintf("RESTORED 3 c, NEWEST %d y", 3+jump)},
		{"an earlier one", func(s *street) { s.till.tell(3, "c"); s.till.tell(2, "b"); s.till.tell(4, "d") }, "LOWER 2 b, NEWEST 4 d"},
		{"another end", func(s *street) { s.till.tell(3, "c"); s.till.tell(3, "x"); s.till.tell(3, "x"); s.till.tell(4, "d") }, "FORK 3 x, NEWEST 4 d"},
		{"of another device", func(s *street) { s.other.tell(3, "c") }, ""},
		{"that another signed", func(s *street) { s.till.tell(3, "c", s.other) }, ""},
		{"put back more often than anybody needs", func(s *street) {
			for i := range uint64(headsMax + 5) {
				s.till.tell((i+1)*2*leap, "c")
			}
			if n := strings.Count(s.till.heads(), "RESTORED"); n != headsMax-1 {
				t.Errorf("%d are kept", n)
			}
			must(t, s.store.Write(s.ctx, func(t Tx) error { return t.exec(`DELETE FROM journal_heads WHERE kind = 'RESTORED'`) }))
		}, fmt.Sprintf("NEWEST %d c", (headsMax+5)*2*leap)},
		{"further than can be counted", func(s *street) { s.till.tell(1<<63, "c") }, ""},
		{"more than anybody needs", func(s *street) {
			s.till.tell(500, "c")
			for i := range uint64(headsMax + 5) {
				s.till.tell(500, fmt.Sprint("x", i))
			}
			if n := strings.Count(s.till.heads(), "FORK"); n != headsMax-1 {
				t.Errorf("%d are kept", n)
			}
			s.till.tell(501, "d")
			must(t, s.store.Write(s.ctx, func(t Tx) error { return t.exec(`DELETE FROM journal_heads WHERE kind = 'FORK'`) }))
		}, "NEWEST 501 d"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStreet(t)
			tt.tell(s)
			if got := s.till.heads(); got != tt.want {
				t.Errorf("%q are kept, want %q", got, tt.want)
			}
		})
	}
}

// A device speaks for its own log alone, and what is no head keeps nobody from
// a trust bundle.
func TestJournalHeadsOfOthersAreNotKept(t *testing.T) {
	s := newStreet(t)
	h, err := preauth.Sign(s.other.key, &peerv1.JournalHead{DeviceId: s.till.id[:], Sequence: 1, Hash: make([]byte, 32), TimeMs: 1})
	must(t, err)
	for name, head := range map[string][]byte{"a head in another's name": h.Bytes, "no head": {1, 2, 3}} {
		resp, err := s.other.calls.Refresh(s.ctx, &backendv1.RefreshRequest{JournalHead: head})
		if err != nil || len(resp.TrustBundle) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	all, err := s.admin.JournalHeads(s.ctx, preauth.ID{})
	if err != nil || len(all) != 0 {
		t.Errorf("%+v: %v", all, err)
	}
}

func TestOldestRoot(t *testing.T) {
	r := newRotor(t)
	first := preauth.PublicKeyOf(&r.authority.Root.PublicKey)
	if got, err := r.admin.OldestRoot(r.ctx); err != nil || got != first {
		t.Errorf("%x: %v", got, err)
	}
	second := r.root()
	for n := range preauth.HandoversMax {
		got, err := r.admin.OldestRoot(r.ctx)
		if err != nil || got != first {
			t.Errorf("after %d more: %x: %v", n, got, err)
		}
		r.root()
	}
	if got, err := r.admin.OldestRoot(r.ctx); err != nil || got != second {
		t.Errorf("no bundle leads from it any more: %x: %v", got, err)
	}
	empty, err := Open(context.Background(), "sqlite:"+t.TempDir()+"/b.db")
	must(t, err)
	if _, err := (Admin{Store: empty}).OldestRoot(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Errorf("without roots: %v", err)
	}
	must(t, empty.Close())
}
