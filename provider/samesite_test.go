package provider

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestAPageElsewhereCannotUseASession(t *testing.T) {
	for _, test := range []struct {
		method, target string
		header         []string // name, value, name, value
		ok             bool
	}{
		{"GET", "https://school.example/", nil, true},
		{"HEAD", "https://school.example/", nil, true},
		{"OPTIONS", "https://school.example/", nil, true},
		{"POST", "https://school.example/", nil, false},
		{"DELETE", "https://school.example/", nil, false},
		{"post", "https://school.example/", nil, false},
		{"PROPFIND", "https://school.example/", nil, false},
		{"POST", "https://school.example/", []string{"X-CSRF", "1"}, true},
		{"POST", "https://school.example/", []string{"X-CSRF", ""}, false},
		{"POST", "https://school.example/", []string{"X-CSRF", "0"}, false},
		{"POST", "https://school.example/", []string{"X-CSRF", "1", "X-CSRF", "1"}, false},
		{"POST", "https://school.example/", []string{"Sec-Fetch-Site", "same-origin"}, true},
		{"POST", "https://school.example/", []string{"Sec-Fetch-Site", "same-site"}, false},
		{"POST", "https://school.example/", []string{"Sec-Fetch-Site", "cross-site"}, false},
		{"POST", "https://school.example/", []string{"Sec-Fetch-Site", "none"}, false},
		{"POST", "https://school.example/", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Site", "same-origin"}, false},

		{"POST", "https://school.example/", []string{"Origin", "https://school.example"}, false}, // alone it is not enough
		{"POST", "https://school.example/", []string{"X-CSRF", "1", "Origin", "https://school.example"}, true},
		{"POST", "https://school.example:443/", []string{"X-CSRF", "1", "Origin", "https://school.example"}, true},
		{"POST", "https://SCHOOL.example/", []string{"X-CSRF", "1", "Origin", "https://school.example"}, true},
		{"POST", "http://127.0.0.1:8080/", []string{"X-CSRF", "1", "Origin", "http://127.0.0.1:8080"}, true},
		{"POST", "http://127.0.0.1:8080/", []string{"X-CSRF", "1", "Origin", "http://127.0.0.1:9090"}, false},
		{"POST", "http://school.example/", []string{"X-CSRF", "1", "Origin", "https://school.example"}, true}, // TLS ended before us
		{"POST", "https://school.example/", []string{"X-CSRF", "1", "Origin", "http://school.example"}, false},
		{"POST", "https://school.example/", []string{"X-CSRF", "1", "Origin", "https://app.example"}, true},
		{"POST", "https://school.example/", []string{"X-CSRF", "1", "Origin", "https://app.example.evil.example"}, false},
		{"POST", "https://school.example/", []string{"X-CSRF", "1", "Origin", "https://school.example.evil.example"}, false},
		{"POST", "https://school.example/", []string{"X-CSRF", "1", "Origin", "https://evil@school.example"}, false},
		{"POST", "https://school.example/", []string{"X-CSRF", "1", "Origin", "null"}, false},
		{"POST", "https://school.example/", []string{"X-CSRF", "1", "Origin", ""}, false},
		{"POST", "https://school.example/", []string{"X-CSRF", "1", "Origin", "https://school.example", "Origin", "https://school.example"}, false},
		{"GET", "https://school.example/", []string{"Origin", "https://evil.example"}, false},
		{"GET", "https://school.example/", []string{"Origin", "https://app.example"}, true},

		{"GET", "https://school.example/live", []string{"Upgrade", "websocket"}, false},
		{"GET", "https://school.example/live", []string{"Upgrade", "websocket", "Origin", "https://evil.example"}, false},
		{"GET", "https://school.example/live", []string{"Upgrade", "websocket", "Origin", "https://school.example"}, true},
		{"GET", "https://school.example/live", []string{"Upgrade", "websocket", "Sec-Fetch-Site", "same-origin"}, true},
	} {
		r := httptest.NewRequest(http.MethodGet, test.target, nil)
		r.Method = test.method
		for i := 0; i < len(test.header); i += 2 {
			r.Header.Add(test.header[i], test.header[i+1])
		}
		err := CheckSameSite(r, []string{"https://app.example"})
		if (err == nil) != test.ok || err != nil && !errors.Is(err, CrossSite) {
			t.Errorf("%s %s with %q: %v, want ok %v", test.method, test.target, test.header, err, test.ok)
		}
	}
}

func TestAPageElsewhereCannotUseAPasswordThatTheBrowserKeeps(t *testing.T) {
	g := everything(t, func(cfg *GuardConfig) { cfg.Origins = []string{"https://app.example"} })
	for _, test := range []struct {
		method string
		header []string
		want   int
	}{
		{"POST", nil, 200}, // a program
		{"POST", []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, 403},
		{"POST", []string{"Origin", "https://evil.example"}, 403},
		{"POST", []string{"Origin", "null"}, 403},
		{"POST", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"POST", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"POST", []string{"Origin", "null", "Sec-Fetch-Site", "same-origin"}, 200}, // our own form, with no-referrer
		{"POST", []string{"Origin", "https://school.example", "Sec-Fetch-Site", "same-origin"}, 200},
		{"POST", []string{"Origin", "https://school.example"}, 200},
		{"POST", []string{"Origin", "https://app.example", "Sec-Fetch-Site", "cross-site"}, 200},
		{"GET", []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, 200}, // a link
		{"GET", []string{"Upgrade", "websocket", "Origin", "https://evil.example"}, 403},
		{"GET", []string{"Upgrade", "websocket", "Origin", "https://school.example"}, 200},
	} {
		r := httptest.NewRequest(test.method, "https://school.example/reports", nil)
		r.SetBasicAuth("kim", "open:sesame")
		for i := 0; i < len(test.header); i += 2 {
			r.Header.Add(test.header[i], test.header[i+1])
		}
		if d := g.Decide(r); d.Status != test.want || test.want == 403 && !errors.Is(d.Err, CrossSite) {
			t.Errorf("%s with %q: %d %v, want %d", test.method, test.header, d.Status, d.Err, test.want)
		}
	}
}
