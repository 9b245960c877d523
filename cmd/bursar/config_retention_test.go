package main

import (
	"strings"
	"testing"
	"time"
)

func TestARetentionIsReadInDays(t *testing.T) {
	for text, want := range map[string]time.Duration{"90d": 90 * day, "0": 0, "0d": 0, "2160h": 90 * day, "36h": 36 * time.Hour} {
		var d days
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want {
			t.Errorf("%q: %v, %v; want %v", text, time.Duration(d), err, want)
		}
		var again days
		written, err := d.MarshalText()
		if err != nil || again.UnmarshalText(written) != nil || again != d {
			t.Errorf("%q is written as %q, %v, and read as %v", text, written, err, again)
		}
	}
	for _, text := range []string{"", "90", "-1d", "-24h", "1.5d", "99999999d", "soon"} {
		var d days
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %v", text, time.Duration(d))
		}
	}
}

func TestARetentionOfHoursIsAFault(t *testing.T) {
	var f faults
	RetentionConfig{Deliveries: days(time.Hour)}.check(&f)
	RetentionConfig{}.defaults().check(&f)
	RetentionConfig{}.check(&f)
	if err := f.err(); err == nil || strings.Count(err.Error(), "\n") > 0 || !strings.Contains(err.Error(), "retention.deliveries: is shorter than a day") {
		t.Errorf("%v; want the one fault", err)
	}
}
