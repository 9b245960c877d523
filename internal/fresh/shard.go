package fresh

// Shards is how many counters stand for all that can be remembered. More of
// them forget less by each change, and cost more to read.
const Shards = 64

// Shard is which counter belongs to the key: FNV-1a, folded. It is the same for
// ever and everywhere, because the database keeps the counters.
func Shard(key []byte) int { return shard(key) }

func shard[K []byte | string](key K) int {
	h := uint64(14695981039346656037)
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * 1099511628211
	}
	return int((h ^ h>>32) % Shards)
}
