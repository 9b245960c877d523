package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func example(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// keysOf are the keys that a Config struct has: "shops.*.secret", "catalog.*.roles".
func keysOf(t reflect.Type, at string, keys map[string]bool) {
	switch {
	case t.Kind() == reflect.Pointer:
		keysOf(t.Elem(), at, keys)
	case t.Kind() == reflect.Struct:
		for f := range t.Fields() {
			keysOf(f.Type, strings.TrimPrefix(at+"."+f.Tag.Get("toml"), "."), keys)
		}
	case (t.Kind() == reflect.Map || t.Kind() == reflect.Slice) && t.Elem().Kind() == reflect.Struct:
		keysOf(t.Elem(), at+".*", keys)
	default:
		keys[at] = true
	}
}

// keysIn are the keys that a decoded file has, in the same words.
func keysIn(v any, at string, keys, leaves map[string]bool) {
	if leaves[at] { // also those that are tables of the user's own words
		keys[at] = true
		return
	}
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if at == "shops" || at == "roles" {
				name = "*"
			}
			keysIn(inner, strings.TrimPrefix(at+"."+name, "."), keys, leaves)
		}
	case []map[string]any:
		for _, inner := range v {
			keysIn(inner, at+".*", keys, leaves)
		}
	default:
		keys[at] = true
	}
}

func TestTheExampleHasEveryKeyAndNoOther(t *testing.T) {
	want, got := map[string]bool{}, map[string]bool{}
	keysOf(reflect.TypeFor[Config](), "", want)
	var file map[string]any
	// A key without a default stands there as a comment.
	text := regexp.MustCompile(`(?m)^#(\w+ = )`).ReplaceAllString(example(t), "$1")
	if _, err := toml.Decode(text, &file); err != nil {
		t.Fatal(err)
	}
	keysIn(file, "", got, want)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("config.example.toml and the Config structs differ (-structs +file):\n%s", diff)
	}
}

func TestTheExampleShowsTheDefaults(t *testing.T) {
	got, err := parseConfig(example(t))
	if err != nil {
		t.Fatalf("config.example.toml is refused:\n%v", err)
	}
	want := defaults()
	// What has no default, because only the user knows it.
	shop := ShopConfig{APIURL: embedded} // the comment there names the default
	shop.defaults()
	want.Shops = map[string]ShopConfig{"gumroad": shop}
	want.Catalog = []CatalogLine{
		{Shop: "gumroad", Product: "course-one", Roles: []string{"Course One"}},
		{Shop: "gumroad", Product: "course-two", Roles: []string{"Course Two"}},
	}
	want.Roles = map[string]RoleConfig{"Course One": {Scopes: []string{"read:course-one"}, Grants: []string{"video"}}, "Course Two": {Scopes: []string{"read:course-two"}}}
	issuer := IssuerConfig{URL: embedded, Audiences: []string{"https://school.example/api"}, RolesClaim: "https://school.example/roles"}
	issuer.defaults()
	want.Issuers = []IssuerConfig{issuer}
	login := LoginConfig{Name: "school", Issuer: embedded, RolesClaim: "https://school.example/roles", Pass: []string{"login_hint", "screen_hint"}}
	login.defaults()
	want.Logins = []LoginConfig{login}
	want.Basic.Users = []BasicUser{{Name: "reporting", Password: got.Basic.Users[0].Password, Roles: []string{"Reports"}}}
	route := RouteConfig{Name: "course one", Path: "/lessons/one/", Proofs: []string{"session", "bearer"}, Roles: []string{"Course One"},
		Answer: &AnswerConfig{Body: "Welcome to course one.\n"}}
	route.defaults()
	want.Routes = []RouteConfig{route}
	token := TokenConfig{Name: "live", Audience: []string{"https://live.school.example"}, Twilio: &TwilioConfig{}}
	token.defaults()
	want.Tokens = []TokenConfig{token}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("config.example.toml shows other values than the defaults (-default +file):\n%s", diff)
	}
	var elsewhere ShopConfig
	elsewhere.defaults()
	if !strings.Contains(example(t), `"`+elsewhere.APIURL+`"`) {
		t.Errorf("config.example.toml does not name the default of api_url, %s", elsewhere.APIURL)
	}
}

func TestEveryKeyOfTheExampleIsExplained(t *testing.T) {
	explained := map[string]bool{}
	comment := false
	for line := range strings.Lines(example(t)) {
		key, _, isKey := strings.Cut(line, " = ")
		switch {
		case strings.HasPrefix(line, "#"):
			comment = true
		case strings.TrimSpace(line) == "":
			comment = false
		case isKey:
			explained[key] = explained[key] || comment
		}
	}
	for key, ok := range explained {
		if !ok {
			t.Errorf("no sentence stands above %s", key)
		}
	}
}

// base is a config without a fault, for the table below to spoil.
const base = `
[provider]
domain = "school.eu.auth0.com"
client_id = "id"
client_secret = "s3cret"
[shops.gumroad]
access_token = "t0ken"
secret = "a-long-enough-secret"
[[catalog]]
shop = "gumroad"
product = "course-one"
roles = ["Course One"]
[[issuers]]
url = "https://school.eu.auth0.com/"
audiences = ["https://school.example/api"]
`

func TestAFaultInTheConfigIsNamedByItsKey(t *testing.T) {
	if _, err := parseConfig(base); err != nil {
		t.Fatalf("the config without a fault has one: %v", err)
	}
	missing := filepath.Join(t.TempDir(), "missing")
	for _, tt := range []struct{ old, new, want string }{
		{"", `mode = "dry"`, `mode: is "dry", and must be one of apply, observe`},
		{"", `mod = "apply"`, `mod: unknown key`},
		{"[provider]", "[server]\nmax_body = 10\n[provider]", `server.max_body: is 10, and must be between 4096 and 16777216 bytes`},
		{"[provider]", "[log]\nformat = \"xml\"\n[provider]", `log.format: is "xml", and must be one of text, json`},
		{"[provider]", "[server]\noperations = \"localhost\"\n[provider]", `server.operations: is "localhost", and must be host:port`},
		{"[provider]", "[store]\nurl = \"bursar.db\"\n[provider]", `store.url: must begin with "sqlite:" or "postgres://"`},
		{"[provider]", "[store]\nurl = \"env:BURSAR_NO_SUCH_VARIABLE\"\n[provider]", `store.url: the environment has no variable BURSAR_NO_SUCH_VARIABLE`},
		{`"school.eu.auth0.com"`, `""`, `provider.domain: is missing`},
		{`client_id = "id"`, ``, `provider.client_id: is missing`},
		{`"s3cret"`, `"file:` + missing + `"`, `provider.client_secret: open ` + missing},
		{`client_id = "id"`, "client_id = \"id\"\nconnection = \"\"", `provider.connection: is missing`},
		{`[shops.gumroad]`, `[shops.Gumroad]`, `shops.Gumroad: a shop's name stands in its URL`},
		{`access_token = "t0ken"`, `kind = "stripe"`, `shops.gumroad.kind: is "stripe", and must be "gumroad"`},
		{`access_token = "t0ken"`, `api_url = "http://api.gumroad.example"`, `shops.gumroad.api_url: must be an https URL`},
		{`"a-long-enough-secret"`, `"tiny"`, `shops.gumroad.secret: must be at least 16 letters`},
		{`"a-long-enough-secret"`, `"with a space in the URL"`, `shops.gumroad.secret: must be at least 16 letters`},
		{`secret = "a-long-enough-secret"`, `previous_secret = "a-long-enough-secret"`, `shops.gumroad.previous_secret: is set without secret`},
		{`access_token = "t0ken"`, `watch_every = "1ms"`, `shops.gumroad.watch_every: is shorter than 100ms`},
		{`shop = "gumroad"`, `shop = "stripe"`, `catalog[0].shop: is "stripe", and there is no table [shops.stripe]`},
		{`product = "course-one"`, ``, `catalog[0].product: is missing`},
		{`["Course One"]`, `[]`, `catalog[0].roles: needs at least one role`},
		{`[[issuers]]`, "[roles.Other]\nscopes = []\n[[issuers]]", `roles.Other: no line of the catalog and no Basic user gives this role`},
		{`url = "https://school.eu.auth0.com/"`, ``, `issuers[0].url: is missing`},
		{`["https://school.example/api"]`, `[]`, `issuers[0].audiences: needs the identifier of your API`},
		{`[[issuers]]`, "[[issuers]]\ntoken = \"jwt\"", `issuers[0].token: is "jwt", and must be "auth0" or "rfc9068"`},
	} {
		text := strings.Replace(base, tt.old, tt.new+"\n", 1)
		if tt.old == "" {
			text = tt.new + base
		} else if text == base {
			t.Errorf("the config has no %s to spoil", tt.old)
		}
		_, err := parseConfig(text)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("with %q the fault is\n%v\nwant %s", tt.new, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "tiny") {
			t.Errorf("a secret is repeated: %v", err)
		}
	}
}

func TestAConfigWithoutAnythingNamesAllThatIsMissing(t *testing.T) {
	_, err := parseConfig(`provider = { domain = "" }`)
	if err == nil {
		t.Fatal("an empty config is taken")
	}
	for _, key := range []string{"provider.domain", "provider.client_id", "provider.client_secret", "shops"} {
		if !strings.Contains(err.Error(), "  "+key+": ") {
			t.Errorf("nothing is said about %s:\n%v", key, err)
		}
	}
}

func TestAValueOfTheWrongKindNamesItsLineAndKey(t *testing.T) {
	for _, text := range []string{"mode = 1", "[server]\nmax_body = \"big\"", "[shops.gumroad]\nsweep_every = \"soon\"", "[shops.gumroad]\nsweep_every = 5"} {
		_, err := parseConfig(text)
		key := strings.Fields(text[strings.LastIndex(text, "\n")+1:])[0]
		if err == nil || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), "line ") {
			t.Errorf("%q: the fault is %v, want its line and %s", text, err, key)
		}
	}
}

func TestASecretNeverPrintsItself(t *testing.T) {
	cfg, err := parseConfig(base)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		out := fmt.Sprintf(verb, cfg)
		for _, s := range []string{"s3cret", "t0ken", "a-long-enough-secret"} {
			if strings.Contains(out, s) {
				t.Errorf("a config printed with %s holds %q: %s", verb, s, out)
			}
		}
	}
}
