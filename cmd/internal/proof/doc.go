// Package proof reads and writes the texts and files by which people prove
// something to each other without a daemon or a network: receipts as QR codes,
// evidence of double spends, and journals. Whoever knows the backend's root
// key can verify each of them.
package proof
