// Package syncer is the device's side of the backend: it hands over what the
// device owes, learns what became of it, and makes the calls that need an
// answer at once, such as a pre-authorization.
//
// Being offline is normal. A Syncer that cannot reach the backend keeps
// trying, ever less often, and reports it as a state and not as an error.
// Whether there is a network is known from one thing only: an answered call.
//
// What the answer means is decided by package outbox; what the device makes
// of it, by its Book. Every verdict and certificate is verified here before
// the Book sees it.
package syncer
