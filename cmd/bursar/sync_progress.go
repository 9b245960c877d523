package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"bursar/provider"
	"bursar/provider/budget"
	"bursar/roles"
)

// A bar shows how far a sync has come: rate, remaining time, and what the
// provider lets us ask. It is for people: without a terminal nothing is shown.
type bar struct {
	to     *progressbar.ProgressBar // nil: nobody looks
	budget *budget.Limiter
	class  provider.Class
	total  int
	shown  time.Time
}

func (p *syncParts) progress(w io.Writer, calls bool) *bar {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return &bar{}
	}
	return &bar{to: newBar(f), budget: p.budget, class: provider.Sync}
}

func newBar(w io.Writer) *progressbar.ProgressBar {
	return progressbar.NewOptions(-1,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetWidth(24),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)
}

// show takes a step. It is called by one goroutine at a time.
func (b *bar) show(pr roles.Progress) {
	if b.to == nil {
		return
	}
	if pr.Total > 0 && pr.Total != b.total {
		b.total = pr.Total
		b.to.ChangeMax(pr.Total)
	}
	if now := time.Now(); now.Sub(b.shown) > 500*time.Millisecond {
		b.shown = now
		b.to.Describe(pr.Doing + ", " + b.outlook(pr.Calls))
	}
	_ = b.to.Set(min(pr.Done, max(b.total, pr.Done))) // a terminal that is gone stops nothing
}

// outlook is the provider's budget in a few words.
func (b *bar) outlook(calls int) string {
	rate, left := b.budget.Outlook("", b.class)
	return fmt.Sprintf("%d calls, %d left now, %.3g/s allowed", calls, left, rate)
}

func (b *bar) done() {
	if b.to != nil {
		_ = b.to.Finish()
	}
}
