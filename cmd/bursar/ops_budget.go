package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bursar/provider/budget"
	"bursar/roles"
)

// What the tenant lets us ask, and how the last scheduled sync went: for /readyz
// and /metrics.

type budgetReadiness struct {
	Plan    string            `json:"plan"`
	Buckets []bucketReadiness `json:"buckets"`
}

type bucketReadiness struct {
	Name      string    `json:"name"`
	Left      int       `json:"left"` // calls at once; -1: the tenant announces no limit
	PerSecond float64   `json:"per_second"`
	ClosedTo  time.Time `json:"closed_to,omitzero"` // the tenant said that nobody is to ask before
}

func budgetNow(l *budget.Limiter) *budgetReadiness {
	s := l.Stats()
	out := &budgetReadiness{s.Plan, []bucketReadiness{}}
	for _, b := range s.Buckets {
		out.Buckets = append(out.Buckets, bucketReadiness{b.Name, b.Left, b.PerSecond, b.ClosedTo})
	}
	return out
}

type syncReadiness struct {
	Running  bool      `json:"running"` // on one of the replicas
	Finished time.Time `json:"finished,omitzero"`
	Note     string    `json:"note,omitempty"` // how the last one went
}

// syncNow is nil without a schedule, or if nobody can tell.
func (a *App) syncNow(ctx context.Context) *syncReadiness {
	if a.schedule == nil {
		return nil
	}
	t, err := a.store.Turns().Turn(ctx, roles.SyncTurn)
	if err != nil {
		return nil
	}
	return &syncReadiness{t.Holder != "" && time.Now().Before(t.LeasedUntil), t.Finished, t.Note}
}

var (
	leftDesc     = prometheus.NewDesc("bursar_provider_calls_left", "Calls that the tenant's limit has room for now; -1: it announces none.", []string{"bucket"}, nil)
	admittedDesc = prometheus.NewDesc("bursar_provider_calls_admitted_total", "Calls let through to the provider by this process, by class.", []string{"class"}, nil)
	heldDesc     = prometheus.NewDesc("bursar_provider_calls_held_total", "Calls put off because the limit was used up or kept for more urgent ones, by class.", []string{"class"}, nil)
	waitedDesc   = prometheus.NewDesc("bursar_provider_waited_seconds_total", "Time that calls stood in line, by class.", []string{"class"}, nil)
	refusedDesc  = prometheus.NewDesc("bursar_provider_throttled_total", "Answers of the provider with status 429.", nil, nil)
	syncedDesc   = prometheus.NewDesc("bursar_sync_finished_timestamp_seconds", "When the last scheduled sync was finished, by whichever replica.", nil, nil)
)

func describeBudget(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{leftDesc, admittedDesc, heldDesc, waitedDesc, refusedDesc, syncedDesc} {
		ch <- d
	}
}

func (a *App) collectBudget(ctx context.Context, ch chan<- prometheus.Metric) {
	s := a.sync.budget.Stats()
	for _, b := range s.Buckets {
		ch <- prometheus.MustNewConstMetric(leftDesc, prometheus.GaugeValue, float64(b.Left), b.Name)
	}
	for class, n := range s.Classes {
		ch <- prometheus.MustNewConstMetric(admittedDesc, prometheus.CounterValue, float64(n.Admitted), string(class))
		ch <- prometheus.MustNewConstMetric(heldDesc, prometheus.CounterValue, float64(n.Held), string(class))
		ch <- prometheus.MustNewConstMetric(waitedDesc, prometheus.CounterValue, n.Waited.Seconds(), string(class))
	}
	ch <- prometheus.MustNewConstMetric(refusedDesc, prometheus.CounterValue, float64(s.Throttled))
	if last := a.syncNow(ctx); last != nil && !last.Finished.IsZero() {
		ch <- prometheus.MustNewConstMetric(syncedDesc, prometheus.GaugeValue, float64(last.Finished.Unix()))
	}
}
