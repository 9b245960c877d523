package gumroad_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"bursar/webhooks"
)

// A name in JSON is written once and counts for each item below it, and escaping
// makes several bytes of one.
func TestASmallDeliveryStaysSmall(t *testing.T) {
	long := strings.Repeat("a", 100<<10)
	items := strings.TrimSuffix(strings.Repeat("1,", 1990), ",")
	lists := strings.TrimSuffix(strings.Repeat("[],", 40_000), ",")
	for name, tt := range map[string]struct {
		kind, body string
		refused    bool
	}{
		"a long name of many items":       {asJSON, `{"sale_id":"x","` + long + `":[` + items + `]}`, true},
		"a long name of nothing at all":   {asJSON, `{"sale_id":"x","` + long + `":[` + lists + `]}`, true},
		"long names in one another":       {asJSON, `{"sale_id":"x","` + long + `":{"` + long + `":[` + items + `]}}`, true},
		"a name of brackets":              {asJSON, `{"sale_id":"x","` + strings.Repeat("[", 250<<10) + `":1}`, true},
		"a form that escapes":             {asForm, "sale_id=x&" + strings.Repeat("[", 250<<10) + "=1", false},
		"a form of values that escape":    {asForm, "sale_id=x&a=" + strings.Repeat("\xff", 250<<10), false},
		"a JSON of a value that escapes":  {asJSON, `{"sale_id":"x","a":"` + strings.Repeat("ü", 125<<10) + `"}`, false},
		"a form beyond what we take":      {asForm, "sale_id=x&a=" + strings.Repeat("\xff", 400<<10), true},
		"a long answer in a common field": {asJSON, `{"sale_id":"x","custom_fields":{"a":"` + long + `"},"a":"` + long + `"}`, false},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		ev, err := shopWithoutToken(t).Parse(headed(tt.kind), []byte(tt.body))
		runtime.ReadMemStats(&after)
		if m := (*webhooks.Malformed)(nil); errors.As(err, &m) != tt.refused {
			t.Errorf("%s: the error is %v, refused should be %v", name, err, tt.refused)
		}
		if len(ev.Body) > 1<<20 {
			t.Errorf("%s: %d KiB became %d", name, len(tt.body)>>10, len(ev.Body)>>10)
		}
		if mib := (after.TotalAlloc - before.TotalAlloc) >> 20; mib > 32 {
			t.Errorf("%s: %d KiB took %d MiB to read", name, len(tt.body)>>10, mib)
		}
	}
}
