// Package outbox decides what a device hands in to the backend, when, and
// what the answer means. It is pure: items, answers, times and randomness
// come in as arguments, and nothing is sent or stored here.
//
// # Count and sum
//
// A batch of claims and Cancels is believed only if both sides count it
// alike. Each computes, from what it has itself, one Total per currency and
// outcome over the batch's distinct H(Request) for which the answer holds a
// verdict, each counted once, however many items of the batch name it:
//
//   - Currency is the Request's;
//   - Outcome is the verdict's, the same for every item of that request;
//   - Count is the number of such requests;
//   - Sum adds amount plus tip of the voucher or charge that was handed in
//     for the request in this very batch, with any item that got the verdict.
//     A request that came as a bare Cancel, with neither, adds the amount of
//     the Request, also if the backend knows a voucher of it from somebody
//     else: the device may never have seen it, nor its tip;
//   - Settled adds the amount of the verdict.
//
// Items without a verdict count nowhere. Lines with a count of 0 do not
// exist, and their order means nothing. If the lines differ in anything, no
// item of the batch is marked synchronized, whatever its own verdict says,
// and all are handed in again later: handing in twice changes nothing.
//
// Questions are not batches: their verdicts are signed one by one, and
// nothing is counted.
package outbox
