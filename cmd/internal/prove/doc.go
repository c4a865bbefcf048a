// Package prove shows that no fault loses or doubles money.
//
// Its simulator runs two tills, three customers and a backend through a day of
// payments in one goroutine, with virtual time and one seed: the same seed is
// the same run, bit for bit. What decides is the product: the machines, the
// verifier, the outbox, the stores of the devices and the settlement of the
// backend. What is the simulator's is the order in which things happen, the
// links, the clocks and the faults, and a driver that carries effects out the
// way package daemon does: store, then notify, then send.
//
// After each step a checker looks at all of it from outside: at the rows of
// the stores, the tables of the backend, and a settlement model of its own.
package prove
