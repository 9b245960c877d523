package gumroad

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// wellKept checks what must be true of whatever was parsed.
func wellKept(t *testing.T, header http.Header, body []byte) {
	s := &Shop{name: "school"}
	ev, err := s.Parse(header, body)
	if err != nil {
		return
	}
	kept, err := parseForm(ev.Body)
	if err != nil {
		t.Fatalf("the kept body cannot be read: %v\n%q", err, ev.Body)
	}
	p, err := parsePayload(header, body)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.clean(), kept) {
		t.Fatalf("the kept body says something else:\n%q\n%q", p.clean(), kept)
	}
	if len(ev.Ref) > 64 || len(ev.Kind) > 32 {
		t.Fatalf("%d and %d bytes to show", len(ev.Ref), len(ev.Kind))
	}
	for _, f := range kept {
		if names := segments(f.key); plain(f.key) && !slices.Equal(names, []string{f.key}) {
			t.Fatalf("%q counts as one plain name, and is %q", f.key, names)
		}
		name := strings.ToLower(unbracket(f.key))
		if strings.HasPrefix(name, "card[") || strings.Contains(name, "[card][") || name == "street_address" {
			t.Fatalf("%q is kept", f.key)
		}
	}
	again, err := s.Parse(http.Header{}, ev.Body)
	if err != nil {
		// Cleaning cannot take away what makes it an event.
		t.Fatalf("the kept body is no event any more: %v\n%q", err, ev.Body)
	}
	if !bytes.Equal(again.Key, ev.Key) || !bytes.Equal(again.Body, ev.Body) {
		t.Fatalf("the kept body is another event:\n%q\n%q", ev.Body, again.Body)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"sale_id=S&card%5Bvisual%5D=4242&custom_fields%5Bsale_id%5D=S&retry_count=1",
		"subscription_id=S&purchase_ids%5B%5D=b&purchase_ids%5B%5D=a&resource_name=cancellation&cancelled=true",
		"sale_id=&custom_fields%5Bsale_id%5D=&variants%5B%5D=Pro&custom_fields%5Ba%255Bb%255D%5D=+%20%00",
		"sale_id=S&CARD%255Bvisual%255D=1&%5B%5D=&=&&==&%5Bcard%5D%5Bx%5D=%FF",
	} {
		f.Add([]byte(seed), uint64(1))
	}
	f.Fuzz(func(t *testing.T, body []byte, seed uint64) {
		header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
		wellKept(t, header, body)
		s := &Shop{name: "school"}
		ev, err := s.Parse(header, body)
		if err != nil {
			return
		}
		pairs := strings.Split(string(body), "&")
		rand.New(rand.NewPCG(seed, 1)).Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
		other, err := s.Parse(header, []byte(strings.Join(pairs, "&")))
		if err != nil || !bytes.Equal(other.Key, ev.Key) {
			t.Fatalf("the order of the pairs matters: %v\n%q\n%q", err, body, pairs)
		}
	})
}

func FuzzParseJSON(f *testing.F) {
	for _, seed := range []string{
		`{"sale_id":"S","card":{"visual":"4242"},"price":4900,"test":true,"purchaser_id":null}`,
		`{"subscription_id":"S","purchase_ids":["a","b"],"old_plan":{"tier":{"id":"x"}},"none":[]}`,
		`{"sale_id":1e400,"custom_fields":{"card":{"visual":"x"},"a[b]":"c"},"variants":{"":"Pro"}}`,
		`{"sale_id":"S","a[b]":"1","a":{"b":"2"},"list":[{"card":{"x":1}},[[]],{}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		wellKept(t, http.Header{"Content-Type": {"application/json"}}, body)
	})
}
