package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"database/sql"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bursar/provider/auth0/auth0test"
)

// A prey is the whole service under its public name, with two logins at two
// tenants, an upstream that notes what reaches it, and Kim, who is logged in.
type prey struct {
	t            *testing.T
	app          *App
	w            *world
	school, club *auth0test.Server // the tenants
	front        *httptest.Server  // bursar's handler, over TLS
	books        *sql.DB
	from         sync.Map // the address of our end of a connection -> the client's

	mu      sync.Mutex // guards what follows
	reached []*http.Request

	kim, lee *visitor       // logged in at the school
	granted  map[string]any // what the token endpoint gave for Kim
	bearer   string         // Kim's own access token for the API
	grant    string         // Kim's token of ours
}

const (
	schoolOrigin  = "https://school.example"
	apiAudience   = "https://school.example/api"
	roomAudience  = "https://room.example"
	otherAudience = "https://other.example/api"
	stranger      = "203.0.113.7" // whoever says nothing else
	edgeProxy     = "10.0.0.1"    // the one reverse proxy that is believed
	sessionName   = "__Host-bursar-session"
	leePassword   = "Lee-is-not-kim-8"
)

func newPrey(t *testing.T) *prey {
	p := &prey{t: t}
	upstream := httptest.NewServer(http.HandlerFunc(p.note))
	t.Cleanup(upstream.Close)
	folder := t.TempDir()
	if err := os.MkdirAll(filepath.Join(folder, "evil.example"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "evil.example", "index.html"), []byte("a page"), 0o644); err != nil {
		t.Fatal(err)
	}
	p.app, p.w = runAppWith(t, func(w *world) error {
		p.w = w
		return p.settings(upstream.URL, folder)
	})
	p.school = p.w.tenant
	p.front = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if from, ok := p.from.Load(r.RemoteAddr); ok {
			r.RemoteAddr = net.JoinHostPort(from.(string), "4711")
		}
		p.app.handler.ServeHTTP(w, r)
	}))
	p.front.Config.MaxHeaderBytes, p.front.Config.ErrorLog = 32<<10, log.New(io.Discard, "", 0)
	p.front.StartTLS()
	t.Cleanup(p.front.Close)
	var err error
	if p.books, err = sql.Open("sqlite", strings.TrimPrefix(p.w.url, "sqlite:")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.books.Close() })

	for _, tenant := range []*auth0test.Server{p.school, p.club} {
		tenant.AddUser(auth0test.User{ID: "auth0|kim", Email: learner, EmailVerified: true, Password: learnerP})
		tenant.AddUser(auth0test.User{ID: "auth0|lee", Email: "lee@example.com", EmailVerified: true, Password: leePassword})
	}
	p.school.AddAPI(auth0test.API{Identifier: otherAudience})
	if err := p.school.AssignRole("auth0|kim", "Course One"); err != nil {
		t.Fatal(err)
	}
	p.school.NextTokenAnswer(func(body map[string]any) { p.granted = maps.Clone(body) })
	p.kim = p.logIn("school")
	p.logIn("club") // from now on bursar knows the club's keys, too
	p.lee = p.visitor()
	if resp := p.lee.finish(p.lee.answer("/auth/login?provider=school", "lee@example.com", leePassword)); resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("Lee's login: %d", resp.StatusCode)
	}
	if p.bearer, err = p.school.LearnerToken(learner, learnerP, apiAudience); err != nil {
		t.Fatal(err)
	}
	resp := p.send(shot{lines: []string{"POST /auth/token", "Authorization: Bearer " + p.bearer}})
	if p.grant = resp.Header.Get("Room-Token"); resp.StatusCode != http.StatusOK || p.grant == "" {
		t.Fatalf("Kim's token of ours: %d %v", resp.StatusCode, resp.Header)
	}
	return p
}

// settings make it a guard without a shop: then nothing but an attack has
// anybody ask a tenant.
func (p *prey) settings(upstream, folder string) (err error) {
	w := p.w
	if p.club, err = auth0test.Start(auth0test.Config{}); err != nil {
		return err
	}
	p.t.Cleanup(func() { p.club.Close() })
	// Tenants of one process share their first keys, and these two must not.
	p.club.RotateKeys()
	p.club.RotateKeys()
	login := func(name string, tenant *auth0test.Server) map[string]any {
		c := tenant.AddClient(auth0test.Client{ID: name + "-site", Callbacks: []string{schoolOrigin + "/auth/callback/" + name}, LogoutURLs: []string{schoolOrigin + "/auth/logged-out"}})
		return map[string]any{"name": name, "issuer": tenant.Issuer(), "client_id": c.ID, "client_secret": c.Secret, "roles_claim": "https://school.example/roles"}
	}
	to := func(path string, more ...any) map[string]any {
		route := map[string]any{"name": path, "path": path, "upstream": upstream}
		for i := 0; i < len(more); i += 2 {
			route[more[i].(string)] = more[i+1]
		}
		return route
	}
	alumni := []string{"Alumni"}
	for _, key := range []string{"shops", "catalog", "roles"} {
		delete(w.settings, key)
	}
	for key, value := range map[string]any{
		"server.public_url": schoolOrigin, "server.trusted_proxies": []string{edgeProxy}, "check.headers": "original",
		"cors.origins":            []string{"https://app.example"},
		"logins":                  []map[string]any{login("school", w.tenant), login("club", p.club)},
		"tokens":                  []map[string]any{{"name": "room", "audience": []string{roomAudience}, "header": "Room-Token"}},
		"basic.wrong_per_address": 10,
		"basic.users": []map[string]any{{"name": "ann", "password": "open-sesame-1"}, {"name": "ben", "password": "open-sesame-2"},
			{"name": "cas", "password": "open-sesame-3"}, {"name": "dora", "password": "open-sesame-4"}},
		"routes": []map[string]any{
			to("/", "name", "the admin's host", "hosts", []string{"admin.school.example"}, "roles", alumni),
			to("/admin/", "roles", alumni),
			to("/open/", "allow_anonymous", true),
			to("/read/", "name", "reading", "methods", []string{"GET"}, "allow_anonymous", true),
			to("/read/", "name", "writing", "roles", alumni),
			to("/lessons/", "roles", []string{"Course One"}),
			to("/account/", "proofs", []string{"session"}),
			to("/payments/", "proofs", []string{"session"}, "max_age", "10m"),
			to("/api/", "proofs", []string{"bearer"}),
			to("/room/", "proofs", []string{"grant"}),
			to("/door/", "proofs", []string{"basic"}),
			{"name": "files", "path": "/files/", "allow_anonymous": true, "static": folder, "strip_prefix": "/files"},
		},
	} {
		if err := w.set(key, value); err != nil {
			return err
		}
	}
	return nil
}

// note is the upstream. The answer tries to give away what is not the
// upstream's to give.
func (p *prey) note(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	p.mu.Lock()
	p.reached = append(p.reached, r)
	p.mu.Unlock()
	w.Header().Add("Set-Cookie", sessionName+"=planted; Path=/; Secure")
	w.Header().Add("Set-Cookie", "__HOST-bursar-session=planted; Path=/; Secure")
	if r.URL.Query().Has("public") {
		w.Header().Set("Cache-Control", "public, s-maxage=600")
	}
	fmt.Fprint(w, "the upstream")
}

// A standing is all that an attack could change.
type standing struct {
	Reached  int            // requests at the upstream
	Sessions []string       // rows
	Asked    map[string]int // requests at the tenants
}

func (p *prey) standing() standing {
	p.t.Helper()
	s := standing{Asked: map[string]int{}}
	p.mu.Lock()
	s.Reached = len(p.reached)
	p.mu.Unlock()
	for name, tenant := range map[string]*auth0test.Server{"school": p.school, "club": p.club} {
		for route, n := range tenant.Calls() {
			s.Asked[name+" "+route] = n
		}
	}
	rows, err := p.books.Query(`SELECT hex(id) FROM sessions ORDER BY 1`)
	if err != nil {
		p.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			p.t.Fatal(err)
		}
		s.Sessions = append(s.Sessions, id)
	}
	if err := rows.Err(); err != nil {
		p.t.Fatal(err)
	}
	return s
}

// since is what has changed.
func (s standing) since(before standing) (reached, begun, ended int, asked []string) {
	for _, id := range s.Sessions {
		if !slices.Contains(before.Sessions, id) {
			begun++
		}
	}
	for route, n := range s.Asked {
		if n != before.Asked[route] {
			asked = append(asked, route)
		}
	}
	slices.Sort(asked)
	return s.Reached - before.Reached, begun, len(before.Sessions) + begun - len(s.Sessions), asked
}

// newest is the last request that the upstream got.
func (p *prey) newest() *http.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.reached) == 0 {
		return &http.Request{Header: http.Header{}}
	}
	return p.reached[len(p.reached)-1]
}

// A shot is one request as it goes over the wire: the request line without its
// version, and the headers as they are spelled. Host is added if it is not
// there, and Content-Length for a body that does not say otherwise.
type shot struct {
	from  string // the client's address; empty means the stranger's
	lines []string
	body  string
}

// send fires it and reads the whole answer.
func (p *prey) send(s shot) *http.Response {
	p.t.Helper()
	conn, err := p.dial(p.t.Context(), s.from)
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	var text bytes.Buffer
	has := func(name string) bool {
		return slices.ContainsFunc(s.lines[1:], func(l string) bool { return strings.HasPrefix(l, name+": ") })
	}
	method, _, _ := strings.Cut(s.lines[0], " ")
	fmt.Fprintf(&text, "%s HTTP/1.1\r\n", s.lines[0])
	if !has("Host") {
		text.WriteString("Host: school.example\r\n")
	}
	for _, line := range s.lines[1:] {
		text.WriteString(line + "\r\n")
	}
	if !has("Transfer-Encoding") && !has("Content-Length") && (s.body != "" || method == http.MethodPost) {
		fmt.Fprintf(&text, "Content-Length: %d\r\n", len(s.body))
	}
	text.WriteString("\r\n" + s.body)
	go conn.Write(text.Bytes()) // it may be answered before it was read to the end
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		p.t.Fatalf("no answer to %q: %v", s.lines, err)
	}
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatalf("half an answer to %q: %v", s.lines, err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(answer))
	return resp
}

func (p *prey) dial(ctx context.Context, from string) (net.Conn, error) {
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", p.front.Listener.Addr().String())
	if err != nil {
		return nil, err
	}
	if from == "" {
		from = stranger
	}
	p.from.Store(raw.LocalAddr().String(), from)
	conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true}) // the certificate has another name
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return conn, nil
}

// A visitor is somebody's browser. It stops where a tenant sends it back to us.
type visitor struct {
	p      *prey
	ours   *cookiejar.Jar
	theirs *cookiejar.Jar
	client *http.Client
}

func (p *prey) visitor() *visitor {
	v := &visitor{p: p}
	v.ours, _ = cookiejar.New(nil) // its error is always nil
	v.theirs, _ = cookiejar.New(nil)
	transport := &http.Transport{DisableKeepAlives: true, DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return p.dial(ctx, "") }}
	v.client = &http.Client{Jar: v, Transport: transport, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host == "school.example" {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return v
}

func (v *visitor) jar(u *url.URL) *cookiejar.Jar {
	if u.Host == "school.example" {
		return v.ours
	}
	return v.theirs
}

func (v *visitor) SetCookies(u *url.URL, cookies []*http.Cookie) { v.jar(u).SetCookies(u, cookies) }
func (v *visitor) Cookies(u *url.URL) []*http.Cookie             { return v.jar(u).Cookies(u) }

// answer begins a login and logs in at the tenant, and returns where the tenant
// sends the browser then: our callback with its answer.
func (v *visitor) answer(at, email, password string) *url.URL {
	v.p.t.Helper()
	v.theirs, _ = cookiejar.New(nil) // the tenant asks again
	resp, err := v.p.w.submit(v.client, schoolOrigin+at, "login", email, password)
	if err != nil {
		v.p.t.Fatal(err)
	}
	resp.Body.Close()
	to, err := resp.Location()
	if err != nil {
		v.p.t.Fatalf("the login at %s ends with %d: %v", resp.Request.URL, resp.StatusCode, err)
	}
	return to
}

// finish brings the answer to us.
func (v *visitor) finish(at *url.URL) *http.Response {
	v.p.t.Helper()
	resp, err := v.client.Get(at.String())
	if err != nil {
		v.p.t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

// logIn is Kim in a new browser.
func (p *prey) logIn(login string) *visitor {
	p.t.Helper()
	v := p.visitor()
	resp := v.finish(v.answer("/auth/login?provider="+login, learner, learnerP))
	if resp.StatusCode != http.StatusSeeOther || v.session() == "" {
		p.t.Fatalf("the login at %s: %d, cookies %s", login, resp.StatusCode, v.cookie())
	}
	return v
}

// cookie is the header that the browser sends us; session the id in it.
func (v *visitor) cookie() string {
	var pairs []string
	for _, c := range v.ours.Cookies(&url.URL{Scheme: "https", Host: "school.example", Path: "/"}) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return "Cookie: " + strings.Join(pairs, "; ")
}

func (v *visitor) session() string {
	for _, c := range v.ours.Cookies(&url.URL{Scheme: "https", Host: "school.example", Path: "/"}) {
		if c.Name == sessionName {
			return c.Value
		}
	}
	return ""
}

// back is the request by which a browser brings an answer to us.
func (v *visitor) back(at *url.URL) shot {
	return shot{lines: []string{"GET " + at.RequestURI(), v.cookie(), "Sec-Fetch-Mode: navigate"}}
}
