package due

import (
	"context"
	"time"
)

// grace is how long what was done may take to be written down while everything
// stops.
const grace = 5 * time.Second

// Save is the context in which a worker writes down what it has done: as long as
// its lease lasts, for the database may be away for a moment and who repeats the
// work would have to wait for the lease; five seconds at least. The end of ctx
// does not end it, but leaves it five seconds.
func Save(ctx context.Context, lease time.Duration) (context.Context, context.CancelFunc) {
	save, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(lease, grace))
	hurry := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-save.Done():
		}
	})
	return save, func() { hurry(); cancel() }
}
