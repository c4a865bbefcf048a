// Package daemon is the shell around the payment machines: it owns the store,
// the keys, the radio sessions and the local gRPC API, and it is the only
// place where anything happens.
//
// Every change goes the same way: a machine decides (package payment), one
// transaction stores the decision with its events and its outbox rows, and
// only then are the events published and the messages sent. There is one
// lock around "read, decide, store"; nothing slow happens under it.
package daemon
