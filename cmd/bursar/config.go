package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"bursar/provider"
)

// Config is the configuration file; config.example.toml says each key in a
// sentence. A test holds the two together.
type Config struct {
	Mode      string                `toml:"mode"`
	Log       LogConfig             `toml:"log"`
	Server    ServerConfig          `toml:"server"`
	Store     StoreConfig           `toml:"store"`
	Provider  ProviderConfig        `toml:"provider"`
	Embedded  EmbeddedConfig        `toml:"embedded"`
	Shops     map[string]ShopConfig `toml:"shops"`
	Catalog   []CatalogLine         `toml:"catalog"`
	Roles     map[string]RoleConfig `toml:"roles"`
	Issuers   []IssuerConfig        `toml:"issuers"`
	Sessions  SessionsConfig        `toml:"sessions"`
	Logins    []LoginConfig         `toml:"logins"`
	CORS      CORSConfig            `toml:"cors"`
	Basic     BasicConfig           `toml:"basic"`
	Check     CheckConfig           `toml:"check"`
	Routes    []RouteConfig         `toml:"routes"`
	Tokens    []TokenConfig         `toml:"tokens"`
	Sync      SyncConfig            `toml:"sync"`
	Retention RetentionConfig       `toml:"retention"`
}

type LogConfig struct {
	Level  string `toml:"level"`
	Format string `toml:"format"`
}

type ServerConfig struct {
	Listen         string   `toml:"listen"`
	Operations     string   `toml:"operations"`
	PublicURL      string   `toml:"public_url"`
	TrustedProxies []string `toml:"trusted_proxies"`
	Realm          string   `toml:"realm"`
	MaxBody        int64    `toml:"max_body"`
}

type StoreConfig struct {
	URL secret `toml:"url"`
}

type ProviderConfig struct {
	Domain             string   `toml:"domain"`
	ClientID           string   `toml:"client_id"`
	ClientSecret       secret   `toml:"client_secret"`
	PrivateKey         secret   `toml:"private_key"`
	KeyID              string   `toml:"key_id"`
	SigningAlgorithm   string   `toml:"signing_algorithm"`
	Plan               string   `toml:"plan"`
	Audience           string   `toml:"audience"`
	Connection         string   `toml:"connection"`
	TrustedConnections []string `toml:"trusted_connections"`
	OnlyBestAccount    bool     `toml:"only_best_account"`
	Invite             bool     `toml:"invite"`
	InviteClientID     string   `toml:"invite_client_id"`
	Issuers            []string `toml:"issuers"`

	SyncRead  ClientConfig `toml:"sync_read"`
	SyncWrite ClientConfig `toml:"sync_write"`
}

type EmbeddedConfig struct {
	Tenant      string `toml:"tenant"`
	Shop        string `toml:"shop"`
	SPAClientID string `toml:"spa_client_id"`
}

type ShopConfig struct {
	Kind                  string   `toml:"kind"`
	APIURL                string   `toml:"api_url"`
	AccessToken           secret   `toml:"access_token"`
	Secret                secret   `toml:"secret"`
	PreviousSecret        secret   `toml:"previous_secret"`
	AllowTestPurchases    bool     `toml:"allow_test_purchases"`
	RemoveOnPartialRefund bool     `toml:"remove_on_partial_refund"`
	KeepAfterEnd          bool     `toml:"keep_after_end"`
	SweepEvery            duration `toml:"sweep_every"`
	SweepOverlap          duration `toml:"sweep_overlap"`
	WatchEvery            duration `toml:"watch_every"`
}

type CatalogLine struct {
	Shop    string   `toml:"shop"`
	Product string   `toml:"product"`
	Variant string   `toml:"variant"`
	Roles   []string `toml:"roles"`
}

type RoleConfig struct {
	Scopes []string `toml:"scopes"`
	Grants []string `toml:"grants"`
}

type IssuerConfig struct {
	URL        string   `toml:"url"`
	Audiences  []string `toml:"audiences"`
	Algorithms []string `toml:"algorithms"`
	Token      string   `toml:"token"`
	RolesClaim string   `toml:"roles_claim"`
	JWKSURL    string   `toml:"jwks_url"`
}

// embedded is what stands where an address would, for the tenant and the shop
// that live in this process.
const embedded = "embedded"

// defaults are the values of keys that a file does not set.
func defaults() Config {
	return Config{
		Mode:   "apply",
		Log:    LogConfig{Level: "info", Format: "text"},
		Server: ServerConfig{Listen: "127.0.0.1:8080", Operations: "127.0.0.1:8081", Realm: "bursar", MaxBody: 256 << 10},
		Store:  StoreConfig{URL: "sqlite:bursar.db"},
		Provider: ProviderConfig{
			Domain:             embedded,
			Connection:         "Username-Password-Authentication",
			TrustedConnections: []string{"Username-Password-Authentication", "google-oauth2"},
			Invite:             true,
		},
		Embedded:  EmbeddedConfig{Tenant: "127.0.0.1:8090", Shop: "127.0.0.1:8091"},
		Sessions:  SessionsConfig{Idle: duration(24 * time.Hour), Absolute: duration(7 * 24 * time.Hour), AfterLogin: "/", AfterLogout: "/"},
		Basic:     BasicConfig{Charset: "UTF-8", WrongPerUser: 10, WrongPerAddress: 50},
		Check:     CheckConfig{Headers: "off"},
		Sync:      SyncConfig{Depth: "believed", MaxRemovals: "5%"},
		Retention: RetentionConfig{}.defaults(),
	}
}

func (s *ShopConfig) defaults() {
	s.Kind = cmp.Or(s.Kind, "gumroad")
	s.APIURL = cmp.Or(s.APIURL, "https://api.gumroad.com/v2")
	s.SweepEvery = cmp.Or(s.SweepEvery, duration(time.Minute))
	s.SweepOverlap = cmp.Or(s.SweepOverlap, duration(time.Hour))
	s.WatchEvery = cmp.Or(s.WatchEvery, duration(24*time.Hour))
}

func (i *IssuerConfig) defaults() {
	i.Token = cmp.Or(i.Token, "auth0")
	if len(i.Algorithms) == 0 {
		i.Algorithms = []string{"RS256"}
	}
}

// loadConfig reads a file and reports every fault in it at once.
func loadConfig(path string) (Config, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Config{}, hinted(fmt.Errorf("config: there is no file %s", path), `start from config.example.toml: it runs as it stands`)
	}
	if err != nil {
		return Config{}, fmt.Errorf("config: %w", err)
	}
	cfg, err := parseConfig(string(text))
	if err != nil {
		return Config{}, hinted(fmt.Errorf("config: %s:\n%w", path, err), "config.example.toml explains every key")
	}
	return cfg, nil
}

func parseConfig(text string) (Config, error) {
	cfg, md, faults, err := decode(text)
	if err != nil {
		return Config{}, err
	}
	for _, key := range md.Undecoded() {
		faults.add(key.String(), "unknown key")
	}
	for name, s := range cfg.Shops {
		s.defaults()
		cfg.Shops[name] = s
	}
	for i := range cfg.Issuers {
		cfg.Issuers[i].defaults()
	}
	for i := range cfg.Logins {
		cfg.Logins[i].defaults()
	}
	for i := range cfg.Routes {
		cfg.Routes[i].defaults()
	}
	for i := range cfg.Tokens {
		cfg.Tokens[i].defaults()
	}
	cfg.resolveSecrets(&faults)
	cfg.check(&faults)
	return cfg, faults.err()
}

// decode reads what can be read. A value of the wrong kind is a fault like any
// other: its line is left out, so that the rest of the file is looked at too.
func decode(text string) (cfg Config, md toml.MetaData, f faults, err error) {
	lines := strings.SplitAfter(text, "\n")
	for {
		cfg = defaults()
		md, err = toml.Decode(strings.Join(lines, ""), &cfg)
		var p toml.ParseError
		switch {
		case err == nil:
			return cfg, md, f, nil
		case !errors.As(err, &p):
			f = append(f, "  "+strings.TrimPrefix(err.Error(), "toml: "))
			return cfg, md, f, f.err()
		}
		where, n := fmt.Sprintf("  line %d: ", p.Position.Line), p.Position.Line-1
		if p.LastKey != "" {
			where += p.LastKey + ": "
		}
		f = append(f, where+wrongKind(strings.TrimPrefix(p.Message, "toml: ")))
		if p.LastKey == "" || n < 0 || n >= len(lines) || lines[n] == "\n" {
			return cfg, md, f, f.err() // the file itself is broken there
		}
		lines[n] = "\n"
	}
}

var kinds = regexp.MustCompile(`TOML value has type (\w+); destination has type (\w+)`)

// wrongKind puts the parser's words into those of whoever writes the file.
func wrongKind(message string) string {
	m := kinds.FindStringSubmatch(message)
	if m == nil {
		return message
	}
	want := map[string]string{"slice": `a list, such as ["..."]`, "string": `a text between quotes`, "boolean": "true or false", "bool": "true or false",
		"integer": "a number", "float": "a number", "map": "a table", "struct": "a table"}[m[2]]
	if want == "" {
		return message
	}
	return "must be " + want
}

// faults collects what is wrong, so that it is all mended in one go.
type faults []string

func (f *faults) add(key, format string, args ...any) {
	*f = append(*f, "  "+key+": "+fmt.Sprintf(format, args...))
}

func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return errors.New(strings.Join(f, "\n"))
}

// secret is a value that may stand elsewhere: "env:NAME" or "file:PATH".
type secret = provider.Secret

// unresolved stands where a secret could not be had: that is a fault already,
// and not also one of a key that is missing.
const unresolved secret = "unresolved-secret"

func (c *Config) resolveSecrets(f *faults) {
	resolve := func(key string, s *secret) {
		switch kind, rest, _ := strings.Cut(string(*s), ":"); kind {
		case "env":
			v, ok := os.LookupEnv(rest)
			if *s = secret(v); !ok || v == "" {
				f.add(key, "the environment has no variable %s; export it before the start", rest)
				*s = unresolved
			}
		case "file":
			v, err := os.ReadFile(rest)
			*s = secret(strings.TrimSpace(string(v)))
			switch {
			case err != nil:
				f.add(key, "%v", err)
			case *s == "":
				// Never as if the key were not set: that would open a door.
				f.add(key, "the file %s is empty", rest)
			}
			if *s == "" {
				*s = unresolved
			}
		}
	}
	resolve("store.url", &c.Store.URL)
	resolve("provider.client_secret", &c.Provider.ClientSecret)
	resolve("provider.private_key", &c.Provider.PrivateKey)
	for key, client := range map[string]*ClientConfig{"provider.sync_read": &c.Provider.SyncRead, "provider.sync_write": &c.Provider.SyncWrite} {
		resolve(key+".client_secret", &client.ClientSecret)
		resolve(key+".private_key", &client.PrivateKey)
	}
	for name, s := range c.Shops {
		key := "shops." + name
		resolve(key+".access_token", &s.AccessToken)
		resolve(key+".secret", &s.Secret)
		resolve(key+".previous_secret", &s.PreviousSecret)
		c.Shops[name] = s
	}
	for i := range c.Sessions.Keys {
		resolve(fmt.Sprintf("sessions.keys[%d]", i), &c.Sessions.Keys[i])
	}
	for i := range c.Logins {
		resolve(fmt.Sprintf("logins[%d].client_secret", i), &c.Logins[i].ClientSecret)
	}
	for i := range c.Basic.Users {
		resolve(fmt.Sprintf("basic.users[%d].password", i), &c.Basic.Users[i].Password)
	}
	for i, t := range c.Tokens {
		if t.Twilio != nil {
			resolve(fmt.Sprintf("tokens[%d].twilio.key_secret", i), &t.Twilio.KeySecret)
		}
	}
}

// duration reads "90s", "24h".
type duration time.Duration

func (d *duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf(`%q is no duration, such as "90s" or "24h"`, b)
	}
	*d = duration(v)
	return nil
}

func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }
