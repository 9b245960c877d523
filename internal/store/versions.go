package store

import (
	"context"
	"database/sql"
	"math/bits"
	"math/rand/v2"

	"bursar/internal/fresh"
)

// A shards set has bit n for shard n.
type shards uint64

// changed notes that what is remembered under the keys is another thing after
// this transaction. The counters go up just before the commit, all in one order
// (see count): so no two transactions wait for each other in a ring, and none
// holds a counter, which others need, for longer than it must.
func (t *tx) changed(_ context.Context, keys ...string) error {
	for _, key := range keys {
		t.shards |= 1 << fresh.Shard([]byte(key))
		t.wake(newVersions)
	}
	return nil
}

// maxStep leaves room for 2^40 changes of each shard.
const maxStep = 1 << 23

// count counts up what changed. The rows stay locked until the transaction
// ends, so a counter never shows a change that cannot be read yet, and never
// passes one. How far it goes is left to chance: a database that fails over may
// lose its last changes, and the next must not count to where those did.
func (t *tx) count(ctx context.Context) error {
	const count = `
		INSERT INTO versions (shard, version) VALUES ($1, $2)
		ON CONFLICT (shard) DO UPDATE SET version = versions.version + excluded.version`
	for left := t.shards; left != 0; left &= left - 1 {
		if _, err := t.exec(ctx, count, bits.TrailingZeros64(uint64(left)), 1+rand.Int64N(maxStep)); err != nil {
			return err
		}
	}
	return nil
}

// Versions counts the changes of each part of what may be remembered; see
// package fresh.
func (s *Store) Versions(ctx context.Context) (*[fresh.Shards]int64, error) {
	all := new([fresh.Shards]int64)
	err := s.read(ctx, "versions", func(ctx context.Context, r run) error {
		return r.each(ctx, func(rows *sql.Rows) error {
			var shard, version int64
			if err := rows.Scan(&shard, &version); err != nil {
				return err
			}
			if shard >= 0 && shard < fresh.Shards {
				all[shard] = version
			}
			return nil
		}, `SELECT shard, version FROM versions`)
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// Doubts goes up with every change of this process, and while Run runs on
// Postgres, with those of others.
func (s *Store) Doubts() uint64 { return s.doubts.Load() }
