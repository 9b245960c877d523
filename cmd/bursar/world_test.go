package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"bursar/internal/store"
	"bursar/provider/auth0"
	"bursar/provider/auth0/auth0test"
	"bursar/webhooks/gumroad/gumroadtest"
)

// patience is how long anything may take that is waited for.
const patience = 3 * time.Minute

// A world is a tenant and a shop in the test's process, and a bursar in its
// own, which knows of them by its config file alone.
type world struct {
	dir, config        string
	public, operations string
	secret, token      string
	url                string // of the store

	tenant *auth0test.Server
	shop   *gumroadtest.Server
	client auth0test.Client
	clock  atomic.Int64 // how far the shop's clock is ahead, in nanoseconds

	settings map[string]any // of the config file
	private  []string       // must never be in a log
	program  string         // empty means the bursar that is tested
	child    *exec.Cmd      // nil: not running
	exited   chan error
	books    *store.Store // opened when first asked
	browsers map[string]*http.Client
}

// newWorld starts tenant and shop and writes the config. An empty url means a
// SQLite file in dir.
func newWorld(dir, url string, tenant ...func(*auth0test.Config)) (*world, error) {
	w := &world{dir: dir, config: filepath.Join(dir, "config.toml"), url: url, secret: "hook-" + rand.Text(), public: freeAddr(), operations: freeAddr()}
	if url == "" {
		w.url = "sqlite:" + filepath.Join(dir, "bursar.db")
	}
	const audience, claim = "https://school.example/api", "https://school.example/roles"
	var err error
	tc := auth0test.Config{
		APIs: []auth0test.API{{Identifier: audience}}, RolesClaim: claim,
		Connections: []auth0test.Connection{{Name: auth0test.DefaultConnection}, {Name: "google-oauth2", Strategy: "google-oauth2"}},
		Roles:       []string{"Course One", "Course Two", "Club", "Alumni"},
	}
	for _, change := range tenant {
		change(&tc)
	}
	w.tenant, err = auth0test.Start(tc)
	if err != nil {
		return nil, err
	}
	w.client = w.tenant.AddClient(auth0test.Client{Management: auth0.Enrol.Scopes})

	ping := "http://" + w.public + "/webhooks/gumroad/" + w.secret
	w.shop, err = gumroadtest.Start(gumroadtest.Config{
		PingURL: ping,
		Now:     func() time.Time { return time.Now().Add(time.Duration(w.clock.Load())) },
		Products: []gumroadtest.Product{
			{Name: "Course One", Permalink: "course-one", Price: 4900},
			{Name: "Course Two", Permalink: "course-two", Price: 5900},
			{Name: "Both courses", Permalink: "both", Price: 8900, Kind: gumroadtest.Bundle,
				Contents: []gumroadtest.Item{{Product: "course-one"}, {Product: "course-two"}}},
			{Name: "Club", Permalink: "club", Price: 900, Kind: gumroadtest.Membership, Recurrence: recurrence(time.Now())},
			{Name: "Poster", Permalink: "poster", Price: 1500},
		},
	})
	if err != nil {
		w.tenant.Close()
		return nil, err
	}
	for _, event := range gumroadtest.Events {
		if event != gumroadtest.EventSale { // the settings page sends those
			if _, err := w.shop.AddHook(event, ping); err != nil {
				return nil, err
			}
		}
	}
	w.token = w.shop.AddToken("view_sales")
	w.settings = map[string]any{
		"mode":     "apply",
		"log":      map[string]any{"level": "debug"},
		"server":   map[string]any{"listen": w.public, "operations": w.operations},
		"store":    map[string]any{"url": w.url},
		"provider": map[string]any{"domain": w.tenant.URL, "client_id": w.client.ID, "client_secret": w.client.Secret},
		"shops": map[string]any{"gumroad": map[string]any{"api_url": w.shop.APIURL, "access_token": w.token, "secret": w.secret,
			"sweep_every": "1h"}}, // scripts about the sweep say otherwise
		"catalog": []map[string]any{
			{"shop": "gumroad", "product": "course-one", "roles": []string{"Course One"}},
			{"shop": "gumroad", "product": "course-two", "roles": []string{"Course Two"}},
			{"shop": "gumroad", "product": "club", "roles": []string{"Club"}},
		},
		"roles":   map[string]any{"Course One": map[string]any{"scopes": []string{"read:course-one"}}},
		"issuers": []map[string]any{{"url": w.tenant.Issuer(), "audiences": []string{audience}, "roles_claim": claim}},
	}
	w.private = []string{w.secret, w.token, w.client.Secret}
	return w, w.write()
}

// recurrence is the period that can end today: a year back there was no
// 29 February, and a month back is no good on a 31st.
func recurrence(now time.Time) string {
	if now.UTC().Month() == time.February {
		return "monthly"
	}
	return "yearly"
}

// write writes the config file from the settings.
func (w *world) write() error {
	var text bytes.Buffer
	if err := toml.NewEncoder(&text).Encode(w.settings); err != nil {
		return err
	}
	return os.WriteFile(w.config, text.Bytes(), 0o600)
}

// set changes one setting, such as shops.gumroad.sweep_every; nil removes it.
func (w *world) set(key string, value any) error {
	table := w.settings
	path := strings.Split(key, ".")
	for _, name := range path[:len(path)-1] {
		if table[name] == nil {
			table[name] = map[string]any{}
		}
		table = table[name].(map[string]any)
	}
	if table[path[len(path)-1]] = value; value == nil {
		delete(table, path[len(path)-1])
	}
	return w.write()
}

// ports are handed out from below what the system picks by itself, so that
// nobody else takes one between two lives of a child.
var ports atomic.Int64

func freeAddr() string {
	const first, count = 20000, 12000
	for {
		addr := fmt.Sprintf("127.0.0.1:%d", first+(int64(os.Getpid())*37+ports.Add(1))%count)
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
}

// serve starts bursar and waits until it is ready and, if resolved, until all
// names of the catalog are.
func (w *world) serve(resolved bool, env ...string) error {
	if w.child != nil {
		return fmt.Errorf("serve: it runs already")
	}
	log, err := os.OpenFile(w.logFile(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(cmp.Or(w.program, "bursar"), "serve", "--config", w.config)
	cmd.Dir, cmd.Stdout, cmd.Stderr = w.dir, log, log
	cmd.Env = append(os.Environ(), env...)
	if err := cmd.Start(); err != nil {
		return err
	}
	w.child, w.exited = cmd, make(chan error, 1)
	go func() { w.exited <- cmd.Wait() }()
	return w.await("bursar to be ready", func() (bool, error) {
		select {
		case err := <-w.exited:
			w.child = nil
			return false, fmt.Errorf("serve ended by itself: %v\n%s", err, w.tail(25))
		default:
		}
		status, body, err := w.get("/readyz")
		if err != nil || status != http.StatusOK {
			return false, nil
		}
		return !resolved || strings.Contains(body, `"unresolved":[]`), nil
	})
}

// stop ends bursar the friendly way, kill9 the other.
func (w *world) stop() error {
	if w.child == nil {
		return fmt.Errorf("stop: it does not run")
	}
	if err := w.child.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	select {
	case err := <-w.exited:
		w.child = nil
		if err != nil {
			return fmt.Errorf("serve was asked to stop: %v\n%s", err, w.tail(25))
		}
		return nil
	case <-time.After(patience):
		return fmt.Errorf("serve does not stop\n%s", w.tail(25))
	}
}

func (w *world) kill9() error {
	if w.child == nil {
		return fmt.Errorf("kill9: it does not run")
	}
	err := w.child.Process.Kill()
	<-w.exited
	w.child = nil
	return err
}

// get asks the operations listener.
func (w *world) get(path string) (status int, body string, err error) {
	resp, err := http.Get("http://" + w.operations + path)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// settle waits until nothing is due within the next moments. What waits for
// longer (a mailbox, an end in the future, a provider that is down) is settled.
func (w *world) settle() error {
	if w.books == nil {
		// A clock that is ahead counts as due what will be so soon, also what a
		// worker has in hand, and all in one snapshot.
		soon := func() time.Time { return time.Now().Add(1500 * time.Millisecond) }
		s, err := store.Open(context.Background(), store.Config{URL: w.url, Now: soon})
		if err != nil {
			return err
		}
		w.books = s
	}
	var b store.Backlog
	err := w.await("nothing to be due", func() (_ bool, err error) {
		b, err = w.books.Backlog(context.Background())
		return b.EventsDue == 0 && b.PeopleDue == 0, err
	})
	if err != nil {
		return fmt.Errorf("still due are %d deliveries and %d people: %w", b.EventsDue, b.PeopleDue, err)
	}
	return nil
}

// await polls until done says yes, fails, or patience ends.
func (w *world) await(what string, done func() (bool, error)) error {
	end := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-end:
			return fmt.Errorf("waited in vain for %s\n%s", what, w.tail(25))
		}
	}
}

func (w *world) logFile() string { return filepath.Join(w.dir, "serve.log") }

// tail is the end of what bursar has logged.
func (w *world) tail(n int) string {
	text, _ := os.ReadFile(w.logFile())
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// telltale is a token or a whole e-mail address; a masked one has a star
// before its @.
var telltale = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}|[\pL\pN._+-]+@[\pL\pN.-]+\.\pL`)

// end stops everything and holds the log of the whole script against promise
// 8: no secret, token or full e-mail address in it.
func (w *world) end(t testing.TB) {
	w.halt(t)
	if w.books != nil {
		w.books.Close()
	}
	w.tenant.Close()
	w.shop.Close()
	w.search(t)
}

// halt stops bursar, if it runs.
func (w *world) halt(t testing.TB) {
	if w.child != nil {
		if err := w.stop(); err != nil {
			t.Error(err)
			w.kill9()
		}
	}
}

// search looks through the log for what must not be there.
func (w *world) search(t testing.TB) {
	raw, _ := os.ReadFile(w.logFile())
	for line := range strings.Lines(string(raw)) {
		for _, p := range w.private {
			if strings.Contains(line, p) {
				t.Errorf("the log holds the secret %q: %s", p, line)
			}
		}
		if m := telltale.FindString(line); m != "" {
			t.Errorf("the log holds %q: %s", m, line)
		}
		if strings.Contains(line, "DATA RACE") || strings.HasPrefix(line, "panic:") {
			t.Errorf("serve broke: %s", line)
		}
	}
	if t.Failed() {
		t.Logf("the end of serve.log:\n%s", w.tail(200))
	}
}
