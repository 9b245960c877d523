package main

import (
	"database/sql"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"bursar/internal/store/pgtest"
	"bursar/provider/auth0/auth0test"
	"bursar/webhooks/gumroad/gumroadtest"
)

// A school is two processes of bursar on one Postgres, with a login and lessons.
// Browsers know the first one's address; a cookie of 127.0.0.1 is for both.
type school struct {
	*world
	t     *testing.T
	other *world // shares tenant, shop and store
}

// A schoolPlan says what is unusual about a school.
type schoolPlan struct {
	url      string // of the store; empty means a Postgres of its own
	client   auth0test.Client
	tenant   func(*auth0test.Config)
	settings func(*world)
}

const (
	schoolAPI    = "https://school.example/api"
	theFirst     = "kim@example.com"
	thePassword  = "Correct-horse-7"
	promised     = time.Second // how soon a decision counts everywhere
	lessonOne    = "/lessons/one/"
	lessonTwo    = "/lessons/two/"
	whoeverPath  = "/me/"
	frontPath    = "/"
	programsPath = "/programs/"
)

func openSchool(t *testing.T, plan schoolPlan) *school {
	t.Helper()
	if plan.url == "" {
		plan.url = pgtest.URL(t)
	}
	if plan.tenant == nil {
		plan.tenant = func(*auth0test.Config) {}
	}
	w, err := newWorld(t.TempDir(), plan.url, plan.tenant)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.end(t) })
	w.login(plan.client)
	answer := func(text string) map[string]any { return map[string]any{"body": text} }
	w.settings["routes"] = []map[string]any{
		{"path": "/{$}", "allow_anonymous": true, "answer": answer("welcome")},
		{"path": lessonOne, "roles": []string{"Course One"}, "answer": answer("lesson one")},
		{"path": lessonTwo, "roles": []string{"Course Two"}, "answer": answer("lesson two")},
		{"path": whoeverPath, "proofs": []string{"session"}, "answer": answer("hello")},
		{"path": programsPath, "proofs": []string{"basic"}, "answer": answer("machine")},
	}
	w.settings["basic"] = map[string]any{"users": []map[string]any{{"name": "robot", "password": "robots-are-people-too"}}}
	if plan.settings != nil {
		plan.settings(w)
	}
	s := &school{world: w, t: t, other: &world{
		dir: t.TempDir(), public: freeAddr(), operations: freeAddr(), url: w.url,
		tenant: w.tenant, shop: w.shop, client: w.client, secret: w.secret, private: w.private,
	}}
	s.other.config = filepath.Join(s.other.dir, "config.toml")
	s.must(s.write())
	t.Cleanup(func() {
		s.other.halt(t)
		s.other.search(t)
		if t.Failed() {
			t.Logf("the end of the other's serve.log:\n%s", s.other.tail(100))
		}
	})
	s.start()
	return s
}

func (s *school) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// write writes both configs, which differ in where each listens.
func (s *school) write() error {
	if err := s.world.write(); err != nil {
		return err
	}
	s.other.settings = maps.Clone(s.settings)
	server := maps.Clone(s.settings["server"].(map[string]any))
	server["listen"], server["operations"] = s.other.public, s.other.operations
	s.other.settings["server"] = server
	return s.other.write()
}

func (s *school) replicas() []*world { return []*world{s.world, s.other} }

// start and restart are for both at once.
func (s *school) start() {
	s.t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for i, w := range s.replicas() {
		wg.Go(func() { errs[i] = w.serve(true) })
	}
	wg.Wait()
	for _, err := range errs {
		s.must(err)
	}
}

func (s *school) restart() {
	s.t.Helper()
	for _, w := range s.replicas() {
		s.must(w.stop())
	}
	s.start()
}

// enrol makes learners with an account; kim is the first.
func (s *school) enrol(emails ...string) {
	for _, email := range emails {
		s.tenant.AddUser(auth0test.User{Email: email, EmailVerified: true, Password: thePassword})
	}
}

// logIn is a browser that has just logged in, by way of that replica.
func (s *school) logIn(by *world, email string) *http.Client {
	s.t.Helper()
	browser := new(world).browser(email)
	resp, err := s.submit(browser, "http://"+by.public+"/auth/login", "login", email, thePassword)
	s.must(err)
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || string(body) != "welcome" {
		s.t.Fatalf("the login of %s ends at %s with %d\n%s", email, resp.Request.URL, resp.StatusCode, body)
	}
	return browser
}

// expiring has the tenant say that the tokens of its next answer end so soon.
func (s *school) expiring(in time.Duration) {
	s.tenant.NextTokenAnswer(func(body map[string]any) { body["expires_in"] = int(in.Seconds()) })
}

// token is an access token that a page of the learner's holds itself.
func (s *school) token(email string) string {
	s.t.Helper()
	token, err := s.tenant.LearnerToken(email, thePassword, schoolAPI)
	s.must(err)
	return token
}

// bearer is a client that sends it.
func bearer(token string) *http.Client {
	return &http.Client{Transport: authorized("Bearer " + token)}
}

type authorized string

func (a authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", string(a))
	return http.DefaultTransport.RoundTrip(r)
}

// ask is the answer's status; its header is for who wants to look.
func (s *school) ask(w *world, client *http.Client, path string) (int, http.Header) {
	s.t.Helper()
	resp, err := client.Get("http://" + w.public + path)
	if err != nil {
		s.t.Errorf("GET %s: %v", path, err)
		return 0, nil
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.StatusCode, resp.Header
}

// now wants an answer from both at this very moment.
func (s *school) now(client *http.Client, path string, want int, when string) {
	s.t.Helper()
	for i, w := range s.replicas() {
		if got, _ := s.ask(w, client, path); got != want {
			s.t.Errorf("%s: replica %d answers %s with %d, want %d", when, i+1, path, got, want)
		}
	}
}

// soon wants the answer of both to become another one: no request that is begun
// later than promised after since may get the old one.
func (s *school) soon(client *http.Client, path string, want int, since time.Time, when string) {
	s.t.Helper()
	for i, w := range s.replicas() {
		var begun time.Time
		got := 0
		err := s.await(when, func() (bool, error) {
			begun = time.Now()
			got, _ = s.ask(w, client, path)
			return got == want, nil
		})
		if err != nil {
			s.t.Errorf("%s: replica %d answers %s with %d, want %d: %v", when, i+1, path, got, want, err)
			continue
		}
		if late := begun.Sub(since); late > promised {
			s.t.Errorf("%s: replica %d answers %s with %d only after %v", when, i+1, path, want, late)
		}
	}
}

// buy sells and returns the sale's id, once its ping was answered.
func (s *school) buy(email, product string) string {
	s.t.Helper()
	sale, err := s.shop.Buy(gumroadtest.BuyOptions{Email: email, Product: product})
	s.must(err)
	s.deliver()
	return sale.ID
}

func (s *school) refund(sale string) {
	s.t.Helper()
	s.must(s.shop.Refund(sale))
	s.deliver()
}

func (s *school) deliver() {
	s.t.Helper()
	_, err := s.shop.Deliver(s.t.Context())
	s.must(err)
}

// holding waits until the tenant says so.
func (s *school) holding(email, roles string) {
	s.t.Helper()
	s.must(s.await(fmt.Sprintf("%s to hold %s", email, roles), func() (bool, error) { return s.holds(email) == roles, nil }))
}

// number reads one number from the store.
func (s *school) number(query string) (n int64, err error) {
	db, err := sql.Open("pgx", s.url)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	return n, db.QueryRow(query).Scan(&n)
}
