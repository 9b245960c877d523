package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/provider"
	"bursar/provider/budget"
	"bursar/roles"
)

func TestABarSaysHowLongItGoesOn(t *testing.T) {
	limiter, err := budget.New(budget.Config{Tenant: "school.example.test"})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Date(2026, 3, 2, 13, 0, 0, 0, time.UTC)
	b := &bar{budget: limiter, class: provider.Sync, cost: 5000, began: began}
	b.words(began.Add(time.Second), roles.Progress{Doing: "giving", Total: 5000}, 2)

	// A batch is told of when it is over; calls are counted at once.
	got := b.words(began.Add(11*time.Second), roles.Progress{Doing: "giving", Total: 5000}, 22)
	if want := "giving, 22 of about 5000 calls, 41 min left"; !strings.HasPrefix(strings.Join(got, ", "), want) {
		t.Errorf("two calls a second: got %q, want %q", got, want)
	}
	b.words(began.Add(60*time.Second), roles.Progress{Doing: "giving", Done: 20, Total: 5000}, 22)
	got = b.words(began.Add(95*time.Second), roles.Progress{Doing: "giving", Done: 20, Total: 5000}, 22)
	if !slices.Contains(got, "waiting for the provider") {
		t.Errorf("no call for more than a minute: got %q", got)
	}
	if line := fit(got, len("giving, 22 of about 5000 calls")+5); line != "giving, 22 of about 5000 calls" {
		t.Errorf("a narrow terminal shows %q", line)
	}
}
