package gate

import (
	"crypto/tls"
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestForwardedHeadersCountFromTrustedProxiesOnly(t *testing.T) {
	trusted := proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("127.0.0.1/32")}
	for _, tt := range []struct {
		name, peer       string
		headers          []string
		addr, host, plan string
	}{
		{"nobody says anything", "198.51.100.7:1", nil, "198.51.100.7", "school.example", "http"},
		{"a stranger forges all of it", "198.51.100.7:1", []string{"X-Forwarded-For", "1.1.1.1", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "https"}, "198.51.100.7", "school.example", "http"},
		{"a proxy tells the client", "10.0.0.1:1", []string{"X-Forwarded-For", "198.51.100.7", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "www.example:8443"}, "198.51.100.7", "www.example:8443", "https"},
		{"what the client put before it is not read", "10.0.0.1:1", []string{"X-Forwarded-For", "1.1.1.1, 198.51.100.7"}, "198.51.100.7", "school.example", "http"},
		{"not even an inner address", "10.0.0.1:1", []string{"X-Forwarded-For", "10.9.9.9, 198.51.100.7"}, "198.51.100.7", "school.example", "http"},
		{"over several hops", "10.0.0.1:1", []string{"X-Forwarded-For", "1.1.1.1, 198.51.100.7, 10.0.0.3, 10.0.0.2"}, "198.51.100.7", "school.example", "http"},
		{"over several lines", "10.0.0.1:1", []string{"X-Forwarded-For", "1.1.1.1, 198.51.100.7", "X-Forwarded-For", "10.0.0.2"}, "198.51.100.7", "school.example", "http"},
		{"all hops are ours", "10.0.0.1:1", []string{"X-Forwarded-For", "10.0.0.3, 10.0.0.2"}, "10.0.0.3", "school.example", "http"},
		{"with a port", "10.0.0.1:1", []string{"X-Forwarded-For", "198.51.100.7:5555"}, "198.51.100.7", "school.example", "http"},
		{"IPv6", "[fd00::1]:1", []string{"X-Forwarded-For", "2001:db8::7"}, "2001:db8::7", "school.example", "http"},
		{"IPv6 in brackets", "[fd00::1]:1", []string{"X-Forwarded-For", "[2001:db8::7]"}, "2001:db8::7", "school.example", "http"},
		{"IPv6 with a port", "[fd00::1]:1", []string{"X-Forwarded-For", "[2001:db8::7]:443"}, "2001:db8::7", "school.example", "http"},
		{"IPv4 in IPv6 clothes is IPv4", "[::ffff:10.0.0.1]:1", []string{"X-Forwarded-For", "::ffff:198.51.100.7"}, "198.51.100.7", "school.example", "http"},
		{"a zone is nobody else's business", "[fd00::1%eth0]:1", []string{"X-Forwarded-For", "2001:db8::7%x"}, "2001:db8::7", "school.example", "http"},
		{"no address ends the walk", "10.0.0.1:1", []string{"X-Forwarded-For", "1.1.1.1, unknown"}, "10.0.0.1", "school.example", "http"},
		{"nor does an obfuscated one lead on", "10.0.0.1:1", []string{"X-Forwarded-For", "1.1.1.1, _hidden, 10.0.0.2"}, "10.0.0.2", "school.example", "http"},
		{"empty items mean nothing", "10.0.0.1:1", []string{"X-Forwarded-For", " , 198.51.100.7,, "}, "198.51.100.7", "school.example", "http"},
		{"a websocket's scheme", "10.0.0.1:1", []string{"X-Forwarded-Proto", "wss"}, "10.0.0.1", "school.example", "https"},
		{"Forwarded is not read", "10.0.0.1:1", []string{"Forwarded", "for=198.51.100.7;proto=https;host=evil.example"}, "10.0.0.1", "school.example", "http"},
		{"nor X-Real-IP", "10.0.0.1:1", []string{"X-Real-Ip", "198.51.100.7"}, "10.0.0.1", "school.example", "http"},
		{"two opinions on the scheme", "10.0.0.1:1", []string{"X-Forwarded-Proto", "https", "X-Forwarded-Proto", "http"}, "", "", ""},
		{"in one line", "10.0.0.1:1", []string{"X-Forwarded-Proto", "https,http"}, "", "", ""},
		{"two hosts", "10.0.0.1:1", []string{"X-Forwarded-Host", "a.example", "X-Forwarded-Host", "b.example"}, "", "", ""},
		{"in one line", "10.0.0.1:1", []string{"X-Forwarded-Host", "a.example, b.example"}, "", "", ""},
		{"a host that is none", "10.0.0.1:1", []string{"X-Forwarded-Host", "a.example/x"}, "", "", ""},
		{"a host with a user", "10.0.0.1:1", []string{"X-Forwarded-Host", "u@a.example"}, "", "", ""},
		{"no peer address", "@", []string{"X-Forwarded-For", "1.1.1.1", "X-Forwarded-Host", "evil.example"}, "@", "school.example", "http"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/x", nil)
			r.Host, r.RemoteAddr = "school.example", tt.peer
			for i := 0; i < len(tt.headers); i += 2 {
				r.Header.Add(tt.headers[i], tt.headers[i+1])
			}
			s, err := trusted.settle(r)
			if tt.addr == "" {
				if err == nil {
					t.Errorf("settled as %s %s", s.RemoteAddr, s.Host)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			addr := s.RemoteAddr
			if a, ok := address(addr); ok {
				addr = a.String()
			}
			plan := map[bool]string{true: "https", false: "http"}[s.TLS != nil]
			if addr != tt.addr || s.Host != tt.host || plan != tt.plan {
				t.Errorf("settled as %s %s %s, want %s %s %s", addr, s.Host, plan, tt.addr, tt.host, tt.plan)
			}
			if r.RemoteAddr != tt.peer || r.Host != "school.example" || r.TLS != nil {
				t.Error("the caller's request changed")
			}
		})
	}
}

func TestTheRequestLineDoesNotSayWhichScheme(t *testing.T) {
	r := httptest.NewRequest("GET", "https://school.example/x", nil) // sets TLS, as a test's client would
	r.TLS = nil
	s, err := proxies(nil).settle(r)
	if err != nil || s.URL.Scheme != "" || s.URL.Host != "" || s.TLS != nil || s.URL.Path != "/x" {
		t.Errorf("settled as %+v, %v", s.URL, err)
	}
}

func TestATrustedProxyMaySayThatTheClientUsedPlainHTTP(t *testing.T) {
	r := httptest.NewRequest("GET", "/x", nil)
	r.TLS = &tls.ConnectionState{}
	r.Header.Set("X-Forwarded-Proto", "http")
	if s, err := proxies(fromNginx).settle(r); err != nil || s.TLS != nil {
		t.Errorf("settled as %+v, %v", s, err)
	}
}

func FuzzTheClientAddress(f *testing.F) {
	f.Add("1.1.1.1, 10.0.0.1", "[::1]:80")
	f.Fuzz(func(t *testing.T, a, b string) {
		ps := proxies{netip.MustParsePrefix("10.0.0.0/8")}
		peer := netip.MustParseAddr("10.0.0.9")
		// Whatever stands left of a stranger's address is that stranger's word.
		if got := ps.client(peer, []string{a + "," + b, "198.51.100.7, 10.1.1.1"}); got != netip.MustParseAddr("198.51.100.7") {
			t.Errorf("%q, %q: %v", a, b, got)
		}
		ps.client(peer, []string{a, b})
	})
}
