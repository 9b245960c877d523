package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"bursar/provider"
)

// An attack is what somebody tries, and what must come of it. Unless the row
// says otherwise nothing comes of it: the upstream sees no request, no session
// begins or ends, no cookie of a session is set, and no tenant is asked.
type attack struct {
	what string
	shot func(p *prey) shot // prepares it, and is not yet the attack
	want int                // status

	passes bool                                        // it is disarmed, and what is left may reach the upstream
	begins bool                                        // it is disarmed, and a login goes on as it should
	ends   bool                                        // a session ends, the right one
	asks   string                                      // the one route that a tenant is asked
	check  func(p *prey, resp *http.Response) []string // what else is wrong
}

// fire is an attack of one request that needs no preparation. $kim stands for
// the cookie of Kim's session, $bearer and $grant for Kim's tokens.
func fire(lines ...string) func(*prey) shot {
	return func(p *prey) shot {
		fill := strings.NewReplacer("$kim", p.kim.session(), "$lee", p.lee.session(), "$bearer", p.bearer, "$grant", p.grant)
		s := shot{}
		for _, line := range lines {
			s.lines = append(s.lines, fill.Replace(line))
		}
		return s
	}
}

// posted adds a body, from adds whence it comes.
func posted(body string, lines ...string) func(*prey) shot {
	return func(p *prey) shot {
		s := fire(lines...)(p)
		s.body = body
		return s
	}
}

func from(address string, lines ...string) func(*prey) shot {
	return func(p *prey) shot {
		s := fire(lines...)(p)
		s.from = address
		return s
	}
}

func TestNoAttackOnTheServiceComesOff(t *testing.T) {
	t.Parallel()
	p := newPrey(t)
	for _, group := range []struct {
		name    string
		attacks []attack
	}{
		{"not an attack", controls()},
		{"open redirect", redirects()},
		{"login of somebody else", logins()},
		{"ID token", idTokens()},
		{"session", sessions()},
		{"another site", otherSites()},
		{"header", headers()},
		{"path", paths()},
		{"host and method", hostsAndMethods()},
		{"token", tokens()},
		{"logout token", logoutTokens()},
		{"password", passwords()},
		{"forward auth", checks()},
		{"cache", caches()},
	} {
		for _, a := range group.attacks {
			t.Run(group.name+"/"+a.what, func(t *testing.T) { p.t = t; p.suffer(t, a) })
		}
	}
	p.t = t
	for name, v := range map[string]*visitor{"Kim": p.kim, "Lee": p.lee} {
		if resp := p.send(shot{lines: []string{"GET /auth/session", v.cookie()}}); resp.StatusCode != http.StatusOK {
			t.Errorf("after all this %s is logged out: %d", name, resp.StatusCode)
		}
	}
}

func (p *prey) suffer(t *testing.T, a attack) {
	s := a.shot(p)
	before := p.standing()
	resp := p.send(s)
	reached, begun, ended, asked := p.standing().since(before)
	if resp.StatusCode != a.want {
		t.Errorf("answered %d %v, want %d:\n%s", resp.StatusCode, resp.Header, a.want, body(resp))
	}
	if want := count01(a.passes); reached != want {
		t.Errorf("%d requests reached the upstream, want %d", reached, want)
	}
	if begun != count01(a.begins) || ended != count01(a.ends) {
		t.Errorf("%d sessions began and %d ended", begun, ended)
	}
	if a.begins && a.asks == "" {
		a.asks = "school POST /oauth/token"
	}
	// A key id that nobody knows may have the issuer's own keys fetched anew, every
	// 30 seconds; it depends on how long all this takes.
	asked = slices.DeleteFunc(asked, func(call string) bool { return call == "school GET /.well-known/jwks.json" })
	if got := strings.Join(asked, ", "); got != a.asks {
		t.Errorf("the tenants were asked %q, want %q", got, a.asks)
	}
	for _, c := range resp.Cookies() {
		if strings.Contains(strings.ToLower(c.Name), "session") && c.Value != "" && !a.begins {
			t.Errorf("a cookie was set: %s", c.Name)
		}
	}
	if a.check != nil {
		for _, complaint := range a.check(p, resp) {
			t.Error(complaint)
		}
	}
}

func count01(b bool) int {
	if b {
		return 1
	}
	return 0
}

// controls show that the world is not simply shut.
func controls() []attack {
	session := "Cookie: " + sessionName + "=$kim"
	return []attack{
		{what: "Kim reads a lesson by session", shot: fire("GET /lessons/one", session), want: 200, passes: true},
		{what: "Kim reads a lesson by token", shot: fire("GET /lessons/one", "Authorization: Bearer $bearer"), want: 200, passes: true},
		{what: "Kim writes by session", shot: posted("x=1", "POST /account/name", session, "X-CSRF: 1", "Origin: "+schoolOrigin), want: 200, passes: true},
		{what: "Kim's page opens a websocket, which this upstream does not know", shot: fire("GET /account/live", session, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Origin: "+schoolOrigin), want: 200, passes: true},
		{what: "Kim enters the room", shot: fire("GET /room/", "Authorization: Bearer $grant"), want: 200, passes: true},
		{what: "Ann enters by the door", shot: fire("GET /door/", "Authorization: "+basicAuth("ann", "open-sesame-1")), want: 200, passes: true},
		{what: "Kim logs in", shot: func(p *prey) shot {
			v := p.visitor()
			return v.back(v.answer("/auth/login?provider=school&return_to=/lessons/one%3Fa=b", learner, learnerP))
		}, want: 303, begins: true, check: lands("/lessons/one?a=b")},
		{what: "the proxy asks about a lesson of Kim's", shot: from(edgeProxy, "GET /auth/check", session, "X-Original-URL: https://school.example/lessons/one", "X-Original-Method: GET"), want: 200},
		{what: "nobody asks for a lesson", shot: fire("GET /lessons/one"), want: 401},
		{what: "Kim asks for what Kim does not hold", shot: fire("GET /admin/", session), want: 403},
		{what: "the upstream sets our cookies", shot: fire("GET /open/"), want: 200, passes: true, check: func(_ *prey, resp *http.Response) []string {
			if set := resp.Header["Set-Cookie"]; len(set) > 0 {
				return []string{fmt.Sprintf("they came through: %q", set)}
			}
			return nil
		}},
	}
}

func lands(want string) func(*prey, *http.Response) []string {
	return func(_ *prey, resp *http.Response) []string {
		if got := resp.Header.Get("Location"); got != want {
			return []string{fmt.Sprintf("leads to %q, want %q", got, want)}
		}
		return nil
	}
}

// redirects want the browser to end at somebody else's.
func redirects() (out []attack) {
	for _, to := range []string{
		"https://evil.example/", "http://school.example/", "//evil.example/", "///evil.example", "////evil.example/%2f..", `/\evil.example`, `\\evil.example`, `\/evil.example`,
		"/%2fevil.example", "/%5cevil.example", "/%252fevil.example", "/%09/evil.example", "/\t/evil.example", "/\nevil.example", "\x00//evil.example", " //evil.example",
		"https:evil.example", "https:/evil.example", "https:///evil.example", "javascript:alert(1)", "data:text/html,x",
		"https://school.example@evil.example/", "https://evil.example\\@school.example/", "https://school.example.evil.example/", "https://school.example:8443/", "https://u:p@school.example/",
		"/..//evil.example", "/%2e%2e//evil.example", "/./evil.example/..//x", "/lessons//evil.example", "evil.example", "?next=https://evil.example", "/%0d%0aLocation:%20https://evil.example", "/\r\nSet-Cookie: a=b",
		"/auth/logged-out", "/auth/login?return_to=//evil.example",
	} {
		out = append(out, attack{what: fmt.Sprintf("a login that is to end at %q", to), shot: func(p *prey) shot {
			v := p.visitor()
			return v.back(v.answer("/auth/login?provider=school&return_to="+url.QueryEscape(to), learner, learnerP))
		}, want: 303, begins: true, check: lands("/")})
	}
	at := "/auth/login?provider=school&"
	return append(out, []attack{
		{what: "a return path that is there twice, the second one bad", shot: func(p *prey) shot {
			v := p.visitor()
			return v.back(v.answer(at+"return_to=/open/&return_to=//evil.example", learner, learnerP))
		}, want: 303, begins: true, check: lands("/open/")},
		{what: "a target of a login that the provider starts", shot: func(p *prey) shot {
			v := p.visitor()
			return v.back(v.answer(at+"target_link_uri=https://evil.example/", learner, learnerP))
		}, want: 303, begins: true, check: lands("/")},
		{what: "parameters of the answer that name another place", shot: func(p *prey) shot {
			v := p.visitor()
			s := v.back(v.answer(at+"return_to=/open/", learner, learnerP))
			s.lines[0] += "&return_to=https://evil.example&redirect_uri=https://evil.example"
			return s
		}, want: 303, begins: true, check: lands("/open/")},
		{what: "an address to come back to, and parameters of our own", shot: fire("GET " + at + "redirect_uri=https://evil.example/&client_id=evil&scope=admin&state=mine&nonce=mine&response_type=token&request_uri=https://evil.example&connection=evil&prompt=none"),
			want: 302, check: func(_ *prey, resp *http.Response) (wrong []string) {
				to := resp.Header.Get("Location")
				for _, bad := range []string{"evil", "admin", "mine", "response_type=token", "prompt"} {
					if strings.Contains(to, bad) {
						wrong = append(wrong, fmt.Sprintf("%q is in %s", bad, to))
					}
				}
				return wrong
			}},
		{what: "the login under another host name", shot: fire("GET "+at, "Host: evil.example", "X-Forwarded-Host: evil.example"), want: 302, check: func(_ *prey, resp *http.Response) []string {
			if to := resp.Header.Get("Location"); strings.Contains(to, "evil") || !strings.Contains(to, url.QueryEscape(schoolOrigin+"/auth/callback/school")) {
				return []string{"leads to " + to}
			}
			return nil
		}},
		{what: "a guarded page under another host name", shot: fire("GET /account/", "Host: evil.example", "Accept: text/html"), want: 302, check: lands(schoolOrigin + "/auth/login?return_to=%2Faccount%2F")},
		{what: "a guarded page whose path names a host", shot: fire("GET //evil.example/../account/", "Accept: text/html"), want: 302, check: func(_ *prey, resp *http.Response) []string {
			if to := resp.Header.Get("Location"); !strings.HasPrefix(to, schoolOrigin+"/auth/login") || strings.Contains(to, "return_to=%2F%2F") {
				return []string{"leads to " + to}
			}
			return nil
		}},
		{what: "the end of a logout that is to end elsewhere", shot: fire("GET /auth/logged-out?state=x&returnTo=https://evil.example&return_to=//evil.example&post_logout_redirect_uri=https://evil.example"), want: 303, check: lands("/")},
		{what: "a logout that is to end elsewhere", shot: func(p *prey) shot {
			return shot{lines: []string{"POST /auth/logout?returnTo=https://evil.example", p.logIn("school").cookie(), "X-CSRF: 1", "Content-Type: application/x-www-form-urlencoded"},
				body: "return_to=https%3A%2F%2Fevil.example&post_logout_redirect_uri=https%3A%2F%2Fevil.example"}
		}, want: 303, ends: true, asks: "school POST /oauth/revoke", check: func(_ *prey, resp *http.Response) []string {
			if to := resp.Header.Get("Location"); strings.Contains(to, "evil") || !strings.Contains(to, url.QueryEscape(schoolOrigin+"/auth/logged-out")) {
				return []string{"leads to " + to}
			}
			return nil
		}},
		{what: "a folder whose name is a host", shot: fire("GET /files//evil.example"), want: 301, check: func(_ *prey, resp *http.Response) []string {
			to, err := resp.Location()
			base := url.URL{Scheme: "https", Host: "school.example", Path: "/files//evil.example"}
			if err != nil || base.ResolveReference(to).Host != "school.example" {
				return []string{"leads to " + resp.Header.Get("Location")}
			}
			return nil
		}},
	}...)
}

// changed is Kim's own answer with something changed, in Kim's own browser.
func changed(login, callback string, change func(q url.Values)) func(*prey) shot {
	return func(p *prey) shot {
		v := p.visitor()
		at := v.answer("/auth/login?provider="+login, learner, learnerP)
		q := at.Query()
		change(q)
		return v.back(&url.URL{Path: "/auth/callback/" + callback, RawQuery: q.Encode()})
	}
}

// logins want a browser to be logged in as somebody else, or an answer to count
// where it does not belong.
func logins() []attack {
	const spent = "school POST /oauth/token"
	return []attack{
		{what: "my answer in the victim's browser", shot: func(p *prey) shot {
			return shot{lines: []string{"GET " + p.visitor().answer("/auth/login?provider=school", learner, learnerP).RequestURI()}}
		}, want: 400},
		{what: "my answer in a browser with a login of its own under way", shot: func(p *prey) shot {
			mine, victim := p.visitor(), p.visitor()
			victim.answer("/auth/login?provider=school", "lee@example.com", leePassword)
			return victim.back(mine.answer("/auth/login?provider=school", learner, learnerP))
		}, want: 400},
		{what: "my answer posted by a form into the victim's browser", shot: func(p *prey) shot {
			at, victim := p.visitor().answer("/auth/login?provider=school", learner, learnerP), p.visitor()
			victim.answer("/auth/login?provider=school", "lee@example.com", leePassword)
			return shot{lines: []string{"POST " + at.Path, victim.cookie(), "Content-Type: application/x-www-form-urlencoded"}, body: at.RawQuery}
		}, want: 400},
		{what: "my answer in the browser of somebody who is logged in", shot: func(p *prey) shot {
			return p.lee.back(p.visitor().answer("/auth/login?provider=school", learner, learnerP))
		}, want: 303, check: lands("/")}, // as Lee still
		{what: "a state that was used, by who has copied the browser", shot: func(p *prey) shot {
			v := p.visitor()
			at := v.answer("/auth/login?provider=school", learner, learnerP)
			copied := v.back(at)
			v.finish(at)
			return copied
		}, want: 400},
		{what: "a state that was used, with another code", shot: func(p *prey) shot {
			v := p.visitor()
			at := v.answer("/auth/login?provider=school", learner, learnerP)
			cookie := v.cookie()
			v.finish(at)
			q := at.Query()
			q.Set("code", p.visitor().answer("/auth/login?provider=school", learner, learnerP).Query().Get("code"))
			return shot{lines: []string{"GET " + at.Path + "?" + q.Encode(), cookie}}
		}, want: 400},
		{what: "no state", shot: changed("school", "school", func(q url.Values) { q.Del("state") }), want: 400},
		{what: "an empty state", shot: changed("school", "school", func(q url.Values) { q.Set("state", "") }), want: 400},
		{what: "a made-up state", shot: changed("school", "school", func(q url.Values) { q.Set("state", strings.Repeat("A", 43)) }), want: 400},
		{what: "two states", shot: changed("school", "school", func(q url.Values) { q.Add("state", "x") }), want: 400},
		{what: "two codes", shot: changed("school", "school", func(q url.Values) { q.Add("code", "x") }), want: 400},
		{what: "a code and an error", shot: changed("school", "school", func(q url.Values) { q.Set("error", "access_denied") }), want: 400},
		{what: "an error with a page in it", shot: changed("school", "school", func(q url.Values) {
			q.Del("code")
			q.Set("error", "<script>alert(1)</script>")
			q.Set("error_description", "<b>call 555-evil</b>")
		}), want: 400, check: func(_ *prey, resp *http.Response) []string {
			if text := body(resp); strings.Contains(text, "alert") || strings.Contains(text, "evil") {
				return []string{text}
			}
			return nil
		}},
		{what: "a code that was spent, in a login of my own", shot: func(p *prey) shot {
			victim, mine := p.visitor(), p.visitor()
			at := victim.answer("/auth/login?provider=school", "lee@example.com", leePassword)
			victim.finish(at)
			own := mine.answer("/auth/login?provider=school", learner, learnerP)
			q := own.Query()
			q.Set("code", at.Query().Get("code"))
			own.RawQuery = q.Encode()
			return mine.back(own)
		}, want: 400, asks: spent},
		{what: "a code that nobody has spent yet, in a login of my own", shot: func(p *prey) shot {
			stolen := p.visitor().answer("/auth/login?provider=school", "lee@example.com", leePassword)
			return changed("school", "school", func(q url.Values) { q.Set("code", stolen.Query().Get("code")) })(p)
		}, want: 400, asks: spent},
		{what: "the school's answer at the club's callback", shot: changed("school", "club", func(url.Values) {}), want: 400},
		{what: "the school's answer at the club's callback, in the club's name", shot: func(p *prey) shot {
			return changed("school", "club", func(q url.Values) { q.Set("iss", p.club.Issuer()) })(p)
		}, want: 400},
		{what: "the school's answer at a callback that is nobody's", shot: changed("school", "none", func(url.Values) {}), want: 404},
		{what: "the school's answer at the callback without a name", shot: func(p *prey) shot {
			s := changed("school", "school", func(url.Values) {})(p)
			s.lines[0] = strings.Replace(s.lines[0], "/auth/callback/school", "/auth/callback", 1)
			return s
		}, want: 404},
		{what: "an answer that does not say whose it is", shot: changed("school", "school", func(q url.Values) { q.Del("iss") }), want: 400},
		{what: "an answer with an empty issuer", shot: changed("school", "school", func(q url.Values) { q.Set("iss", "") }), want: 400},
		{what: "an answer of a stranger", shot: changed("school", "school", func(q url.Values) { q.Set("iss", "https://evil.example/") }), want: 400},
		{what: "an issuer without its slash", shot: changed("school", "school", func(q url.Values) { q.Set("iss", strings.TrimSuffix(q.Get("iss"), "/")) }), want: 400},
		{what: "an answer of two issuers", shot: changed("school", "school", func(q url.Values) { q.Add("iss", "https://evil.example/") }), want: 400},
		{what: "the club mixes its login up with the school's", shot: func(p *prey) shot {
			// The club sends the browser on to the school, whose answer comes back
			// for a login that went to the club.
			code := p.visitor().answer("/auth/login?provider=school", learner, learnerP).Query()
			return changed("club", "club", func(q url.Values) { q.Set("code", code.Get("code")); q.Set("iss", code.Get("iss")) })(p)
		}, want: 400},
		{what: "the club mixes them up and lies about whose answer it is", shot: func(p *prey) shot {
			code := p.visitor().answer("/auth/login?provider=school", learner, learnerP).Query().Get("code")
			return changed("club", "club", func(q url.Values) { q.Set("code", code) })(p)
		}, want: 400, asks: "club POST /oauth/token"},
		{what: "a login that leaves out the step that was asked for", shot: func(p *prey) shot {
			return shot{lines: []string{"GET /payments/", p.logIn("school").cookie()}}
		}, want: 401},
		{what: "a step of one's own making", shot: func(p *prey) shot {
			v := p.visitor()
			v.finish(v.answer("/auth/login?provider=school&max_age=999999&step=eyJtIjo5OTk5OTl9", learner, learnerP))
			return shot{lines: []string{"GET /payments/", v.cookie()}}
		}, want: 401},
		{what: "a login at a provider that is none", shot: fire("GET /auth/login?provider=evil"), want: 404},
		{what: "a login that another issuer starts", shot: fire("GET /auth/login?iss=https://evil.example/"), want: 404},
		{what: "a login by POST", shot: posted("", "POST /auth/login?provider=school"), want: 405},
	}
}

// idTokens are what a tenant would say that was taken over, or a thief who can
// change its answers.
func idTokens() (out []attack) {
	for what, edit := range map[string]func(claims, header map[string]any){
		"the nonce of another attempt": func(c, _ map[string]any) { c["nonce"] = strings.Repeat("n", 43) },
		"no nonce":                     func(c, _ map[string]any) { delete(c, "nonce") },
		"another client's":             func(c, _ map[string]any) { c["aud"] = "club-site" },
		"ours and another client's":    func(c, _ map[string]any) { c["aud"] = []string{"school-site", "evil"} },
		"azp of another client":        func(c, _ map[string]any) { c["azp"] = "evil" },
		"another issuer's":             func(c, _ map[string]any) { c["iss"] = "https://evil.example/" },
		"expired":                      func(c, _ map[string]any) { c["exp"] = 1600000000 },
		"no subject":                   func(c, _ map[string]any) { delete(c, "sub") },
		"alg none":                     func(_, h map[string]any) { h["alg"] = "none" },
		"signed with the public key":   func(_, h map[string]any) { h["alg"] = "HS256" },
		"an access token's typ":        func(_, h map[string]any) { h["typ"] = "at+jwt" },
	} {
		out = append(out, attack{what: what, shot: func(p *prey) shot {
			v := p.visitor()
			at := v.answer("/auth/login?provider=school", learner, learnerP)
			p.school.NextIDToken(edit)
			return v.back(at)
		}, want: 400, asks: "school POST /oauth/token"})
	}
	out = append(out, attack{what: "of an earlier login of the same person", shot: func(p *prey) shot {
		v := p.visitor()
		at := v.answer("/auth/login?provider=school", learner, learnerP)
		p.school.NextTokenAnswer(func(body map[string]any) { body["id_token"] = p.granted["id_token"] })
		return v.back(at)
	}, want: 400, asks: "school POST /oauth/token"}, attack{what: "an access token in its place", shot: func(p *prey) shot {
		v := p.visitor()
		at := v.answer("/auth/login?provider=school", learner, learnerP)
		p.school.NextTokenAnswer(func(body map[string]any) { body["id_token"] = p.bearer })
		return v.back(at)
	}, want: 400, asks: "school POST /oauth/token"}, attack{what: "none at all", shot: func(p *prey) shot {
		v := p.visitor()
		at := v.answer("/auth/login?provider=school", learner, learnerP)
		p.school.NextTokenAnswer(func(body map[string]any) { delete(body, "id_token") })
		return v.back(at)
	}, want: 400, asks: "school POST /oauth/token"})
	slices.SortFunc(out, func(a, b attack) int { return strings.Compare(a.what, b.what) })
	return out
}

// sessions want a session that is somebody else's, or one that they know.
func sessions() []attack {
	planted := strings.Repeat("A", 43)
	const name = "Cookie: " + sessionName + "="
	return []attack{
		{what: "an id of my making", shot: fire("GET /account/", name+planted), want: 401},
		{what: "an id of my making, in a browser", shot: fire("GET /account/", name+planted, "Sec-Fetch-Mode: navigate"), want: 302, check: lands(schoolOrigin + "/auth/login?return_to=%2Faccount%2F")},
		{what: "an id planted before the login", shot: func(p *prey) shot {
			v := p.visitor()
			s := v.back(v.answer("/auth/login?provider=school", learner, learnerP))
			s.lines[1] += "; " + sessionName + "=" + planted
			return s
		}, want: 303, begins: true, check: func(p *prey, resp *http.Response) (wrong []string) {
			if slices.ContainsFunc(resp.Cookies(), func(c *http.Cookie) bool { return c.Value == planted }) {
				wrong = append(wrong, "the planted id was adopted")
			}
			if resp := p.send(shot{lines: []string{"GET /account/", name + planted}}); resp.StatusCode != http.StatusUnauthorized {
				wrong = append(wrong, fmt.Sprintf("the planted id is answered %d", resp.StatusCode))
			}
			return wrong
		}},
		{what: "my own live session planted before the login", shot: func(p *prey) shot {
			mine, v := p.logIn("school"), p.visitor()
			s := v.back(v.answer("/auth/login?provider=school", "lee@example.com", leePassword))
			s.lines[1] += "; " + sessionName + "=" + mine.session()
			return s
		}, want: 303, begins: true, ends: true, asks: "school POST /oauth/revoke, school POST /oauth/token"},
		{what: "a session that was logged out", shot: func(p *prey) shot {
			v := p.logIn("school")
			cookie := v.cookie()
			if resp := p.send(shot{lines: []string{"POST /auth/logout", cookie, "X-CSRF: 1"}}); resp.StatusCode != 303 {
				p.t.Fatalf("the logout: %d", resp.StatusCode)
			}
			return shot{lines: []string{"GET /account/", cookie}}
		}, want: 401},
		{what: "a session from before the login", shot: func(p *prey) shot {
			v := p.logIn("school")
			before := v.cookie()
			v.finish(v.answer("/auth/login?provider=school", learner, learnerP))
			return shot{lines: []string{"GET /account/", before}}
		}, want: 401},
		{what: "a cookie tossed in before the real one", shot: fire("GET /account/", name+"$lee; "+sessionName+"=$kim"), want: 401},
		{what: "a cookie tossed in behind the real one", shot: fire("GET /account/", name+"$kim; "+sessionName+"=$lee"), want: 401},
		{what: "a cookie tossed in that leads nowhere", shot: fire("GET /account/", name+"$kim; "+sessionName+"=x"), want: 401},
		{what: "a cookie tossed in as a second line", shot: fire("GET /account/", name+"$kim", name+"$lee"), want: 401},
		{what: "the cookie under the name that a sibling site can set", shot: fire("GET /account/", "Cookie: bursar-session=$lee"), want: 401},
		{what: "the cookie in small letters, as a sibling site could have set it", shot: fire("GET /account/", "Cookie: __host-bursar-session=$lee"), want: 401},
		{what: "the cookie under __Secure-", shot: fire("GET /account/", "Cookie: __Secure-bursar-session=$lee"), want: 401},
		{what: "a sibling's cookie beside the real one", shot: fire("GET /account/", "Cookie: bursar-session=$lee; __host-bursar-session=$lee; "+sessionName+"=$kim"), want: 200, passes: true, check: upstreamSees("Remote-User", "auth0|kim")},
		{what: "a cookie that cannot be decoded", shot: fire("GET /account/", name+"%%%;;==\xff"), want: 401},
		{what: "a cookie with a control character", shot: fire("GET /account/", name+"\x01"), want: 400},
		{what: "an empty cookie", shot: fire("GET /account/", name), want: 401},
		{what: "a cookie with one letter more", shot: fire("GET /account/", name+"$kim"+"A"), want: 401},
		{what: "a large cookie", shot: fire("GET /account/", name+strings.Repeat("A", 16<<10)), want: 401},
		{what: "a cookie larger than any", shot: fire("GET /account/", name+strings.Repeat("A", 64<<10)), want: 431},
		{what: "a thousand cookies", shot: fire("GET /account/", "Cookie: "+strings.Repeat("a=b; ", 1000)+sessionName+"=x"), want: 401},
		{what: "a row's id in place of the secret", shot: func(p *prey) shot {
			return shot{lines: []string{"GET /account/", name + p.standing().Sessions[0]}}
		}, want: 401},
		{what: "a sealed login in place of a session", shot: func(p *prey) shot {
			v := p.visitor()
			v.answer("/auth/login?provider=school", learner, learnerP)
			_, value, _ := strings.Cut(strings.TrimPrefix(v.cookie(), "Cookie: "), "=")
			return shot{lines: []string{"GET /account/", name + value}}
		}, want: 401},
		{what: "a session where only tokens count", shot: fire("GET /api/", name+"$kim"), want: 401},
		{what: "a session in the query", shot: fire("GET /account/?" + sessionName + "=$kim"), want: 401},
		{what: "a bad token beside a good session", shot: fire("GET /lessons/", name+"$kim", "Authorization: Bearer bad"), want: 401},
		{what: "a wrong password beside a good session", shot: from("203.0.113.77", "GET /lessons/", name+"$kim", "Authorization: "+basicAuth("ann", "wrong")), want: 401},
	}
}

// upstreamSees wants exactly one line of that header, with that value, at the
// upstream.
func upstreamSees(header, value string) func(*prey, *http.Response) []string {
	return func(p *prey, _ *http.Response) []string {
		if got := p.newest().Header[header]; len(got) != 1 || got[0] != value {
			return []string{fmt.Sprintf("the upstream sees %s %q, want %q", header, got, value)}
		}
		return nil
	}
}

// otherSites are pages elsewhere that the victim looks at.
func otherSites() (out []attack) {
	const session = "Cookie: " + sessionName + "=$kim"
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		out = append(out, attack{what: method + " without a sign of our own page", shot: posted("x=1", method+" /account/", session), want: 403})
	}
	for what, lines := range map[string][]string{
		"that says so itself":                     {"Sec-Fetch-Site: cross-site"},
		"of a neighbour":                          {"Sec-Fetch-Site: same-site"},
		"typed in":                                {"Sec-Fetch-Site: none"},
		"with a header that is not quite ours":    {"X-CSRF: 0"},
		"with a header that is empty":             {"X-CSRF:"},
		"with the header twice":                   {"X-CSRF: 1", "X-CSRF: 1"},
		"with the header in another spelling":     {"X_CSRF: 1"},
		"with a foreign origin":                   {"X-CSRF: 1", "Origin: https://evil.example"},
		"with a foreign origin that claims ours":  {"Sec-Fetch-Site: same-origin", "Origin: https://evil.example"},
		"with the origin null":                    {"X-CSRF: 1", "Origin: null"},
		"with our origin as a prefix":             {"X-CSRF: 1", "Origin: https://school.example.evil.example"},
		"with our origin as a suffix":             {"X-CSRF: 1", "Origin: https://evilschool.example"},
		"with our origin without TLS":             {"X-CSRF: 1", "Origin: http://school.example"},
		"with our origin at another port":         {"X-CSRF: 1", "Origin: https://school.example:8443"},
		"with a listed origin as a prefix":        {"X-CSRF: 1", "Origin: https://app.example.evil.example"},
		"with two origins":                        {"X-CSRF: 1", "Origin: https://school.example", "Origin: https://evil.example"},
		"with two origins in one":                 {"X-CSRF: 1", "Origin: https://school.example https://evil.example"},
		"with our origin as a user of theirs":     {"X-CSRF: 1", "Origin: https://school.example@evil.example"},
		"with an override that says it is a GET":  {"X-HTTP-Method-Override: GET"},
		"with a token of nobody in place of ours": {"X-CSRF-Token: 1", "X-Requested-With: XMLHttpRequest"},
	} {
		out = append(out, attack{what: "a form " + what, shot: posted("x=1", append([]string{"POST /account/", session}, lines...)...), want: 403})
	}
	slices.SortFunc(out, func(a, b attack) int { return strings.Compare(a.what, b.what) })
	upgrade := []string{"GET /account/live", session, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="}
	return append(out, []attack{
		{what: "a script that reads", shot: fire("GET /account/", session, "Origin: https://evil.example"), want: 403},
		{what: "a script that reads who is logged in", shot: fire("GET /auth/session", session, "Origin: https://evil.example"), want: 403, check: noCORS},
		{what: "a listed origin without its TLS", shot: fire("GET /auth/session", session, "Origin: http://app.example"), want: 403, check: noCORS},
		{what: "a preflight of a foreign page", shot: fire("OPTIONS /auth/session", "Origin: https://evil.example", "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: x-csrf"), want: 204, check: noCORS},
		{what: "a preflight of a sandbox", shot: fire("OPTIONS /auth/token", "Origin: null", "Access-Control-Request-Method: POST"), want: 204, check: noCORS},
		{what: "a form to where the browser keeps a password", shot: posted("x=1", "POST /door/", "Authorization: "+basicAuth("ann", "open-sesame-1"), "Origin: https://evil.example", "Sec-Fetch-Site: cross-site"), want: 403},
		{what: "a websocket of a foreign page", shot: fire(append(slices.Clone(upgrade), "Origin: https://evil.example")...), want: 403},
		{what: "a websocket that says not whose it is", shot: fire(upgrade...), want: 403},
		{what: "a websocket of a sandbox", shot: fire(append(slices.Clone(upgrade), "Origin: null")...), want: 403},
		{what: "a form that logs out", shot: posted("", "POST /auth/logout", session, "Content-Type: application/x-www-form-urlencoded"), want: 403},
		{what: "a form that logs out everywhere", shot: posted("everywhere=1", "POST /auth/logout?everywhere=1", session, "Content-Type: application/x-www-form-urlencoded", "Sec-Fetch-Site: same-site"), want: 403},
		{what: "a script that logs out", shot: posted("", "POST /auth/logout", session, "X-CSRF: 1", "Origin: https://evil.example"), want: 403},
		{what: "an image that logs out", shot: fire("GET /auth/logout", session), want: 405},
		{what: "a form that asks for a token", shot: posted("", "POST /auth/token", session), want: 403, check: noToken},
		{what: "a script that asks for a token", shot: posted("{}", "POST /auth/token", session, "Content-Type: application/json", "X-CSRF: 1", "Origin: https://evil.example"), want: 403, check: noToken},
		{what: "a form that is JSON by its look", shot: posted(`{"token":"room","x":"="}`, "POST /auth/token", session, "X-CSRF: 1", "Content-Type: text/plain"), want: 415, check: noToken},
		{what: "an image that asks for a token", shot: fire("GET /auth/token", session), want: 405, check: noToken},
	}...)
}

func noCORS(_ *prey, resp *http.Response) (wrong []string) {
	for name := range resp.Header {
		if strings.HasPrefix(name, "Access-Control-Allow-") {
			wrong = append(wrong, fmt.Sprintf("%s is %q", name, resp.Header[name]))
		}
	}
	return wrong
}

func noToken(_ *prey, resp *http.Response) []string {
	if resp.Header.Get("Room-Token") != "" || strings.Contains(body(resp), "eyJ") {
		return []string{"there is a token"}
	}
	return nil
}

// headers want the upstream to believe the client about who it is.
func headers() (out []attack) {
	const session = "Cookie: other=1; " + sessionName + "=$kim"
	for _, line := range []string{
		"Remote-User: root", "remote-user: root", "REMOTE-USER: root", "rEmOtE-uSeR: root", "Remote_User: root", "REMOTE_USER: root", "remote_user: root", "Remote.User: root", "Remote-Groups: admin",
		"Remote_Groups: admin", "Remote-Email: root@school.example", "Remote-Name: root", "Remote-Scopes: all", "Remote-Issuer: https://evil.example", "Remote-Proof: session", "Remote-Anything: root", "remote_-user: root",
		"X-Forwarded-User: root", "X-Forwarded-Email: root@school.example", "X-Forwarded-Groups: admin", "X-Forwarded-Prefix: /evil", "X-Forwarded-For: 127.0.0.1", "X_Forwarded_For: 127.0.0.1", "X-Real-IP: 127.0.0.1", "Forwarded: for=127.0.0.1;host=evil.example;proto=http",
		"X-Forwarded-Host: evil.example", "X-Forwarded-Proto: http", "X-Original-URL: /admin/", "X-Original-Method: DELETE", "X-Rewrite-URL: /admin/", "X-HTTP-Method-Override: DELETE", "X-HTTP-Method: DELETE", "X-Method-Override: DELETE", "Proxy: http://evil.example",
	} {
		name, value, _ := strings.Cut(line, ": ")
		for who, lines := range map[string][]string{"nobody": {"GET /open/"}, "Kim": {"GET /lessons/", session}} {
			out = append(out, attack{what: who + " says " + line, shot: fire(append(lines, line)...), want: 200, passes: true, check: trueIdentity(who == "Kim", value)},
				attack{what: who + " says it twice: " + line, shot: fire(append(lines, line, line)...), want: 200, passes: true, check: trueIdentity(who == "Kim", value)},
				attack{what: who + " has Connection list " + name, shot: fire(append(lines, "Connection: close, "+name+", Remote-User, Remote-Groups, X-Forwarded-For", line)...), want: 200, passes: true, check: trueIdentity(who == "Kim", value)})
		}
	}
	slices.SortFunc(out, func(a, b attack) int { return strings.Compare(a.what, b.what) })
	return append(out, []attack{
		{what: "a name with a space behind it", shot: fire("GET /open/", "Remote-User : root"), want: 400},
		{what: "a line that goes on", shot: fire("GET /open/", "X-A: b", " Remote-User: root"), want: 200, passes: true, check: trueIdentity(false, "nobody at all")},
		{what: "a return in a value", shot: fire("GET /open/", "X-A: b\rRemote-User: root"), want: 400},
		{what: "an identity as a trailer", shot: posted("1\r\nx\r\n0\r\nRemote-User: root\r\nX-Trailer: root\r\n\r\n", "POST /open/", "Transfer-Encoding: chunked", "Trailer: Remote-User, X-Trailer"), want: 200, passes: true, check: func(p *prey, resp *http.Response) []string {
			if t := p.newest().Trailer; len(t) > 0 {
				return []string{fmt.Sprintf("the upstream sees the trailers %q", t)}
			}
			return trueIdentity(false, "root")(p, resp)
		}},
		{what: "two lengths", shot: posted("x", "POST /open/", "Content-Length: 1", "Content-Length: 2"), want: 400},
		{what: "two framings", shot: posted("0\r\n\r\nGET /admin/ HTTP/1.1\r\nHost: x\r\n\r\n", "POST /open/", "Content-Length: 4", "Transfer-Encoding: chunked"), want: 200, passes: true, check: func(p *prey, _ *http.Response) []string {
			if r := p.newest(); r.URL.Path != "/open/" {
				return []string{"a second request came through: " + r.URL.Path}
			}
			return nil
		}},
		{what: "a framing that nobody knows", shot: posted("x", "POST /open/", "Transfer-Encoding: xchunked"), want: 501},
		{what: "an upgrade to a protocol in which nobody judges", shot: fire("GET /open/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"), want: 200, passes: true, check: func(p *prey, _ *http.Response) []string {
			if up := p.newest().Header["Upgrade"]; up != nil {
				return []string{fmt.Sprintf("the upstream sees Upgrade %q", up)}
			}
			return nil
		}},
	}...)
}

// trueIdentity wants at the upstream nothing that the client said, and of
// Remote-* what is true and nothing else, and no credential of ours.
func trueIdentity(kim bool, said string) func(*prey, *http.Response) []string {
	return func(p *prey, _ *http.Response) (wrong []string) {
		r := p.newest()
		want := map[string]string{"X-Forwarded-For": stranger, "X-Forwarded-Proto": "https", "X-Forwarded-Host": "school.example"}
		if kim {
			for name, value := range map[string]string{"Remote-User": "auth0|kim", "Remote-Issuer": p.school.Issuer(), "Remote-Email": learner, "Remote-Name": learner, "Remote-Groups": "Course One", "Remote-Proof": "session"} {
				want[name] = value
			}
		}
		for name, values := range r.Header {
			folded := strings.NewReplacer("_", "-", ".", "-").Replace(strings.ToLower(name))
			ours := strings.HasPrefix(folded, "remote-") || strings.HasPrefix(folded, "x-forwarded-")
			if w, expected := want[name]; expected && (len(values) != 1 || values[0] != w) || ours && !expected {
				wrong = append(wrong, fmt.Sprintf("the upstream sees %s %q", name, values))
			}
			if want[name] == "" && slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, said) }) {
				wrong = append(wrong, fmt.Sprintf("the upstream sees what the client said: %s %q", name, values))
			}
			if name == "Authorization" || strings.Contains(strings.Join(values, ""), sessionName) {
				wrong = append(wrong, "the upstream sees the credential")
			}
		}
		for name := range want {
			if r.Header[name] == nil {
				wrong = append(wrong, name+" is missing")
			}
		}
		if kim && r.Header.Get("Cookie") != "other=1" {
			wrong = append(wrong, fmt.Sprintf("the other cookie came as %q", r.Header.Get("Cookie")))
		}
		if r.Method != http.MethodGet && r.Method != http.MethodPost || r.Host == "evil.example" {
			wrong = append(wrong, "it came as "+r.Method+" "+r.Host)
		}
		return wrong
	}
}

// paths want another route to decide than the one that the upstream serves.
func paths() (out []attack) {
	for path, want := range map[string]int{
		"/admin": 401, "/admin/": 401, "//admin/": 401, "///admin///": 401, "/./admin/": 401, "/open/../admin/": 401, "/open/./../admin/": 401, "/open//..//admin/": 401, "/../admin/": 401, "/../../../admin/": 401,
		"/open/%2e%2e/admin/": 401, "/open/%2E%2e/admin/": 401, "/open/.%2e/admin/": 401, "/%61dmin/": 401, "/%61%64%6d%69%6e/": 401, "/open/../%61dmin/": 401, "/webhooks/../admin/": 401, "/auth/../admin/": 401,
		"/auth/%2e%2e/admin/": 401, "/admin/?x=/open/": 401, "/admin/..%3fx": 401, "/open/..?/../admin/": 404,
		"/open%2f..%2fadmin/": 400, "/open/..%2fadmin/": 400, "/open/..%2Fadmin/": 400, "/open%2F%2E%2E%2Fadmin": 400, "/%2fadmin/": 400, "/admin%2f": 400, "/auth%2f..%2fadmin/": 400, "/open/%2e%2e%2fadmin/": 400,
		"/open/%252e%252e/admin/": 400, "/open/..%252fadmin/": 400, "/%2561dmin/": 400, "/open/%25252e%25252e/admin/": 400,
		`/open\..\admin/`: 400, `/open/..\admin/`: 400, "/open/..%5cadmin/": 400, "/open%5c..%5cadmin/": 400, "/%5cadmin/": 400,
		"/open/..;/admin/": 400, "/open/..;x=1/admin/": 400, "/admin;x/": 400, "/open;/../admin/": 400, "/admin/;.css": 400, "/open/%3b/../admin/": 400, "/admin%3b/": 400,
		"/open/%00/../admin/": 400, "/admin%00": 400, "/admin/%00.css": 400, "/open/%0d%0a/../admin/": 400, "/open/%09": 400, "/open/%7f": 400, "/admin%23/../open/": 400, "/open/%23/../../admin/": 400, "/open/#/../admin/": 400,
		"/open/%c0%af../admin/": 400, "/open/%c0%ae%c0%ae/admin/": 400, "/open/%ff/": 400, "/open/%zz": 400, "/open/%": 400, "/open/%2": 400,
		"/ADMIN/": 404, "/Admin/": 404, "/admin./": 404, "/admin%20/": 404, "/%EF%BC%8Fadmin/": 404, "/adm%C4%B1n/": 404,
		"http://school.example/admin/": 401, "http://evil.example/admin/": 401, "https://user@school.example/admin/": 401, "admin/": 400, "evil.example/admin/": 400, "//evil.example/admin/": 404, "//evil.example/../admin/": 401,
	} {
		out = append(out, attack{what: path, shot: fire("GET " + path), want: want})
	}
	slices.SortFunc(out, func(a, b attack) int { return strings.Compare(a.what, b.what) })
	return append(out, []attack{
		{what: "the upstream gets the path that was judged", shot: fire("GET /x/..//open/./%61//b?next=/../admin/"), want: 200, passes: true, check: func(p *prey, _ *http.Response) []string {
			if got := p.newest().RequestURI; got != "/open/a/b?next=/../admin/" {
				return []string{"the upstream gets " + got}
			}
			return nil
		}},
		{what: "every path at once", shot: fire("OPTIONS *"), want: 200},
		{what: "a tunnel", shot: fire("CONNECT admin.school.example:443"), want: 400},
	}...)
}

func hostsAndMethods() (out []attack) {
	for _, host := range []string{"admin.school.example", "ADMIN.SCHOOL.EXAMPLE", "Admin.School.Example", "admin.school.example:443", "admin.school.example:8443", "admin.school.example.", "ADMIN.school.example.:443"} {
		out = append(out, attack{what: "the admin's host as " + host, shot: fire("GET /open/", "Host: "+host), want: 401},
			attack{what: "the admin's host as " + host + ", with another one forwarded", shot: fire("GET /open/", "Host: "+host, "X-Forwarded-Host: school.example", "Forwarded: host=school.example"), want: 401},
			attack{what: "the admin's host as " + host + ", in the request line", shot: fire("GET http://"+host+"/open/", "Host: school.example"), want: 401})
	}
	for _, host := range []string{"admin.school.example,school.example", "admin.school.example/", "school.example#admin", "school.example\x00", "xn--\xff", "[::1", "a..b", ".school.example", "school.example:x", "user@school.example"} {
		out = append(out, attack{what: fmt.Sprintf("the host %q", host), shot: fire("GET /open/", "Host: "+host), want: 400})
	}
	out = append(out, attack{what: "two hosts", shot: fire("GET /open/", "Host: school.example", "Host: admin.school.example"), want: 400})
	for _, line := range []string{"X-HTTP-Method-Override: GET", "X-HTTP-Method: GET", "X-Method-Override: GET", "X_HTTP_METHOD_OVERRIDE: GET", "X-Original-Method: GET", "X-Forwarded-Method: GET"} {
		out = append(out, attack{what: "a POST that says " + line, shot: posted("_method=GET", "POST /read/?_method=GET", line, "Content-Type: application/x-www-form-urlencoded"), want: 401})
	}
	for method, want := range map[string]int{"get": 400, "Get": 400, "gEt": 400, "POST": 401, "PUT": 401, "TRACE": 401, "GETT": 401, "DEBUG": 401, "PROPFIND": 401} {
		out = append(out, attack{what: "the method " + method, shot: fire(method+" /read/", "Content-Length: 0"), want: want})
	}
	return append(out, attack{what: "a GET that says it is a DELETE", shot: fire("GET /read/?_method=DELETE", "X-HTTP-Method-Override: DELETE"), want: 200, passes: true, check: trueIdentity(false, "DELETE")},
		attack{what: "a TRACE of what the upstream is told", shot: fire("TRACE /open/", "Cookie: "+sessionName+"=$kim"), want: 405},
		attack{what: "a health checker by its name", shot: fire("GET /admin/", "User-Agent: kube-probe/1.30", "X-Internal: 1"), want: 401})
}

// tokens are good for something, and not for this.
func tokens() (out []attack) {
	sent := func(token func(p *prey) string, path string) func(*prey) shot {
		return func(p *prey) shot {
			return shot{lines: []string{"GET " + path, "Authorization: Bearer " + token(p)}}
		}
	}
	mint := func(claims, header map[string]any) func(*prey) string {
		return func(p *prey) string {
			all := map[string]any{"sub": "auth0|kim", "aud": apiAudience, "azp": "school-site", "https://school.example/roles": []string{"Course One", "Alumni"}}
			for name, value := range claims {
				all[name] = value
			}
			return p.school.MintToken(all, header)
		}
	}
	kept := func(name string) func(*prey) string {
		return func(p *prey) string { text, _ := p.granted[name].(string); return text }
	}
	for what, token := range map[string]func(*prey) string{
		"an ID token":     kept("id_token"),
		"a refresh token": kept("refresh_token"),
		"an opaque token": kept("access_token"),
		"a session's id":  func(p *prey) string { return p.kim.session() },
		"no token at all": func(*prey) string { return "" },
		"a logout token":  mint(map[string]any{"aud": "school-site", "jti": "x", "events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}, nil),
		"one for another audience": func(p *prey) string {
			token, err := p.school.LearnerToken(learner, learnerP, otherAudience)
			if err != nil {
				p.t.Fatal(err)
			}
			return token
		},
		"one for the room's audience": mint(map[string]any{"aud": roomAudience}, nil),
		"one for our client":          mint(map[string]any{"aud": "school-site"}, nil),
		"one without an audience":     mint(map[string]any{"aud": nil}, nil),
		"one of the club": func(p *prey) string {
			return p.club.MintToken(map[string]any{"sub": "auth0|kim", "aud": apiAudience}, nil)
		},
		"one of the club as the school's": func(p *prey) string {
			return p.club.MintToken(map[string]any{"iss": p.school.Issuer(), "sub": "auth0|kim", "aud": apiAudience}, map[string]any{"kid": p.school.KeyID()})
		},
		"an expired one":         mint(map[string]any{"exp": 1600000000, "iat": 1500000000}, nil),
		"one with a nonce":       mint(map[string]any{"nonce": "x"}, nil),
		"alg none":               mint(nil, map[string]any{"alg": "none"}),
		"alg none without a kid": mint(nil, map[string]any{"alg": "none", "kid": nil}),
		"alg NONE": func(p *prey) string {
			return strings.Join([]string{"eyJhbGciOiJOT05FIn0", strings.Split(p.bearer, ".")[1], ""}, ".")
		},
		"signed with the public key": mint(nil, map[string]any{"alg": "HS256"}),
		"signed with PS256":          mint(nil, map[string]any{"alg": "PS256"}),
		"signed by a stranger": func(p *prey) string {
			return p.school.ForgeToken(map[string]any{"sub": "auth0|kim", "aud": apiAudience}, nil)
		},
		"a key brought along by address": func(p *prey) string {
			return p.school.ForgeToken(map[string]any{"sub": "auth0|kim", "aud": apiAudience}, map[string]any{"jku": p.club.URL + "/.well-known/jwks.json", "kid": nil})
		},
		"without its signature": func(p *prey) string { return p.bearer[:strings.LastIndex(p.bearer, ".")+1] },
		"with a changed payload": func(p *prey) string {
			parts := strings.Split(p.bearer, ".")
			return parts[0] + "." + strings.Split(mint(nil, nil)(p), ".")[1] + "." + parts[2]
		},
		"two tokens with a comma": func(p *prey) string { return p.bearer + "," + p.bearer },
		"ours, forged by the school": func(p *prey) string {
			return p.school.MintToken(map[string]any{"iss": schoolOrigin, "sub": "auth0|kim", "aud": roomAudience, "jti": "x"}, map[string]any{"typ": provider.GrantType})
		},
		"ours by its typ, the school's by its issuer": mint(map[string]any{"aud": roomAudience, "jti": "x"}, map[string]any{"typ": provider.GrantType}),
		"ours, without a signature": func(p *prey) string {
			head := "eyJhbGciOiJub25lIiwidHlwIjoiYnVyc2FyLWdyYW50K2p3dCJ9"
			return head + "." + strings.Split(p.grant, ".")[1] + "."
		},
		"too long a one": func(p *prey) string { return p.bearer + strings.Repeat("A", 20<<10) },
	} {
		want := 401
		switch what {
		case "no token at all", "two tokens with a comma":
			want = 400
		}
		for _, path := range []string{"/api/", "/lessons/", "/room/"} {
			out = append(out, attack{what: what + " at " + path, shot: sent(token, path), want: want})
		}
		out = append(out, attack{what: what + " for a token of ours", shot: func(p *prey) shot {
			return shot{lines: []string{"POST /auth/token", "Authorization: Bearer " + token(p)}}
		}, want: want, check: noToken})
	}
	slices.SortFunc(out, func(a, b attack) int { return strings.Compare(a.what, b.what) })
	return append(out, []attack{
		{what: "a token of ours for the club's account of the same name, the first time", shot: clubsGrant(false), want: 200, passes: true, check: clubsKim},
		{what: "a token of ours for the club's account of the same name, remembered", shot: clubsGrant(true), want: 200, passes: true, check: clubsKim},
		{what: "our token where only the provider's count", shot: fire("GET /api/", "Authorization: Bearer $grant"), want: 403},
		{what: "the provider's token where only ours count", shot: fire("GET /room/", "Authorization: Bearer $bearer"), want: 403},
		{what: "our token where only passwords count", shot: fire("GET /door/", "Authorization: Bearer $grant"), want: 401},
		{what: "our token where only sessions count", shot: fire("GET /account/", "Authorization: Bearer $grant"), want: 401},
		{what: "our token for the next one, without end", shot: fire("POST /auth/token", "Authorization: Bearer $grant"), want: 403, check: noToken},
		{what: "our token as a session", shot: fire("GET /account/", "Cookie: "+sessionName+"=$grant"), want: 401},
		{what: "a token in the query", shot: fire("GET /api/?access_token=$bearer"), want: 401},
		{what: "a token in a form", shot: posted("access_token=x", "POST /api/", "Content-Type: application/x-www-form-urlencoded"), want: 401},
		{what: "a token in the header and one in the query", shot: fire("GET /api/?access_token=$bearer", "Authorization: Bearer $bearer"), want: 400},
		{what: "two lines of Authorization", shot: fire("GET /api/", "Authorization: Bearer $bearer", "Authorization: Bearer $bearer"), want: 400},
		{what: "a bad line of Authorization before a good one", shot: fire("GET /lessons/", "Authorization: Bearer x", "authorization: Bearer $bearer"), want: 400},
		{what: "a password and a token", shot: fire("GET /lessons/", "Authorization: "+basicAuth("ann", "open-sesame-1"), "Authorization: Bearer $bearer"), want: 400},
		{what: "a token as a password", shot: from("203.0.113.78", "GET /door/", "Authorization: "+basicAuth("ann", "$bearer")), want: 401},
		{what: "a token in a header that some take for Authorization", shot: fire("GET /api/", "X-Authorization: Bearer $bearer", "Authorization_: Bearer $bearer", "Proxy-Authorization: Bearer $bearer", "X-Forwarded-Access-Token: $bearer", "X-Access-Token: $bearer"), want: 401},
		{what: "a scheme that nobody takes", shot: fire("GET /lessons/", "Authorization: Negotiate $bearer", "Cookie: "+sessionName+"=$kim"), want: 401},
	}...)
}

// clubsGrant is a token of ours for the session of a Kim who is another one.
func clubsGrant(again bool) func(*prey) shot {
	return func(p *prey) shot {
		resp := p.send(shot{lines: []string{"POST /auth/token", p.logIn("club").cookie(), "X-CSRF: 1"}})
		s := shot{lines: []string{"GET /room/", "Authorization: Bearer " + resp.Header.Get("Room-Token")}}
		if again {
			p.send(s)
		}
		return s
	}
}

func clubsKim(p *prey, _ *http.Response) []string {
	return slices.Concat(upstreamSees("Remote-User", "auth0|kim")(p, nil), upstreamSees("Remote-Issuer", p.club.Issuer())(p, nil))
}

// logoutTokens want to log somebody out, or in vain.
func logoutTokens() (out []attack) {
	event := map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}
	deliver := func(token func(p *prey) string) func(*prey) shot {
		return func(p *prey) shot {
			return shot{lines: []string{"POST /auth/backchannel-logout", "Content-Type: application/x-www-form-urlencoded"}, body: url.Values{"logout_token": {token(p)}}.Encode()}
		}
	}
	sidOf := func(token any) string {
		claims, err := membersOf(token.(string), 1)
		if err != nil {
			return err.Error()
		}
		sid, _ := claims["sid"].(string)
		return sid
	}
	about := func(p *prey, change map[string]any) map[string]any {
		claims := map[string]any{"aud": "school-site", "sub": "auth0|kim", "sid": sidOf(p.granted["id_token"]), "jti": fmt.Sprintf("jti-%p", change), "events": event}
		for name, value := range change {
			claims[name] = value
		}
		return claims
	}
	for what, change := range map[string]map[string]any{
		"for another client":     {"aud": "club-site"},
		"for our API":            {"aud": apiAudience},
		"with a nonce":           {"nonce": ""},
		"without an event":       {"events": nil},
		"with another event":     {"events": map[string]any{"https://evil.example/event": map[string]any{}}},
		"without a jti":          {"jti": nil},
		"about nobody":           {"sub": nil, "sid": nil},
		"of a stranger":          {"iss": "https://evil.example/"},
		"that is over":           {"exp": 1600000000, "iat": 1599999990},
		"with an event in words": {"events": "http://schemas.openid.net/event/backchannel-logout"},
	} {
		out = append(out, attack{what: "one " + what, shot: deliver(func(p *prey) string { return p.school.MintToken(about(p, change), nil) }), want: 400})
	}
	for what, header := range map[string]map[string]any{"with alg none": {"alg": "none"}, "signed with the public key": {"alg": "HS256"}, "with an access token's typ": {"typ": "at+jwt"}, "with our typ": {"typ": provider.GrantType}} {
		out = append(out, attack{what: "one " + what, shot: deliver(func(p *prey) string { return p.school.MintToken(about(p, nil), header) }), want: 400})
	}
	slices.SortFunc(out, func(a, b attack) int { return strings.Compare(a.what, b.what) })
	return append(out, []attack{
		{what: "a forged one", shot: deliver(func(p *prey) string { return p.school.ForgeToken(about(p, nil), nil) }), want: 400},
		{what: "the club's about Kim at the school", shot: deliver(func(p *prey) string { return p.club.MintToken(about(p, map[string]any{"aud": "club-site"}), nil) }), want: 200},
		{what: "the club's in the name of the school", shot: deliver(func(p *prey) string {
			return p.club.MintToken(about(p, map[string]any{"iss": p.school.Issuer()}), map[string]any{"kid": p.school.KeyID()})
		}), want: 400},
		{what: "Kim's session said to be Lee's", shot: deliver(func(p *prey) string { return p.school.MintToken(about(p, map[string]any{"sub": "auth0|lee"}), nil) }), want: 200},
		{what: "an ID token", shot: deliver(func(p *prey) string { return p.granted["id_token"].(string) }), want: 400},
		{what: "an access token", shot: deliver(func(p *prey) string { return p.bearer }), want: 400},
		{what: "our own token", shot: deliver(func(p *prey) string { return p.grant }), want: 400},
		{what: "no token", shot: posted("", "POST /auth/backchannel-logout", "Content-Type: application/x-www-form-urlencoded"), want: 400},
		{what: "a token in the query", shot: func(p *prey) shot {
			s := deliver(func(p *prey) string { return p.school.MintToken(about(p, nil), nil) })(p)
			s.lines[0], s.body = s.lines[0]+"?"+s.body, ""
			return s
		}, want: 400},
		{what: "two tokens", shot: func(p *prey) shot {
			s := deliver(func(p *prey) string { return p.school.MintToken(about(p, nil), nil) })(p)
			s.body += "&" + s.body
			return s
		}, want: 400},
		{what: "by GET", shot: fire("GET /auth/backchannel-logout?logout_token=x"), want: 405},
		{what: "more than anybody needs", shot: posted("logout_token="+strings.Repeat("A", 17<<10), "POST /auth/backchannel-logout", "Content-Type: application/x-www-form-urlencoded"), want: 400},
		{what: "one that was here before", shot: func(p *prey) shot {
			var granted map[string]any
			p.school.NextTokenAnswer(func(body map[string]any) { granted = map[string]any{"id_token": body["id_token"]} })
			p.logIn("school")
			token := p.school.MintToken(about(p, map[string]any{"sid": sidOf(granted["id_token"]), "jti": "once"}), nil)
			s := deliver(func(*prey) string { return token })(p)
			before := p.standing()
			resp := p.send(s)
			if _, _, ended, _ := p.standing().since(before); resp.StatusCode != http.StatusOK || ended != 1 {
				p.t.Errorf("the first time: %d, %d sessions ended", resp.StatusCode, ended)
			}
			return s
		}, want: 400},
	}...)
}

// passwords are guessed.
func passwords() []attack {
	door := func(user, password string) []string {
		return []string{"GET /door/", "Authorization: " + basicAuth(user, password)}
	}
	return []attack{
		{what: "a user who is not there", shot: from("198.51.100.1", door("zoe", "open-sesame-1")...), want: 401},
		{what: "another spelling of a user", shot: from("198.51.100.2", door("ANN", "open-sesame-1")...), want: 401},
		{what: "an empty password", shot: from("198.51.100.3", door("ann", "")...), want: 401},
		{what: "a hash in place of the password", shot: from("198.51.100.4", door("ann", "$argon2id$v=19$m=65536,t=1,p=4$AAAA$AAAA")...), want: 401},
		{what: "a name with a new line", shot: from("198.51.100.5", door("ann\r\nRemote-User: root", "x")...), want: 400},
		{what: "a password where only tokens count", shot: from("198.51.100.6", "GET /api/", "Authorization: "+basicAuth("ann", "open-sesame-1")), want: 401},
		{what: "more guesses by other spellings of the name, from many addresses", shot: func(p *prey) shot {
			spellings := []string{"ben", "BEN", "Ben", "bEn", "beN", "BeN"}
			for i := range 10 {
				resp := p.send(from(fmt.Sprintf("198.51.100.%d", 20+i), door(spellings[i%len(spellings)], fmt.Sprint("guess-", i))...)(p))
				if resp.StatusCode != http.StatusUnauthorized {
					p.t.Errorf("guess %d as %q: %d", i, spellings[i%len(spellings)], resp.StatusCode)
				}
			}
			return from("198.51.100.40", door("ben", "open-sesame-2")...)(p)
		}, want: 429, check: retryAfter},
		{what: "more guesses by forged X-Forwarded-For", shot: func(p *prey) shot {
			for i := range 10 {
				p.send(from("198.51.100.50", append(door(fmt.Sprint("user", i), "123456"), fmt.Sprintf("X-Forwarded-For: 192.0.2.%d", i), fmt.Sprintf("X-Real-IP: 192.0.2.%d", i), fmt.Sprintf("Forwarded: for=192.0.2.%d", i))...)(p))
			}
			return from("198.51.100.50", append(door("cas", "open-sesame-3"), "X-Forwarded-For: 192.0.2.99")...)(p)
		}, want: 429, check: retryAfter},
		{what: "more guesses by X-Forwarded-For forged in front of the proxy's", shot: func(p *prey) shot {
			for i := range 10 {
				p.send(from(edgeProxy, append(door(fmt.Sprint("other", i), "123456"), fmt.Sprintf("X-Forwarded-For: 192.0.2.%d, 198.51.100.60", i))...)(p))
			}
			return from(edgeProxy, append(door("cas", "open-sesame-3"), "X-Forwarded-For: 192.0.2.99, 198.51.100.60")...)(p)
		}, want: 429, check: retryAfter},
		{what: "somebody else behind the same proxy", shot: from(edgeProxy, append(door("cas", "open-sesame-3"), "X-Forwarded-For: 198.51.100.61")...), want: 200, passes: true},
		{what: "more guesses through the other door", shot: func(p *prey) shot {
			for i := range 10 {
				s := shot{from: fmt.Sprintf("198.51.100.%d", 70+i), lines: []string{"POST /auth/token", "Content-Type: application/json"}}
				text, _ := json.Marshal(map[string]string{"username": []string{"dora", "DORA"}[i%2], "password": fmt.Sprint("guess-", i)})
				s.body = string(text)
				if resp := p.send(s); resp.StatusCode != http.StatusUnauthorized {
					p.t.Errorf("guess %d: %d", i, resp.StatusCode)
				}
			}
			return from("198.51.100.90", door("dora", "open-sesame-4")...)(p)
		}, want: 429, check: retryAfter},
		{what: "the door that was locked, by the other one", shot: func(p *prey) shot {
			return shot{from: "198.51.100.91", lines: []string{"POST /auth/token", "Content-Type: application/json"}, body: `{"username":"dora","password":"open-sesame-4"}`}
		}, want: 429, check: noToken},
		{what: "a password twice in one body", shot: func(p *prey) shot {
			return shot{from: "198.51.100.92", lines: []string{"POST /auth/token", "Content-Type: application/json"}, body: `{"username":"ann","password":"wrong"}{"password":"open-sesame-1"}`}
		}, want: 400, check: noToken},
		{what: "a password in the body and a session", shot: func(p *prey) shot {
			return shot{from: "198.51.100.93", lines: []string{"POST /auth/token", p.kim.cookie(), "X-CSRF: 1", "Content-Type: application/json"}, body: `{"username":"ann","password":"wrong"}`}
		}, want: 401, check: noToken},
	}
}

func retryAfter(_ *prey, resp *http.Response) []string {
	if resp.Header.Get("Retry-After") == "" {
		return []string{"nobody says when to try again"}
	}
	return nil
}

// checks ask what only the reverse proxy may ask, or speak in its name.
func checks() (out []attack) {
	const session = "Cookie: " + sessionName + "=$kim"
	lesson := []string{"X-Original-URL: https://school.example/lessons/one", "X-Original-Method: GET"}
	with := func(first string, more ...string) []string { return append([]string{first, session}, more...) }
	for _, path := range []string{"/auth/check", "/auth//check", "//auth/check", "/auth/./check", "/x/../auth/check", "/auth/%63heck", "/auth/check/"} {
		want := 403
		if path == "/auth/check/" {
			want = 404
		}
		out = append(out, attack{what: "a stranger asks " + path, shot: fire(with("GET "+path, lesson...)...), want: want, check: noIdentity},
			attack{what: "a stranger who claims to be the proxy asks " + path, shot: fire(with("GET "+path, append(lesson, "X-Forwarded-For: "+edgeProxy, "X-Real-IP: "+edgeProxy, "Forwarded: for="+edgeProxy)...)...), want: want, check: noIdentity})
	}
	for _, line := range []string{"X-Original-URL: https://school.example/open/", "X-Original-URL: /open/", "X_ORIGINAL_URL: /open/", "X-Original-URI: /open/", "X-Rewrite-URL: /open/", "X-Forwarded-Uri: /open/", "X-Forwarded-Path: /open/", "X-Forwarded-Host: school.example", "X-Original-Method: OPTIONS"} {
		out = append(out, attack{what: "a stranger asks for the admin's page and says " + line, shot: fire("GET /admin/", line), want: 401},
			attack{what: "through the proxy somebody asks for the admin's page and says " + line, shot: from(edgeProxy, "GET /admin/", "X-Forwarded-For: "+stranger, line), want: 401})
	}
	for what, lines := range map[string][]string{
		"says not which page":           {"X-Original-Method: GET"},
		"says not by which method":      {"X-Original-URL: https://school.example/open/"},
		"says two pages":                {"X-Original-URL: https://school.example/open/", "X-Original-URL: https://school.example/admin/", "X-Original-Method: GET"},
		"says two methods":              {"X-Original-URL: https://school.example/read/", "X-Original-Method: GET", "X-Original-Method: POST"},
		"says a page without a host":    {"X-Original-URL: /open/", "X-Original-Method: GET"},
		"says a page with a fragment":   {"X-Original-URL: https://school.example/open/#/../admin/", "X-Original-Method: GET"},
		"speaks Traefik's language":     {"X-Forwarded-Uri: /open/", "X-Forwarded-Method: GET", "X-Forwarded-Host: school.example", "X-Forwarded-Proto: https"},
		"says a page of another scheme": {"X-Original-URL: file://school.example/open/", "X-Original-Method: GET"},
	} {
		out = append(out, attack{what: "the proxy " + what, shot: from(edgeProxy, append([]string{"GET /auth/check"}, lines...)...), want: 400, check: noIdentity})
	}
	for target, want := range map[string]int{"/admin/": 401, "/open/../admin/": 401, "/open/..%2fadmin/": 403, "/open/..;/admin/": 403, "//admin/": 401, "/nowhere/": 403, "/open/%2e%2e/admin/": 401, "/open/%252e%252e/admin/": 403} {
		out = append(out, attack{what: "the proxy is asked for " + target, shot: from(edgeProxy, "GET /auth/check", "X-Original-URL: https://school.example"+target, "X-Original-Method: GET"), want: want, check: noIdentity})
	}
	slices.SortFunc(out, func(a, b attack) int { return strings.Compare(a.what, b.what) })
	return append(out, []attack{
		{what: "the proxy passes on who the client says it is", shot: from(edgeProxy, "GET /auth/check", "X-Original-URL: https://school.example/open/", "X-Original-Method: GET", "Remote-User: root", "Remote_Groups: admin"), want: 200, check: func(_ *prey, resp *http.Response) (wrong []string) {
			for _, name := range []string{"Remote-User", "Remote-Issuer", "Remote-Email", "Remote-Name", "Remote-Groups", "Remote-Scopes", "Remote-Proof"} {
				if values, there := resp.Header[name]; !there || len(values) != 1 || values[0] != "" {
					wrong = append(wrong, fmt.Sprintf("%s is %q, and must be there and empty", name, values))
				}
			}
			return wrong
		}},
		{what: "the proxy is asked for a form of another site", shot: from(edgeProxy, "GET /auth/check", session, "X-Original-URL: https://school.example/account/", "X-Original-Method: POST"), want: 403, check: noIdentity},
		{what: "the proxy says two hosts for itself", shot: from(edgeProxy, "GET /open/", "X-Forwarded-Host: school.example", "X-Forwarded-Host: evil.example"), want: 400},
		{what: "the proxy says a host that is none", shot: from(edgeProxy, "GET /open/", "X-Forwarded-Host: school.example/../x"), want: 400},
	}...)
}

func noIdentity(_ *prey, resp *http.Response) (wrong []string) {
	for name, values := range resp.Header {
		if strings.HasPrefix(name, "Remote-") {
			wrong = append(wrong, fmt.Sprintf("%s: %q", name, values))
		}
	}
	return wrong
}

// caches between us and the browsers want to show one person's page to the next.
func caches() (out []attack) {
	const session = "Cookie: " + sessionName + "=$kim"
	answers := func(cache, vary string) func(*prey, *http.Response) []string {
		return func(_ *prey, resp *http.Response) (wrong []string) {
			for _, word := range strings.Fields(cache) {
				if !strings.Contains(strings.Join(resp.Header["Cache-Control"], ", "), word) {
					wrong = append(wrong, fmt.Sprintf("Cache-Control is %q, want %s", resp.Header["Cache-Control"], cache))
				}
			}
			if vary != "" && !strings.Contains(strings.Join(resp.Header["Vary"], ", "), vary) {
				wrong = append(wrong, fmt.Sprintf("Vary is %q, want %s", resp.Header["Vary"], vary))
			}
			return wrong
		}
	}
	for _, path := range []string{"/account/", "/account/style.css", "/account/a.js?v=1", "/lessons/one.png"} {
		out = append(out, attack{what: "keep Kim's " + path, shot: fire("GET "+path, session), want: 200, passes: true, check: answers("private", "Cookie")},
			attack{what: "keep the refusal of " + path, shot: fire("GET " + path), want: 401, check: answers("no-store", "Cookie")},
			attack{what: "keep the way to the login of " + path, shot: fire("GET "+path, "Sec-Fetch-Mode: navigate"), want: 302, check: answers("no-store", "Cookie")})
	}
	return append(out, []attack{
		{what: "keep what a token got", shot: fire("GET /api/", "Authorization: Bearer $bearer"), want: 200, passes: true, check: answers("private", "")},
		{what: "keep what a password got", shot: fire("GET /door/", "Authorization: "+basicAuth("ann", "open-sesame-1")), want: 200, passes: true, check: answers("private", "")},
		{what: "keep what a token got, as the upstream wants", shot: fire("GET /api/?public", "Authorization: Bearer $bearer"), want: 200, passes: true, check: forOne},
		{what: "keep what a session got, as the upstream wants", shot: fire("GET /account/?public", session), want: 200, passes: true, check: forOne},
		{what: "keep who is logged in", shot: fire("GET /auth/session", session), want: 200, check: answers("no-store", "Cookie")},
		{what: "keep a token of ours", shot: fire("POST /auth/token", session, "X-CSRF: 1"), want: 200, check: answers("no-store", "")},
		{what: "keep the start of a login", shot: fire("GET /auth/login?provider=school"), want: 302, check: answers("no-store", "")},
		{what: "keep a failed login", shot: fire("GET /auth/callback/school?state=x&code=y"), want: 400, check: answers("no-store", "")},
		{what: "keep the end of a login", shot: func(p *prey) shot {
			v := p.visitor()
			return v.back(v.answer("/auth/login?provider=school", learner, learnerP))
		}, want: 303, begins: true, check: answers("no-store private", "")},
		{what: "keep a refused logout", shot: fire("POST /auth/logout", session), want: 403, check: answers("no-store", "")},
		{what: "keep what the proxy was told", shot: from(edgeProxy, "GET /auth/check", session, "X-Original-URL: https://school.example/account/", "X-Original-Method: GET"), want: 200, check: answers("no-store", "")},
		{what: "keep a page of a listed origin for another", shot: fire("GET /auth/session", session, "Origin: https://app.example"), want: 200, check: answers("no-store", "Origin")},
	}...)
}

func forOne(_ *prey, resp *http.Response) []string {
	if said := strings.Join(resp.Header["Cache-Control"], ", "); !strings.Contains(said, "private") || strings.Contains(said, "public") || strings.Contains(said, "s-maxage") {
		return []string{fmt.Sprintf("Cache-Control is %q", said)}
	}
	return nil
}

// A policy that could be meant as "nobody" and would be "everybody", or the
// other way round, is not served at all.
func TestARouteThatWouldLetTooManyPassIsRefusedAtLoad(t *testing.T) {
	const start = "[[basic.users]]\nname = \"ann\"\npassword = \"open-sesame-1\"\n[[routes]]\nname = \"lessons\"\npath = \"/lessons/\"\nanswer = { body = \"a lesson\" }\n"
	for line, want := range map[string]string{
		"roles = []": "empty list", "all_roles = []": "empty list", "scopes = []": "empty list", "acr = []": "empty list", "proofs = []": "empty list",
		"methods = []": "empty", "hosts = []": "empty", `roles = [""]`: "no token can hold", `methods = ["get"]`: "capitals", `hosts = ["*.example"]`: "no host name",
		`proofs = ["cookie"]`: "none of session", `proofs = ["session"]`: "has session, and", `proofs = ["grant"]`: "has grant, and",
		"allow_anonymous = true\nroles = [\"Course One\"]": "mean nothing", "allow_anonymous = true\nroles = []": "mean nothing", "allow_anonymous = true\npeople = true": "mean nothing",
		`role = "Course One"`: "unknown key", "max_age = \"-1m\"": "negative",
	} {
		cfg, err := parseConfig(start + line + "\n")
		if err == nil {
			cfg.Server.Listen, cfg.Server.Operations = "127.0.0.1:0", "127.0.0.1:0"
			cfg.Store.URL = secret("sqlite:" + t.TempDir() + "/bursar.db")
			var app *App
			if app, err = newApp(t.Context(), cfg, logger(LogConfig{Level: "error", Format: "text"}), nil); err == nil {
				app.Close()
			}
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a route with %q: %v, want something about %q", line, err, want)
		}
	}
}

// Another service that takes our issuer's access tokens, or the school's, must
// not take a grant token of ours for one, whatever row it has.
func TestATokenOfOursIsNoAccessTokenForAnybodyElse(t *testing.T) {
	t.Parallel()
	p := newPrey(t)
	keys := p.send(shot{lines: []string{"GET /.well-known/jwks.json"}})
	document, err := io.ReadAll(keys.Body)
	if err != nil || keys.StatusCode != http.StatusOK {
		t.Fatalf("our keys: %d %v", keys.StatusCode, err)
	}
	client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(string(document))), Request: r}, nil
	})}
	for _, kind := range []provider.TokenKind{provider.AccessToken, provider.LegacyAccessToken} {
		other, err := provider.NewVerifier(provider.VerifierConfig{Client: client, Issuers: []provider.Issuer{{
			URL: schoolOrigin, JWKSURL: schoolOrigin + "/.well-known/jwks.json", Kind: kind, Audiences: []string{roomAudience}, Algorithms: []string{"ES256"},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		if who, err := other.Verify(t.Context(), p.grant); err == nil || !strings.Contains(err.Error(), string(provider.WrongType)) {
			t.Errorf("as %v: %+v, %v, want %q", kind, who, err, provider.WrongType)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
