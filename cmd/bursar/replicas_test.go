package main

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"bursar/internal/store/pgtest"
	"bursar/provider/auth0/auth0test"
)

// crowd asks n times at once, half of each replica, and counts the statuses.
func (s *school) crowd(n int, client *http.Client, path string) map[int]int {
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	ready := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-ready
			status, _ := s.ask(s.replicas()[i%2], client, path)
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
		})
	}
	close(ready)
	wg.Wait()
	return statuses
}

// pass waits until a moment is over.
func (s *school) pass(d time.Duration) {
	s.t.Helper()
	end := time.Now().Add(d)
	s.must(s.await("the time to pass", func() (bool, error) { return time.Now().After(end), nil }))
}

func TestTwoHundredRequestsOfTwoReplicasRefreshOnce(t *testing.T) {
	t.Parallel()
	s := openSchool(t, schoolPlan{})
	s.enrol(theFirst)
	for _, tt := range []struct {
		name string
		life time.Duration // of the first access token
		age  time.Duration // when half of a short life is over it is renewed
		slow time.Duration // the token endpoint
	}{
		{"a token that is about to end", 6 * time.Second, 3 * time.Second, 0},
		{"a token that has ended", time.Second, time.Second, 0},
		{"a token about to end and a slow token endpoint", 6 * time.Second, 3 * time.Second, time.Second},
		{"a token that has ended and a slow token endpoint", time.Second, time.Second, time.Second},
	} {
		s.expiring(tt.life)
		kim := s.logIn(s.world, theFirst)
		before := s.tenant.Refreshes()
		s.pass(tt.age + 10*time.Millisecond)
		if tt.slow > 0 {
			s.tenant.Fail("POST /oauth/token", 1, auth0test.Delayed(tt.slow))
		}
		if got := s.crowd(200, kim, whoeverPath); got[http.StatusOK] != 200 {
			t.Errorf("%s: the answers are %v, want 200 times 200", tt.name, got)
		}
		s.must(s.await("the refresh", func() (bool, error) { return s.tenant.Refreshes() > before, nil }))
		s.must(s.await("the refresh to be kept", func() (bool, error) {
			n, err := s.number("SELECT count(*) FROM sessions WHERE leased_until > 0")
			return n == 0, err
		}))
		if got := s.crowd(50, kim, whoeverPath); got[http.StatusOK] != 50 {
			t.Errorf("%s: afterwards the answers are %v, want 50 times 200", tt.name, got)
		}
		if n := s.tenant.Refreshes() - before; n != 1 {
			t.Errorf("%s: %d refreshes at the tenant, want 1", tt.name, n)
		}
	}
}

// A refresh token that rotates is good once. Whoever dies between having spent it
// and having written down its successor has lost the login, unless the tenant
// forgives a repetition for a while: nobody can tell him from a thief. So the
// session ends then, with a 401, and the learner logs in again.
func TestAReplicaThatIsKilledInItsRefreshLeavesItToTheOther(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		leeway time.Duration
		spent  bool // the tenant had done it
		want   int
	}{
		{"before the tenant did it", 0, false, http.StatusOK},
		{"after the tenant did it, which forgives a repetition", time.Minute, true, http.StatusOK},
		{"after the tenant did it, which takes a repetition for theft", 0, true, http.StatusUnauthorized},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := openSchool(t, schoolPlan{client: auth0test.Client{RefreshLeeway: tt.leeway}})
			s.enrol(theFirst)
			s.expiring(time.Second)
			kim := s.logIn(s.world, theFirst)
			s.pass(time.Second + 10*time.Millisecond)

			killed := make(chan struct{})
			reached := make(chan struct{})
			if tt.spent {
				s.tenant.NextTokenAnswer(func(map[string]any) { close(reached); <-killed })
			} else {
				s.tenant.Fail("POST /oauth/token", 1, auth0test.Hanging())
			}
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				if resp, err := kim.Get("http://" + s.public + whoeverPath); err == nil {
					resp.Body.Close()
					t.Errorf("the killed one has answered: %d", resp.StatusCode)
				}
			}()
			s.must(s.await("the refresh to be under way", func() (bool, error) {
				select {
				case <-reached:
					return true, nil
				default:
				}
				n, err := s.number("SELECT count(*) FROM sessions WHERE leased_until > 0")
				return n > 0 && !tt.spent, err
			}))
			s.must(s.kill9())
			close(killed)
			<-gone
			if tt.spent { // what is to be waited for is the same as in the first case
				s.must(s.sql("UPDATE sessions SET leased_until = 1 WHERE leased_until > 0"))
			}

			// The next answer ends soon, too: its refresh shows that the family lives.
			s.expiring(time.Second)
			before, died := s.tenant.Refreshes(), time.Now()
			status := 0
			s.must(s.await("the other to take over", func() (bool, error) {
				if status, _ = s.ask(s.other, kim, whoeverPath); status != http.StatusOK {
					return true, nil
				}
				return s.tenant.Refreshes() > before, nil
			}))
			if tt.want == http.StatusOK && time.Since(died) > 15*time.Second {
				t.Errorf("the other took over after %v, and the lease is 10s", time.Since(died))
			}
			s.must(s.serve(true))
			if tt.want != http.StatusOK {
				s.soon(kim, whoeverPath, tt.want, time.Now(), "after the theft")
				again := s.logIn(s.other, theFirst)
				s.now(again, whoeverPath, http.StatusOK, "after a new login")
				return
			}
			if status != http.StatusOK {
				t.Errorf("the other answers %d, want 200", status)
			}
			s.pass(time.Second + 10*time.Millisecond)
			s.now(kim, whoeverPath, http.StatusOK, "with the tokens of whoever took over")
			s.must(s.await("the next refresh", func() (bool, error) { return s.tenant.Refreshes() == before+2, nil }))
			s.now(kim, whoeverPath, http.StatusOK, "after the next refresh")
			if n := s.tenant.Refreshes() - before; n != 2 {
				t.Errorf("%d refreshes after the death, want 2", n)
			}
		})
	}
}

func TestALogoutAnywhereEndsTheSessionEverywhereWithinASecond(t *testing.T) {
	t.Parallel()
	s := openSchool(t, schoolPlan{})
	s.enrol(theFirst)
	s.buy(theFirst, "course-one") // person sign-out goes by what bursar knows
	s.holding(theFirst, "Course One")
	logOut := func(w *world, browser *http.Client, query string) {
		t.Helper()
		// On a copy of the cookie: clearing it here is the browser's part.
		req, _ := http.NewRequest(http.MethodPost, "http://"+w.public+"/auth/logout"+query, nil)
		u, _ := url.Parse("http://" + w.public + "/")
		for _, c := range browser.Jar.Cookies(u) {
			req.AddCookie(c)
		}
		req.Header.Set("X-CSRF", "1")
		req.Header.Set("Accept", "application/json")
		resp, err := http.DefaultClient.Do(req)
		s.must(err)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("POST /auth/logout%s: %d", query, resp.StatusCode)
		}
	}
	for _, tt := range []struct {
		name   string
		end    func(kim *http.Client)
		others int // what a second session of the same person gets
	}{
		{"a logout on the first", func(kim *http.Client) { logOut(s.world, kim, "") }, http.StatusOK},
		{"a logout on the second", func(kim *http.Client) { logOut(s.other, kim, "") }, http.StatusOK},
		{"a logout everywhere", func(kim *http.Client) { logOut(s.other, kim, "?everywhere=1") }, http.StatusUnauthorized},
		{"a back-channel logout", func(*http.Client) { s.must(s.tenant.SendLogout(theFirst)) }, http.StatusUnauthorized},
		{"bursar person sign-out", func(*http.Client) {
			said, err := exec.Command("bursar", "person", "sign-out", theFirst, "--config", s.other.config).CombinedOutput()
			if err != nil || !strings.Contains(string(said), "session") {
				t.Fatalf("bursar person sign-out: %v\n%s", err, said)
			}
		}, http.StatusUnauthorized},
	} {
		kim, phone := s.logIn(s.world, theFirst), s.logIn(s.other, theFirst)
		s.now(kim, lessonOne, http.StatusOK, "before "+tt.name)
		s.now(phone, lessonOne, http.StatusOK, "before "+tt.name)
		tt.end(kim)
		ended := time.Now()
		s.soon(kim, lessonOne, http.StatusUnauthorized, ended, "after "+tt.name)
		if tt.others != http.StatusOK {
			s.soon(phone, lessonOne, tt.others, ended, "on the phone after "+tt.name)
		}
		s.now(phone, lessonOne, tt.others, "on the phone after "+tt.name)
		s.now(kim, lessonOne, http.StatusUnauthorized, "after "+tt.name)
	}
}

func TestSessionsOutliveRestartsAndNewKeys(t *testing.T) {
	t.Parallel()
	s := openSchool(t, schoolPlan{})
	s.enrol(theFirst)
	configure := func(keys ...string) {
		s.settings["sessions"] = map[string]any{"keys": keys}
		s.must(s.write())
	}

	// Without a key in the config both have the one in the store: a login that
	// began on the second comes back to the first.
	kim := s.logIn(s.other, theFirst)
	s.now(kim, whoeverPath, http.StatusOK, "with the key of the store")
	s.restart()
	s.now(kim, whoeverPath, http.StatusOK, "after a restart of both")

	const old, fresh = "0ld-0ld-0ld-0ld-0ld-0ld-0ld-0ld-0ld", "n3w-n3w-n3w-n3w-n3w-n3w-n3w-n3w-n3w"
	configure(old)
	s.restart()
	s.now(kim, whoeverPath, http.StatusUnauthorized, "with a configured key, which is another one")
	s.expiring(time.Second)
	kim = s.logIn(s.world, theFirst)
	lee := s.logIn(s.other, theFirst)
	s.pass(time.Second + 10*time.Millisecond)
	configure(fresh, old)
	s.restart()
	s.now(lee, whoeverPath, http.StatusOK, "with a new key before the old one")
	before := s.tenant.Refreshes()
	s.now(kim, whoeverPath, http.StatusOK, "with a new key before the old one")
	if n := s.tenant.Refreshes() - before; n != 1 {
		t.Errorf("kim's tokens were refreshed %d times, want 1", n)
	}
	max := s.logIn(s.other, theFirst)
	configure(fresh)
	s.restart()
	s.now(max, whoeverPath, http.StatusOK, "without the old key, for a session of the new one")
	s.now(kim, whoeverPath, http.StatusOK, "without the old key, for a session that was refreshed since")
	s.now(lee, whoeverPath, http.StatusUnauthorized, "without the old key, for a session of that")
}

// A cutter stands between bursar and Postgres.
type cutter struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	cut   bool // guarded by mu, as all below
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

// cuttable is a Postgres that can be away, and what takes it away.
func cuttable(t *testing.T) (string, *cutter) {
	t.Helper()
	u, err := url.Parse(pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{listener: l, to: q.Get("host") + "/.s.PGSQL.5432", conns: map[net.Conn]bool{}}
	c.wg.Go(c.run)
	t.Cleanup(func() {
		l.Close()
		c.away(true)
		c.wg.Wait()
	})
	host, port, _ := net.SplitHostPort(l.Addr().String())
	q.Set("host", host)
	q.Set("port", port)
	q.Set("sslmode", "disable")
	u.RawQuery = q.Encode()
	return u.String(), c
}

func (c *cutter) run() {
	for {
		in, err := c.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("unix", c.to)
		if err != nil || !c.keep(in, out) {
			in.Close()
			if err == nil {
				out.Close()
			}
			continue
		}
		for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
			c.wg.Go(func() {
				copyAll(pair[0], pair[1])
				c.forget(pair[0], pair[1])
			})
		}
	}
}

func copyAll(from, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if _, werr := to.Write(buffer[:n]); err != nil || werr != nil {
			return
		}
	}
}

func (c *cutter) keep(conns ...net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range conns {
		c.conns[conn] = !c.cut
	}
	return !c.cut
}

func (c *cutter) forget(conns ...net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range conns {
		conn.Close()
		delete(c.conns, conn)
	}
}

// away cuts every connection and takes no new one, until it is away no longer.
func (c *cutter) away(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut = cut; cut {
		for conn := range c.conns {
			conn.Close()
		}
	}
}

func TestWhileTheStoreIsAwayNobodyPassesAndNobodyIsLoggedOut(t *testing.T) {
	t.Parallel()
	url, postgres := cuttable(t)
	s := openSchool(t, schoolPlan{url: url})
	s.enrol(theFirst)
	s.buy(theFirst, "course-one")
	s.holding(theFirst, "Course One")
	kim, token := s.logIn(s.world, theFirst), bearer(s.token(theFirst))
	robot := &http.Client{Transport: authorized(basicAuth("robot", "robots-are-people-too"))}
	nobody, forged := &http.Client{}, bearer(s.tenant.ForgeToken(map[string]any{"sub": "auth0|kim", "aud": schoolAPI}, nil))
	usual := func(when string) {
		t.Helper()
		s.now(kim, lessonOne, http.StatusOK, when)
		s.now(token, lessonOne, http.StatusOK, when)
		s.now(kim, lessonTwo, http.StatusForbidden, when)
	}
	usual("before")

	postgres.away(true)
	cut := time.Now()
	for name, client := range map[string]*http.Client{"session": kim, "bearer": token} {
		s.soon(client, lessonOne, http.StatusServiceUnavailable, cut, name+" while the store is away")
	}
	for range 10 {
		for i, w := range s.replicas() {
			for name, client := range map[string]*http.Client{"session": kim, "bearer": token} {
				for _, path := range []string{lessonOne, lessonTwo, "/auth/session"} {
					status, header := s.ask(w, client, path)
					if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || len(header["Set-Cookie"]) > 0 {
						t.Errorf("by %s, replica %d answers %s with %d, Retry-After %q, Set-Cookie %q while the store is away; want 503", name, i+1, path, status, header.Get("Retry-After"), header["Set-Cookie"])
					}
				}
			}
		}
	}
	s.now(nobody, frontPath, http.StatusOK, "for what is open to everybody")
	s.now(nobody, lessonOne, http.StatusUnauthorized, "for nobody")
	s.now(forged, lessonOne, http.StatusUnauthorized, "for a forged token")
	s.now(robot, programsPath, http.StatusOK, "for whoever is no account of the tenant")

	postgres.away(false)
	back := time.Now()
	for name, client := range map[string]*http.Client{"session": kim, "bearer": token} {
		s.soon(client, lessonOne, http.StatusOK, back, name+" when the store is back")
	}
	usual("when the store is back")
	// What was bought since is heard of, too.
	s.buy(theFirst, "course-two")
	s.must(s.await("the second lesson to open", func() (bool, error) {
		a, _ := s.ask(s.world, kim, lessonTwo)
		b, _ := s.ask(s.other, kim, lessonTwo)
		return a == 200 && b == 200, nil
	}))
}

func TestARefundLocksSessionsAndTokensEverywhereWhateverTheTenantDoes(t *testing.T) {
	t.Parallel()
	s := openSchool(t, schoolPlan{})
	type learner struct {
		email, sale     string
		session, bearer *http.Client
	}
	conditions := []struct {
		name string
		set  func()
	}{
		{"well", func() {}},
		{"throttled", func() { s.tenant.Fail("/", 0, auth0test.Throttled(time.Minute)) }},
		{"hanging", func() { s.tenant.Fail("/", 0, auth0test.Hanging()) }},
		{"down", func() { s.tenant.Down(true) }},
	}
	var learners []learner
	for i := range conditions {
		l := learner{email: fmt.Sprintf("learner%d@example.com", i)}
		s.enrol(l.email)
		l.sale = s.buy(l.email, "course-one")
		learners = append(learners, l)
	}
	for i := range learners {
		l := &learners[i]
		s.holding(l.email, "Course One")
		l.session, l.bearer = s.logIn(s.replicas()[i%2], l.email), bearer(s.token(l.email))
	}
	for i, tt := range conditions {
		l := learners[i]
		s.now(l.session, lessonOne, http.StatusOK, "before the refund")
		s.now(l.bearer, lessonOne, http.StatusOK, "before the refund")
		tt.set()
		s.refund(l.sale)
		answered := time.Now()
		s.soon(l.session, lessonOne, http.StatusForbidden, answered, "by session, with a tenant that is "+tt.name)
		s.soon(l.bearer, lessonOne, http.StatusForbidden, answered, "by bearer, with a tenant that is "+tt.name)
		for j, other := range learners[i+1:] {
			s.now(other.session, lessonOne, http.StatusOK, fmt.Sprintf("for learner %d, who wanted nothing back,", i+1+j))
		}
		if tt.name == "well" {
			s.holding(l.email, "no roles")
		} else if got := s.holds(l.email); got != "Course One" {
			t.Errorf("with a tenant that is %s, it has carried out the refund: that shows nothing", tt.name)
		}
		s.tenant.ClearFaults()
	}
	s.tenant.Down(false)
}

func TestATokenMintedInTheRaceAndARoleBoughtOrGivenAgain(t *testing.T) {
	t.Parallel()
	s := openSchool(t, schoolPlan{})
	s.enrol(theFirst)
	sale := s.buy(theFirst, "course-one")
	s.holding(theFirst, "Course One")
	early := s.token(theFirst)
	kim, page := s.logIn(s.world, theFirst), bearer(early)
	s.now(kim, lessonOne, http.StatusOK, "bought")
	s.now(page, lessonOne, http.StatusOK, "bought")

	// The decision stands, and the tenant has not heard of it: what it mints now
	// claims the role.
	s.tenant.Fail("/api/v2/", 0, auth0test.Throttled(time.Second))
	s.refund(sale)
	s.soon(page, lessonOne, http.StatusForbidden, time.Now(), "refunded")
	race := bearer(s.token(theFirst))
	raced := s.logIn(s.other, theFirst)
	if claims, err := membersOf(s.token(theFirst), 1); err != nil || fmt.Sprint(claims["https://school.example/roles"]) != "[Course One]" {
		t.Fatalf("the token of the race claims %v, %v: that shows nothing", claims, err)
	}
	locked := func(when string) {
		t.Helper()
		for name, client := range map[string]*http.Client{"the token of the race": race, "the session of the race": raced, "the early token": page, "the early session": kim} {
			s.now(client, lessonOne, http.StatusForbidden, when+", for "+name)
		}
	}
	locked("before it is carried out")
	s.tenant.ClearFaults()
	s.must(s.await("the removal to be carried out", func() (bool, error) {
		locked("while it is carried out")
		n, err := s.number("SELECT count(*) FROM removals WHERE done_at > 0")
		return n == 1 && s.holds(theFirst) == "no roles", err
	}))
	locked("after it was carried out")

	sale = s.buy(theFirst, "course-one")
	bought := time.Now()
	for _, client := range []*http.Client{kim, page, race, raced} {
		s.soon(client, lessonOne, http.StatusOK, bought, "bought again")
	}
	s.holding(theFirst, "Course One")
	s.refund(sale)
	s.soon(kim, lessonOne, http.StatusForbidden, time.Now(), "refunded again")
	s.holding(theFirst, "no roles")
	locked("refunded again")

	// Somebody gives it at the dashboard, two minutes later. Neither side takes
	// it away; it counts in new tokens.
	s.must(s.await("the removal to be carried out", func() (bool, error) {
		n, err := s.number("SELECT count(*) FROM removals WHERE done_at > 0")
		return n == 1, err
	}))
	s.must(s.each(theFirst, func(id string) error { return s.tenant.AssignRole(id, "Course One") }))
	now := time.Now().UnixMilli()
	s.must(s.sql(fmt.Sprintf("UPDATE removals SET done_at = %d", now-2*time.Minute.Milliseconds())))
	s.must(s.sql("UPDATE versions SET version = version + 1"))
	given := time.Now()
	fresh, again := bearer(s.token(theFirst)), s.logIn(s.other, theFirst)
	s.soon(fresh, lessonOne, http.StatusOK, given, "a new token, given by hand")
	s.soon(again, lessonOne, http.StatusOK, given, "a new session, given by hand")
	claims, err := membersOf(early, 1)
	s.must(err)
	for _, k := range []string{"iat", "exp"} {
		claims[k] = int64(claims[k].(float64)) - 600
	}
	s.now(bearer(s.tenant.MintToken(claims, nil)), lessonOne, http.StatusForbidden, "a token from before, given by hand")
}

func TestAPurchaseOpensALiveSessionThoughNoTokenSpeaksOfRoles(t *testing.T) {
	t.Parallel()
	s := openSchool(t, schoolPlan{
		tenant: func(c *auth0test.Config) { c.RolesClaim = "" },
	})
	s.enrol(theFirst)
	kim := s.logIn(s.world, theFirst)
	token := s.token(theFirst)
	page := bearer(token)
	if claims, err := membersOf(token, 1); err != nil || claims["https://school.example/roles"] != nil {
		t.Fatalf("the tokens speak of roles: %v %v", claims, err)
	}
	s.now(kim, lessonOne, http.StatusForbidden, "before the purchase")
	s.now(page, lessonOne, http.StatusForbidden, "before the purchase")

	one := s.buy(theFirst, "course-one")
	bought := time.Now()
	s.soon(kim, lessonOne, http.StatusOK, bought, "bought")
	s.soon(page, lessonOne, http.StatusOK, bought, "bought")
	s.now(kim, lessonTwo, http.StatusForbidden, "not bought")
	s.holding(theFirst, "Course One")

	s.tenant.Fail("/", 0, auth0test.Throttled(time.Minute))
	s.buy(theFirst, "course-two")
	bought = time.Now()
	s.soon(kim, lessonTwo, http.StatusOK, bought, "bought while the tenant is throttled")
	s.soon(page, lessonTwo, http.StatusOK, bought, "bought while the tenant is throttled")
	if got := s.holds(theFirst); got != "Course One" {
		t.Errorf("the tenant has %s: that shows nothing", got)
	}
	s.refund(one)
	s.soon(kim, lessonOne, http.StatusForbidden, time.Now(), "refunded while the tenant is throttled")
	s.now(kim, lessonTwo, http.StatusOK, "bought while the tenant is throttled")
	s.tenant.ClearFaults()
}
