package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"bursar/provider/auth0"
)

func readDoc(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// fences are the code blocks of a page in one language.
func fences(page, language string) []string {
	var out []string
	for _, m := range regexp.MustCompile("(?ms)^ *```"+language+"\n(.*?)^ *```").FindAllStringSubmatch(page, -1) {
		out = append(out, m[1])
	}
	return out
}

func TestTheReadmesConfigIsAConfig(t *testing.T) {
	t.Setenv("AUTH0_CLIENT_SECRET", "s3cret")
	t.Setenv("GUMROAD_ACCESS_TOKEN", "t0ken")
	t.Setenv("AUTH0_LOGIN_SECRET", "l0gin")
	file := filepath.Join(t.TempDir(), "webhook-secret")
	if err := os.WriteFile(file, []byte("a-long-enough-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	blocks := fences(readDoc(t, "README.md"), "toml")
	if len(blocks) != 2 {
		t.Fatalf("the README shows %d configs, want one and what is added to it", len(blocks))
	}
	cfg, err := parseConfig(strings.ReplaceAll(blocks[0]+blocks[1], "/run/secrets/gumroad-webhook", file))
	if err != nil {
		t.Fatalf("what the README shows is refused:\n%v", err)
	}
	if cfg.Mode != "observe" || cfg.Shops["gumroad"].Secret != "a-long-enough-secret" || cfg.Provider.ClientSecret != "s3cret" {
		t.Errorf("it was read as %+v", cfg)
	}
	if len(cfg.Routes) != 2 || len(cfg.Logins) != 1 {
		t.Errorf("its second part was read as %+v and %+v", cfg.Logins, cfg.Routes)
	}
}

// The routes of the guide on the logins of the other one.
func TestTheGuidesConfigIsAConfig(t *testing.T) {
	t.Setenv("AUTH0_LOGIN_SECRET", "l0gin")
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, []byte(strings.Repeat("k", 40)), 0o600); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(append(fences(readDoc(t, "docs/login.md"), "toml"), fences(readDoc(t, "docs/guard.md"), "toml")...), "\n")
	cfg, err := parseConfig(strings.NewReplacer("/run/secrets/bursar-session-key", key, `static = "site"`, "static = '"+dir+"'").Replace(text))
	if err != nil {
		t.Fatalf("what the guides show is refused:\n%v", err)
	}
	if _, err := explainedGate(cfg); err != nil {
		t.Errorf("its routes are refused: %v", err)
	}
}

// The page on sync: a schedule, and a config that can only read.
func TestTheSyncPagesConfigsAreConfigs(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(key, []byte("a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	const shop = "[shops.gumroad]\naccess_token = \"t\"\nsecret = \"a-long-enough-secret\"\n"
	blocks := fences(readDoc(t, "docs/sync.md"), "toml")
	if len(blocks) != 2 {
		t.Fatalf("docs/sync.md shows %d configs, want 2", len(blocks))
	}
	for _, block := range blocks {
		cfg, err := parseConfig(strings.ReplaceAll(block+shop, "/run/secrets/sync-read.pem", key))
		if err != nil {
			t.Errorf("what the page shows is refused:\n%v", err)
		}
		if cfg.Sync.Every == 0 && (cfg.Provider.client().set() || !cfg.Provider.SyncRead.set()) {
			t.Errorf("it was read as %+v", cfg)
		}
	}
}

func TestTheCommandsThatTheDocsNameExist(t *testing.T) {
	for _, page := range []string{"README.md", "docs/auth0.md", "docs/gumroad.md", "docs/architecture.md", "docs/sync.md", "docs/operations.md", "docs/scaling.md", "docs/management-api.md", "CONTRIBUTING.md"} {
		for _, m := range regexp.MustCompile("(?:`|    |^)(?:go run ./cmd/bursar|bursar) ([a-z][a-z -]*)").FindAllStringSubmatch(readDoc(t, page), -1) {
			words := strings.Fields(m[1])
			cmd, rest, err := rootCommand().Find(words)
			if err != nil || !cmd.HasParent() {
				t.Errorf("%s names %q, which is no command", page, "bursar "+m[1])
				continue
			}
			for _, w := range rest {
				if name, ok := strings.CutPrefix(w, "--"); ok && cmd.Flags().Lookup(name) == nil {
					t.Errorf("%s names %q, and %s has no such flag", page, "bursar "+m[1], cmd.CommandPath())
				}
			}
		}
	}
}

func TestTheScopesThatTheDocsNameAreTheScopesWeNeed(t *testing.T) {
	scope := regexp.MustCompile("`([a-z]+:[a-z_]+)`")
	readme := readDoc(t, "README.md")
	step := readme[strings.Index(readme, "1. **At Auth0**"):strings.Index(readme, "2. **At Gumroad**")]
	page := readDoc(t, "docs/auth0.md")
	table := page[strings.Index(page, "| scope |"):strings.Index(page, "bursar reads what")]
	example := readDoc(t, "config.example.toml")
	for name, text := range map[string]string{"README.md": step, "docs/auth0.md": table} {
		var named []string
		for _, m := range scope.FindAllStringSubmatch(text, -1) {
			named = append(named, m[1])
		}
		slices.Sort(named)
		if want := slices.Sorted(slices.Values(auth0.Enrol.Scopes)); !slices.Equal(named, want) {
			t.Errorf("%s names the scopes %v, and the duty needs %v", name, named, want)
		}
	}
	for _, s := range auth0.Enrol.Scopes {
		if !strings.Contains(example, s) {
			t.Errorf("config.example.toml does not name the scope %s", s)
		}
	}
}

func TestTheActionInTheDocsSetsTheClaimOfTheExampleConfig(t *testing.T) {
	var cfg Config
	if _, err := toml.Decode(readDoc(t, "config.example.toml"), &cfg); err != nil {
		t.Fatal(err)
	}
	actions := fences(readDoc(t, "docs/auth0.md"), "js")
	if len(actions) != 1 || !strings.Contains(actions[0], `"`+cfg.Issuers[0].RolesClaim+`"`) {
		t.Errorf("docs/auth0.md and config.example.toml do not speak of the same claim %q", cfg.Issuers[0].RolesClaim)
	}
}
