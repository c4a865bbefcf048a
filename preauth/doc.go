// Package preauth holds the objects that offline payments rest on:
// certificates, requests, vouchers, receipts, cancels and verdicts; how they
// are signed, decoded and judged with no network, and what a customer may
// still spend.
//
// It is pure: no clock, no disk, no radio, no randomness. Times come in as
// arguments and signatures are deterministic (RFC 6979), so that the same
// decision on the same facts always gives the same bytes.
//
// Every signed object travels, is stored and is handed in as the very bytes
// that were signed. Its identity is the hash of its body, never its
// signature, because ECDSA signatures can be altered without becoming
// invalid.
package preauth
