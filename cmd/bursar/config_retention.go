package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"bursar/internal/store"
)

// RetentionConfig says how long what only explains the past is kept. Zero is for
// ever.
type RetentionConfig struct {
	Deliveries days `toml:"deliveries"`
	Journal    days `toml:"journal"`
}

// defaults are a season for bodies, which a buyer may still ask about, and two
// years for journals.
func (RetentionConfig) defaults() RetentionConfig {
	return RetentionConfig{Deliveries: days(90 * day), Journal: days(730 * day)}
}

func (r RetentionConfig) check(f *faults) {
	for key, d := range map[string]days{"retention.deliveries": r.Deliveries, "retention.journal": r.Journal} {
		if d != 0 && time.Duration(d) < day {
			f.add(key, "is shorter than a day; 0 keeps for ever")
		}
	}
}

const day = 24 * time.Hour

// days reads "90d", "2160h" and "0".
type days time.Duration

func (d *days) UnmarshalText(b []byte) error {
	text := string(b)
	if number, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(number, 10, 16); err == nil {
			*d = days(time.Duration(n) * day)
			return nil
		}
	}
	v, err := time.ParseDuration(text)
	if err != nil || v < 0 {
		return fmt.Errorf(`%q is no number of days, such as "90d"; "0" keeps for ever`, text)
	}
	*d = days(v)
	return nil
}

func (d days) MarshalText() ([]byte, error) {
	if v := time.Duration(d); v%day != 0 {
		return []byte(v.String()), nil
	}
	return fmt.Appendf(nil, "%dd", time.Duration(d)/day), nil
}

// retain lets go of what is older than the config says, now and every hour, until
// ctx ends. Several replicas may do it at once.
func (a *App) retain(cfg RetentionConfig) func(context.Context) error {
	return func(ctx context.Context) error {
		tick := time.NewTicker(time.Hour)
		defer tick.Stop()
		for {
			a.letGo(ctx, store.Retention{Deliveries: time.Duration(cfg.Deliveries), Journal: time.Duration(cfg.Journal)})
			select {
			case <-tick.C:
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// letGo works in small steps, with room between them for whoever has just paid.
func (a *App) letGo(ctx context.Context, r store.Retention) {
	var bodies, lines int
	pause := time.NewTicker(50 * time.Millisecond)
	defer pause.Stop()
	for more := true; more && ctx.Err() == nil; {
		gone, err := a.store.Retain(ctx, r)
		if err != nil {
			if ctx.Err() == nil {
				a.log.Warn("what is old was not let go of; it is tried again within the hour", "err", err)
			}
			return
		}
		bodies, lines, more = bodies+gone.Bodies, lines+gone.Lines, gone.More
		if more {
			select {
			case <-pause.C:
			case <-ctx.Done():
			}
		}
	}
	if bodies+lines > 0 {
		a.log.Info("let go of what is old", "bodies", bodies, "journal_lines", lines)
	}
}
