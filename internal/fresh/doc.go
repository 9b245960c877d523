// Package fresh remembers what a database says, and knows within half a second
// when it says something else, also by another process.
//
// The database counts changes: everything that may be remembered has a key, a
// key belongs to one of [Shards] shards, and whoever changes something counts
// up its shard in the same transaction. So one small read tells of everything
// that is remembered whether it still stands, and it serves all keys for as
// long as the bound; what was heard of at once ([Source] Doubts) is asked for at
// once. An entry is tied to the count that was read before it was loaded, so a
// change that comes during the load leaves an entry that is never used.
//
// The count of a shard must show every change that can be read. A row that
// stays locked from its update to the commit does: a second transaction cannot
// count past the first one.
package fresh
