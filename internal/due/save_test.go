package due_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"bursar/internal/due"
)

func TestWhatWasDoneMayBeWrittenAsLongAsTheLeaseLasts(t *testing.T) {
	for _, tt := range []struct {
		name        string
		lease, ends time.Duration // of the lease, and of what the worker works for; 0: never
		want        time.Duration
	}{
		{"while all goes on", time.Minute, 0, time.Minute},
		{"a lease that is nearly over", time.Second, 0, 5 * time.Second},
		{"stopped on the way", time.Minute, 10 * time.Second, 15 * time.Second},
		{"stopped near the end", time.Minute, 58 * time.Second, time.Minute},
		{"stopped already", time.Minute, -1, 5 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				began := time.Now()
				switch {
				case tt.ends < 0:
					cancel()
				case tt.ends > 0:
					time.AfterFunc(tt.ends, cancel)
				}
				save, done := due.Save(ctx, tt.lease)
				defer done()
				<-save.Done()
				if took := time.Since(began); took != tt.want {
					t.Errorf("it lasted %v, want %v", took, tt.want)
				}
			})
		})
	}
}
