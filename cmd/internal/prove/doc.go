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
// # What goes wrong
//
// Links are lost before, after and between messages; messages are lost,
// doubled, damaged and out of order. Any process dies at any effect, alone or
// two in one instant, the radio's too. Commits fail, of devices and of the
// backend, and what they wrote is on disk or not. Disks fill up. Wall clocks
// jump by ten years. Nobody reaches the backend for a while; a call, or only
// its answer, gets lost. In half of the seeds a customer owns the device down
// to the key: it clones itself, reuses and skips counters, spends beyond its
// limit and resends the vouchers of others. In half of them a till signs
// Receipt and Cancel for one request, cancels and replays what other tills
// have signed, and asks under their name.
//
// # What is looked at
//
// After each step a checker looks at all of it from outside, at the rows of
// the stores, the tables of the backend and a settlement model of its own,
// which knows what is genuine because it saw who signed. Of a device:
//
//   - events are numbered without a gap, and nothing was shown that is not stored;
//   - each commit moves a row on by one revision, along an edge of its machine;
//   - after a restart everything that was committed is there, and nothing else;
//   - nothing is sent that is not stored;
//   - of a pre-authorization, held and spent are what its vouchers say, never
//     above its limit, no counter is used twice, and at most one voucher lives
//     for what one till asks;
//   - a verified Cancel is never dropped, and outlives every verdict;
//   - a till believes no voucher that the certificate's customer did not sign
//     for this request and price, and signs one Receipt for a payment, for the
//     winner; a customer believes no till but the one that asked.
//
// Of the backend, after each call:
//
//   - the postings sum to zero, and each account has what the model says;
//   - paid, held and released are what was reserved;
//   - each verdict, with its amounts, is the one that the rules give;
//   - no guarantee is exceeded, none is paid for an honest customer, and
//     nothing is held or released while somebody is owed.
//
// When all faults have ended and everybody has met and handed everything in:
//
//   - nothing is open, held or owed any more;
//   - an honest till was paid for every verified voucher at least what was
//     guaranteed, and in full if the customer is honest;
//   - an honest customer paid only for vouchers that it stored and has no
//     Cancel for, once for each payment;
//   - every device believes what the backend says;
//   - who signed two vouchers at one counter, or more than its limit, is
//     proven to have done so, and nobody else is revoked;
//   - the stores and the books find nothing wrong with themselves.
//
// Each of the rules that the protocol names as necessary is taken away by a
// mutant, and is missed.
package prove
