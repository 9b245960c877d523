// Package budget shares a tenant's rate limit among all who call it: purchases
// before everything else, a sync from what they leave, on one machine or many.
//
// A tenant gives its calls out of buckets: so many at once, and one more after
// each while. A [Limiter] keeps its own account of each bucket and admits a call
// only when the tenant has it to give, so that a 429 is the exception. What is
// known of a bucket is six numbers in all, a [State]; replicas share it through a
// [Shared], and all arithmetic on it is pure.
//
// What it promises:
//
//   - Alone on a tenant, it never asks for more than the bucket's size plus what
//     has flowed back, however many processes and whenever they die.
//   - Each class of call (see provider.Class) leaves a share of the bucket to the
//     more urgent ones. The share is a fraction of a call, so that even a bucket of
//     two gives its next call to the most urgent class that wants it.
//   - A 429 closes the bucket until the time it names, for everybody; what a
//     purchase in another process has just taken ahead may still be called for a
//     second. Nobody spins: whoever waits, waits for a named moment.
//   - Answers only ever lower what we believe is left. Others use the tenant too:
//     the dashboard, other clients, an older handler.
//   - When the account cannot be read or written, nothing is admitted.
//
// It knows no URLs. A call is known by the words of provider.Trouble's Doing:
// "create account".
package budget
