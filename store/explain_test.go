package store

import (
	"strings"
	"testing"

	"github.com/vipaso/vipasod/daemon/payment"
)

// TestPlans: what runs while somebody waits looks rows up and gets them in
// order: no walk through a table, no sorting.
func TestPlans(t *testing.T) {
	query := func(l listing, f Filter) string {
		q, _, err := l.query(f)
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	id := idOf("x")
	next := token(1, id[:])
	tests := []struct {
		name, query string
		place       string // how a page finds its beginning
	}{
		{"attempt", queryAttempt, ""},
		{"attempts of a payment", queryAttemptsOf, ""},
		{"unfinished attempts", queryUnfinished, ""},
		{"holds past their time", queryHeld, ""},
		{"guarantee used at one till", queryGuaranteedAt, ""},
		{"sale", querySale, ""},
		{"open sale", queryOpenSale, ""},
		{"asks of a sale", queryAsksIn, ""},
		{"ask", queryAsk, ""},
		{"asks of a payment", queryAsksOf, ""},
		{"owed asks", queryOwedAsks, ""},
		{"voucher seen", queryVoucherSeen, ""},
		{"guarantee used", queryGuarantee, ""},
		{"one authorization", queryAuthorization, ""},
		{"unacknowledged cancels", queryUnacked, ""},
		{"due items", queryDue, ""},
		{"deadline", queryDeadline, ""},
		{"oldest sale", queryOldestSale, ""},
		{"oldest attempt", queryOldestAttempt, ""},
		{"events", queryEvents, ""},
		{"events of a payment", queryEventsOf, ""},
		{"first page of sales", query(listSales, Filter{}), "created_at>?"},
		{"next page of sales", query(listSales, Filter{After: next, To: start, States: []payment.State{payment.Settled}}), "(created_at,id)<(?,?)"},
		{"first page of attempts", query(listAttempts, Filter{}), "created_at>?"},
		{"next page of attempts", query(listAttempts, Filter{After: next, From: start}), "(created_at,request)<(?,?)"},
		{"allowances", queryAllowances, ""},
		{"untold allowances", queryUntold, ""},
		{"end of an allowance", execEndAllowed, ""},
		{"told allowance", execTold, ""},
		{"out with a customer", queryOutFrom, ""},
		{"out at a till", queryOutTo, ""},
		{"vouchers of a customer", queryCountFrom, ""},
		{"vouchers to a till", queryCountTo, ""},
		{"awaited sales", queryAwaitedSales, ""},
		{"awaited attempts", queryAwaitedAttempts, ""},
		{"retry", execRetry, ""},
		{"clearing the latest", execNotLatest, ""},
	}
	s := openAt(t, t.TempDir(), Business)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			plan := planOf(t, s, tt.query)
			if len(plan) == 0 {
				t.Error("no plan")
			}
			for _, step := range plan {
				if !strings.HasPrefix(step, "SEARCH ") || !strings.Contains(step, tt.place) {
					t.Errorf("%s\n%s", tt.query, strings.Join(plan, "\n"))
				}
			}
		})
	}
}

// TestUnsyncedPlans: the few payments that are not synced are looked up one by
// one, however long the history is.
func TestUnsyncedPlans(t *testing.T) {
	s := openAt(t, t.TempDir(), Business)
	for _, l := range []listing{listSales, listAttempts} {
		query, _, err := l.query(Filter{Unsynced: true})
		if err != nil {
			t.Fatal(err)
		}
		plan := strings.Join(planOf(t, s, query), "\n")
		if strings.Contains(plan, "SCAN") || strings.Contains(plan, "_list") {
			t.Errorf("%s\n%s", query, plan)
		}
	}
}

// planOf returns how SQLite goes about a query.
func planOf(t *testing.T, s *Store, query string) []string {
	t.Helper()
	args := make([]any, strings.Count(query, "?"))
	for i := range args {
		args[i] = 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	rows, err := s.conn.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan
}
