// Package backend is the server side of synchronization: it enrolls devices,
// sets funds aside, settles what tills and customers hand in, and publishes
// whom to trust. The rules of money are those of package preauth/ledger; this
// package verifies signatures, keeps everything in one database, and applies
// each item in one transaction.
//
// All SQL stands behind Store. It holds no rule and uses SQLite only where a
// comment says so, which leaves room for another database.
package backend
