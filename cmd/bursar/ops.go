package main

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// opsHandler is the operations listener.
func (a *App) opsHandler() http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(a, a.metrics.steps, a.metrics.took, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", a.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	return mux
}

// ready is red only if we cannot keep deliveries. Trouble with the provider or
// a shop is a word in the body: a red light would take the webhook target away
// exactly when it is needed.
func (a *App) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	status, body := http.StatusOK, readiness{Ready: true, Mode: a.cfg.Mode, Store: "ok", Unresolved: []string{}, Keys: []keyReadiness{}}
	// By the way that a delivery takes: a full disk can still be read.
	if err := a.store.Inbox().SetMark(ctx, "ready", a.started.Format(time.RFC3339)); err != nil {
		status, body.Ready, body.Store = http.StatusServiceUnavailable, false, "cannot be written"
		a.log.Error("not ready: deliveries cannot be kept", "err", err)
	}
	if b, err := a.store.Backlog(ctx); err == nil {
		body.Backlog = &backlog{b.EventsDue, b.EventsParked, b.PeopleDue, b.PeopleWaiting, b.PeopleHeld, b.Oldest}
	}
	if a.cfg.sells() {
		p := a.directory.Stats()
		body.Provider = providerReadiness{p.Management(), p.Throttled, p.Held, budgetNow(a.sync.budget)}
		body.Sync = a.syncNow(ctx)
		for _, o := range a.resolver.Catalog().Open {
			body.Unresolved = append(body.Unresolved, o.Error())
		}
	}
	if a.verifier != nil {
		for _, k := range a.verifier.Stats().Keys {
			body.Keys = append(body.Keys, keyReadiness{k.Issuer, k.Keys, k.FetchedAt, k.RefreshAt, k.Stale, k.Trouble})
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

// readiness is the body of /readyz; scripts may rely on its names.
type readiness struct {
	Ready      bool              `json:"ready"`
	Mode       string            `json:"mode"`
	Store      string            `json:"store"`
	Backlog    *backlog          `json:"backlog,omitempty"`
	Provider   providerReadiness `json:"provider"`
	Sync       *syncReadiness    `json:"sync,omitempty"` // the scheduled one
	Unresolved []string          `json:"unresolved"`     // names of the catalog
	Keys       []keyReadiness    `json:"keys"`
}

type backlog struct {
	EventsDue     int       `json:"events_due"`
	EventsParked  int       `json:"events_parked"`
	PeopleDue     int       `json:"people_due"`
	PeopleWaiting int       `json:"people_waiting"` // for something that could not be reached or done
	PeopleHeld    int       `json:"people_held"`    // for a password reset
	Oldest        time.Time `json:"oldest,omitzero"`
}

type providerReadiness struct {
	Calls     uint64 `json:"calls"`
	Throttled uint64 `json:"throttled"`
	Held      uint64 `json:"held"` // not made, because the limit was used up

	Budget *budgetReadiness `json:"budget,omitempty"`
}

type keyReadiness struct {
	Issuer  string    `json:"issuer"`
	Keys    int       `json:"keys"`
	Fetched time.Time `json:"fetched,omitzero"`
	Refresh time.Time `json:"refresh,omitzero"`
	Stale   bool      `json:"stale"`
	Trouble string    `json:"trouble,omitempty"`
}

// metrics counts what the parts tell. The parts register nothing themselves.
type metrics struct {
	steps *prometheus.CounterVec
	took  *prometheus.HistogramVec
}

func newMetrics() metrics {
	return metrics{
		steps: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bursar_steps_total", Help: "What happened to deliveries and people, by word."}, []string{"step"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "bursar_step_seconds", Help: "How long a step took.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}}, []string{"step"}),
	}
}

var (
	deliveriesDesc = prometheus.NewDesc("bursar_deliveries_total", "Deliveries answered, by result.", []string{"result"}, nil)
	backlogDesc    = prometheus.NewDesc("bursar_backlog", "What waits, by kind.", []string{"kind"}, nil)
	openDesc       = prometheus.NewDesc("bursar_catalog_unresolved", "Names in the catalog that are not resolved.", nil, nil)
	tokensDesc     = prometheus.NewDesc("bursar_tokens_total", "Bearer tokens judged, by verdict.", []string{"verdict"}, nil)
	keysDesc       = prometheus.NewDesc("bursar_keys", "Keys held of an issuer.", []string{"issuer"}, nil)
	staleDesc      = prometheus.NewDesc("bursar_keys_stale", "1 while an issuer's keys count only because it cannot be reached.", []string{"issuer"}, nil)
	fetchesDesc    = prometheus.NewDesc("bursar_key_fetches_total", "Fetches of an issuer's keys, by result.", []string{"issuer", "result"}, nil)
	callsDesc      = prometheus.NewDesc("bursar_provider_calls_total", "Calls to the provider's management API, by operation.", []string{"call"}, nil)
)

// Describe and Collect make the App a collector of the numbers that are asked
// for only when somebody looks.
func (a *App) Describe(ch chan<- *prometheus.Desc) {
	ch <- deliveriesDesc
	ch <- backlogDesc
	ch <- openDesc
	ch <- callsDesc
	ch <- tokensDesc
	ch <- keysDesc
	ch <- staleDesc
	ch <- fetchesDesc
	describeBudget(ch)
}

func (a *App) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if b, err := a.store.Backlog(ctx); err == nil {
		for kind, n := range map[string]int{"events due": b.EventsDue, "events parked": b.EventsParked, "people due": b.PeopleDue, "people waiting": b.PeopleWaiting, "people held": b.PeopleHeld} {
			ch <- prometheus.MustNewConstMetric(backlogDesc, prometheus.GaugeValue, float64(n), kind)
		}
	}
	if a.cfg.sells() {
		for result, n := range a.receiver.Counts() {
			ch <- prometheus.MustNewConstMetric(deliveriesDesc, prometheus.CounterValue, float64(n), result)
		}
		ch <- prometheus.MustNewConstMetric(openDesc, prometheus.GaugeValue, float64(len(a.resolver.Catalog().Open)))
		for call, n := range a.directory.Stats().Calls {
			ch <- prometheus.MustNewConstMetric(callsDesc, prometheus.CounterValue, float64(n), call)
		}
		a.collectBudget(ctx, ch)
	}
	a.collectTokens(ch)
}

// collectTokens are the numbers of the stream in which a request becomes a
// principal.
func (a *App) collectTokens(ch chan<- prometheus.Metric) {
	if a.verifier == nil {
		return
	}
	s := a.verifier.Stats()
	count := func(desc *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(desc *prometheus.Desc, n float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, n, labels...)
	}
	count(tokensDesc, s.Accepted, "accepted")
	count(tokensDesc, s.Unavailable, "cannot tell")
	for reason, n := range s.Refused {
		count(tokensDesc, n, string(reason))
	}
	for _, k := range s.Keys {
		stale := 0.0
		if k.Stale {
			stale = 1
		}
		gauge(keysDesc, float64(k.Keys), k.Issuer)
		gauge(staleDesc, stale, k.Issuer)
		count(fetchesDesc, k.Fetches-k.Failures, k.Issuer, "ok")
		count(fetchesDesc, k.Failures, k.Issuer, "failed")
	}
}
