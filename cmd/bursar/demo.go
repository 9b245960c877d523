package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"bursar/roles"
)

func demoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work: tenant, shop and service in this process, a purchase, a refund",
		Long: `Plays a purchase and a refund from end to end, with an identity provider and a
shop that live in this process, and prints what truly happened. Then it stays,
with a page to try more. No account, no server and no network are needed.`,
		Args: cobra.NoArgs,
	}
	once := cmd.Flags().Bool("once", false, "end after the story; exit 0 only if every step held")
	weak := cmd.Flags().Bool("unverified", false, "without an access token at the shop: see what that costs")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return demo(cmd.Context(), newStage(os.Stdout), *once, *weak)
	}
	return cmd
}

// demoConfig is config.example.toml's embedded default on free ports and a
// store of its own.
func demoConfig(dir string, stays, weak bool) Config {
	cfg := defaults()
	cfg.Store.URL = secret("sqlite:" + filepath.Join(dir, "demo.db"))
	cfg.Server.Operations, cfg.Embedded = "127.0.0.1:0", EmbeddedConfig{Tenant: "127.0.0.1:0", Shop: "127.0.0.1:0"}
	if !stays {
		cfg.Server.Listen = "127.0.0.1:0"
	}
	shop := ShopConfig{APIURL: embedded, Secret: "demo-of-a-webhook-secret"}
	if weak {
		shop.AccessToken = unverified
	}
	shop.defaults()
	cfg.Shops = map[string]ShopConfig{"gumroad": shop}
	for _, name := range []string{"One", "Two"} {
		role := "Course " + name
		cfg.Catalog = append(cfg.Catalog, CatalogLine{Shop: "gumroad", Product: "course-" + map[string]string{"One": "one", "Two": "two"}[name], Roles: []string{role}})
	}
	cfg.Roles = map[string]RoleConfig{"Course One": {Scopes: []string{"read:course-one"}}, "Course Two": {Scopes: []string{"read:course-two"}}}
	issuer := IssuerConfig{URL: embedded, Audiences: []string{"https://school.example/api"}, RolesClaim: "https://school.example/roles"}
	issuer.defaults()
	cfg.Issuers = []IssuerConfig{issuer}
	cfg.giveSite(filepath.Join(dir, "site"), issuer.RolesClaim)
	return cfg
}

// giveSite has the course site served from that folder, its lessons only to
// those who hold the role, and a token for its live room.
func (c *Config) giveSite(folder, rolesClaim string) {
	login := LoginConfig{Name: "school", Issuer: embedded, RolesClaim: rolesClaim, Pass: []string{"login_hint", "screen_hint"}}
	login.defaults()
	c.Logins = []LoginConfig{login}
	for _, name := range []string{"One", "Two"} {
		c.Routes = append(c.Routes, RouteConfig{Path: "/lessons/" + strings.ToLower(name) + "/content.html", Roles: []string{"Course " + name}, Static: folder})
	}
	c.Routes = append(c.Routes, RouteConfig{Name: "everything else of the site", Path: "/", AllowAnonymous: true, Static: folder})
	for i := range c.Routes {
		c.Routes[i].defaults()
	}
	live := TokenConfig{Name: "live", Audience: []string{"https://live.school.example"}, Roles: []string{"Course One", "Course Two"}, Grants: []string{"chat"}, Room: "kitchen-table"}
	live.defaults()
	c.Tokens = []TokenConfig{live}
}

// site is the sample course site, which the demo serves through the gate as any
// other folder.
//
//go:embed site
var site embed.FS

func demo(ctx context.Context, st *stage, once, weak bool) (err error) {
	dir, err := os.MkdirTemp("", "bursar-demo-")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, site); err != nil {
		return fmt.Errorf("demo: %w", err)
	}

	seen := newSteps()
	log := slog.New(slog.DiscardHandler)
	app, err := newApp(ctx, demoConfig(dir, !once, weak), log, seen.add)
	if err != nil && !once {
		// Somebody sits on the usual port: any other will do.
		app, err = newApp(ctx, demoConfig(dir, false, weak), log, seen.add)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, app.Close()) }()
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- app.Run(running) }()
	defer func() { stop(); err = errors.Join(err, <-ended) }()

	story := &story{stage: st, app: app, seen: seen, weak: weak}
	if err := story.tell(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // somebody pressed Ctrl-C
		}
		return hinted(fmt.Errorf("demo: %w", err), "this should not happen: please report it with what stands above")
	}
	if once {
		st.say("")
		st.say("Every step held. To try more:  bursar demo   For real: README.md, \"With your tenant and your shop\"")
		return nil
	}
	st.say("")
	st.say("Now you:  http://%s/       the course site: buy, log in, read, ask for the money back", app.public.Addr())
	st.say("          http://%s/try/   behind the scenes: forge, lose and repeat pings, take the provider down", app.public.Addr())
	st.say("Ctrl-C ends it.")
	select {
	case <-ctx.Done():
		st.say("\nGone, and everything with it.")
		return nil
	case err := <-ended:
		ended <- nil
		return err
	}
}

// steps keeps what happened, for the story to wait for.
type steps struct {
	mu   sync.Mutex // guards all below
	all  []roles.Step
	used map[int]bool
	more chan struct{} // closed and replaced with every step
}

func newSteps() *steps { return &steps{used: map[int]bool{}, more: make(chan struct{})} }

func (s *steps) add(step roles.Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, step)
	close(s.more)
	s.more = make(chan struct{})
}

// await returns the first step with that word that nobody has awaited before;
// if event is not 0, of the steps about that delivery.
func (s *steps) await(ctx context.Context, word roles.Word, event int64) (roles.Step, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		s.mu.Lock()
		for i, step := range s.all {
			if step.Word == word && !s.used[i] && (event == 0 || step.Event == event) {
				s.used[i] = true
				s.mu.Unlock()
				return step, nil
			}
		}
		more, last := s.more, "nothing happened"
		if len(s.all) > 0 {
			step := s.all[len(s.all)-1]
			last = fmt.Sprintf("the last thing was %q: %s", step.Word, step.Detail)
		}
		s.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return roles.Step{}, fmt.Errorf("waited in vain for %q; %s", word, last)
		}
	}
}

// A stage prints the story: in colour and at a pace to follow on a terminal,
// plain everywhere else.
type stage struct {
	w      io.Writer
	colour bool
	pace   time.Duration
}

func newStage(f *os.File) *stage {
	if term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" {
		return &stage{f, true, 70 * time.Millisecond}
	}
	return &stage{w: f}
}

func (s *stage) say(format string, args ...any) { fmt.Fprintf(s.w, format+"\n", args...) }

func (s *stage) chapter(title string) {
	s.say("")
	s.say("%s", s.paint("1", title))
}

// done prints one step that held, and how long it took.
func (s *stage) done(took time.Duration, format string, args ...any) {
	time.Sleep(s.pace) // for the eye; what is printed was measured before
	text := fmt.Sprintf(format, args...)
	s.say("  %s %-58s %s", s.paint("32", "✓"), text, s.paint("2", fmt.Sprintf("%9s", short(took))))
}

func (s *stage) note(format string, args ...any) {
	s.say("    %s", s.paint("2", fmt.Sprintf(format, args...)))
}

func (s *stage) warn(format string, args ...any) {
	s.say("  %s", s.paint("33", "! "+fmt.Sprintf(format, args...)))
}

func (s *stage) paint(code, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func short(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}
