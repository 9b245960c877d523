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

// A bar shows how far a sync has come: the calls that it takes, how long that
// goes on, and what the provider lets us ask. It is for people: without a terminal
// nothing is shown.
type bar struct {
	to     *progressbar.ProgressBar // nil: nobody looks
	room   int                      // for words beside the bar, in columns
	budget *budget.Limiter
	class  provider.Class
	cost   int    // calls that it takes, about; 0: none
	before uint64 // calls that were made before it began
	began  time.Time
	shown  time.Time
	past   []moment // the last pastFor, oldest first
}

// A moment is how many calls were made, or people gone through, until then.
type moment struct {
	at time.Time
	n  int
}

const (
	barWidth = 16
	pastFor  = 30 * time.Second // how far back the rate looks
)

// progress begins to show what takes about so many calls of a class.
func (p *syncParts) progress(w io.Writer, class provider.Class, cost int) *bar {
	b := &bar{budget: p.budget, class: class, cost: cost, before: admitted(p.budget), began: time.Now()}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return b
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil || columns <= 0 {
		columns = 80
	}
	b.room = columns - barWidth - len("100% ||   ")
	b.to = progressbar.NewOptions(-1,
		progressbar.OptionSetWriter(f),
		progressbar.OptionSetWidth(barWidth),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)
	return b
}

// admitted are all calls that the provider's budget has let pass.
func admitted(l *budget.Limiter) (n uint64) {
	for _, c := range l.Stats().Classes {
		n += c.Admitted
	}
	return n
}

// calls are those that were made since the bar began, also for people who had no
// account yet.
func (b *bar) calls() int { return int(admitted(b.budget) - b.before) }

// show takes a step. It is called by one goroutine at a time.
func (b *bar) show(pr roles.Progress) {
	now := time.Now()
	if b.to == nil || now.Sub(b.shown) < 500*time.Millisecond && pr.Done < pr.Total {
		return
	}
	b.shown = now
	calls := b.calls()
	done, total := pr.Done, pr.Total
	if b.class == provider.Audit && b.cost > 0 {
		done, total = calls, b.cost // who reads, waits for calls: to compare takes no time
	}
	if total > 0 {
		b.to.ChangeMax(max(total, done))
	}
	b.to.Describe(fit(b.words(now, pr, calls), b.room))
	_ = b.to.Set(done) // a terminal that is gone stops nothing
}

// words are what is known, the most important first.
func (b *bar) words(now time.Time, pr roles.Progress, calls int) []string {
	out := []string{pr.Doing}
	done, left := pr.Done, float64(pr.Total-pr.Done)
	if b.cost > 0 {
		out = append(out, fmt.Sprintf("%d of about %s", calls, count(max(b.cost, calls), "call")))
		done, left = calls, float64(b.cost-calls)
		if pr.Total > 0 && b.class != provider.Audit { // a repeat finds some of it done
			left = min(left, float64(b.cost)*float64(pr.Total-pr.Done)/float64(pr.Total))
		}
	}
	rate := b.rate(moment{now, done})
	switch {
	case rate > 0 && left > 0:
		out = append(out, span(left/rate)+" left")
	case rate == 0 && b.cost > 0 && now.Sub(b.began) > 2*time.Second:
		out = append(out, "waiting for the provider")
	}
	if allowed, free := b.budget.Outlook("", b.class); b.cost > 0 && allowed >= 0 {
		out = append(out, fmt.Sprintf("%.1f/s of %.1f/s allowed", rate, allowed), fmt.Sprintf("%d at once now", free))
	}
	return out
}

// rate is how many there were each second lately.
func (b *bar) rate(m moment) float64 {
	b.past = append(b.past, m)
	for len(b.past) > 2 && m.at.Sub(b.past[1].at) > pastFor {
		b.past = b.past[1:]
	}
	first := b.past[0]
	if took := m.at.Sub(first.at).Seconds(); took >= 1 {
		return float64(m.n-first.n) / took
	}
	if took := m.at.Sub(b.began).Seconds(); took > 0.2 {
		return float64(m.n) / took
	}
	return 0
}

// fit joins as many of the words as there is room for.
func fit(words []string, room int) (line string) {
	for i, w := range words {
		if i > 0 {
			w = ", " + w
		}
		if len([]rune(line+w)) > room {
			break
		}
		line += w
	}
	return line
}

// span is how long something goes on, as people say it.
func span(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < 100*time.Second:
		return fmt.Sprintf("%d s", int(d.Round(time.Second)/time.Second))
	case d < 100*time.Minute:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute)/time.Minute))
	case d < 72*time.Hour:
		return count(int(d.Round(time.Hour)/time.Hour), "hour")
	}
	return count(int(d.Round(24*time.Hour)/(24*time.Hour)), "day")
}

func (b *bar) done() {
	if b.to != nil {
		_ = b.to.Finish()
	}
}
