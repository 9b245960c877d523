// Package webhooks answers one question: what was bought?
//
// A delivery never does anything by itself. The [Receiver] keeps it in the
// [Inbox] and answers 200 once it is on disk. The [Worker] takes what is due,
// has the [Shop] read the purchase back from its API, and writes the facts that
// come of it; whoever they concern is then looked at by package roles. The
// [Sweeper] asks the shop for its newest sales all by itself, because shops
// drop deliveries for good: the sweep is the guarantee, the webhook only the
// fast path.
//
// Promises: a 200 means the delivery is on disk. Any order and any repetition
// of deliveries gives the same facts. What a delivery says is never believed
// while the shop can be asked. Card details and postal addresses are dropped
// before anything is written.
//
// Each shop has a folder of its own: gumroad.
package webhooks
