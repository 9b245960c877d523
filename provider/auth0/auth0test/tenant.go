package auth0test

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"bursar/internal/emulator"
)

// DefaultConnection is the database connection a tenant has when its config
// names none; it is also the one that a new Auth0 tenant comes with.
const DefaultConnection = "Username-Password-Authentication"

// Config says what kind of tenant it is. Every zero value is a sensible tenant.
type Config struct {
	// Issuer is the tenant's public base URL. New needs it; Start takes it from
	// its listener if it is empty. A missing trailing slash is added, because
	// Auth0's issuers end with one.
	Issuer string
	// ManagementAudience is the audience of the Management API; empty means
	// Issuer + "api/v2/".
	ManagementAudience string
	// DefaultAudience is used by a token request that names none; empty means
	// that such a learner gets an opaque token and such a client an error.
	DefaultAudience string

	Connections []Connection // empty means one database, DefaultConnection
	Clients     []Client
	APIs        []API
	Roles       []string // names
	Users       []User

	// RolesClaim is the claim that carries the learner's role names, such as
	// "https://school.example/roles". It stands for a Post-Login Action. Empty
	// means, as at Auth0, that no token says anything about roles.
	RolesClaim string

	OmitIss     bool              // no iss in the answers of /authorize (RFC 9207), and discovery does not promise it
	OmitLogout  bool              // discovery has no end_session_endpoint, as of tenants before November 2023
	AtHash      bool              // ID tokens carry at_hash; Auth0 leaves it out in the code flow
	Backchannel http.RoundTripper // sends logout tokens; nil means the network

	Plan        Plan             // rate limits; the zero value is Unlimited
	MostAtOnce  int              // users per POST /roles/{id}/users, beyond which it is a 400; zero means any number, for no limit is documented
	RetryAfter  bool             // answer 429 with a Retry-After header too
	LimitMails  bool             // at most 10 password mails at once per e-mail, then 1 a minute
	TokenLife   time.Duration    // of access tokens; zero means 24h
	IDTokenLife time.Duration    // zero means 10h
	TicketLife  time.Duration    // of mailed links; zero means 5 days
	RefreshLife time.Duration    // from the login to the last refresh; zero means 30 days
	Now         func() time.Time // nil means time.Now
	OnCall      func(Call)       // told of every counted call once it is over; nil means nobody. It may be called concurrently.
}

// A Connection is where users of one kind live.
type Connection struct {
	Name string
	// Strategy is "auth0" for a database (also if empty), "email" for
	// passwordless, else the provider's name, such as "google-oauth2". It is the
	// part of the user id before the bar.
	Strategy      string
	Policy        PasswordPolicy // databases only; zero means PolicyGood
	DisableSignup bool           // strangers cannot sign up by themselves
}

func (c Connection) database() bool { return c.Strategy == "auth0" }

// creatable reports whether the Management API can create users there.
func (c Connection) creatable() bool { return c.database() || c.Strategy == "email" }

// A Tenant is an Auth0-shaped tenant in memory. It is an http.Handler, safe
// for concurrent use. It starts goroutines only to send logout tokens: Deliveries
// and Close wait for them.
type Tenant struct {
	issuer string
	mgmt   string
	cfg    Config
	keys   *keyring
	mux    *http.ServeMux
	conns  []Connection
	faults emulator.Faults[Fault]
	twists twists
	proven proven
	outbox outbox

	mu       sync.Mutex // guards everything below
	clients  map[string]*Client
	apis     map[string]*API
	users    map[string]*User
	order    []string           // user ids, oldest first
	byMail   map[string][]*User // lower-cased address -> users, oldest first
	roles    []*role
	lastGain int64 // the moment of the newest assignment, in microseconds
	mails    map[string][]Mail
	tickets  map[string]*ticket
	newest   map[errand]string // the one good ticket of each kind
	calls    map[string]int
	buckets  *buckets
	mailers  map[string]*bucket
	logins   logins
}

// New makes a tenant without a listener, to be served by the caller or used
// through Transport. Config.Issuer must be set. It panics if the config cannot
// be right: that is a bug of the test which wrote it.
func New(cfg Config) *Tenant {
	t, err := newTenant(cfg)
	if err != nil {
		panic(err)
	}
	return t
}

func newTenant(cfg Config) (*Tenant, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.TokenLife == 0 {
		cfg.TokenLife = 24 * time.Hour
	}
	if cfg.IDTokenLife == 0 {
		cfg.IDTokenLife = 10 * time.Hour
	}
	if cfg.TicketLife == 0 {
		cfg.TicketLife = 5 * 24 * time.Hour
	}
	if cfg.RefreshLife == 0 {
		cfg.RefreshLife = 30 * 24 * time.Hour
	}
	if len(cfg.Connections) == 0 {
		cfg.Connections = []Connection{{Name: DefaultConnection}}
	}
	issuer, err := checkIssuer(cfg.Issuer)
	if err != nil {
		return nil, err
	}
	t := &Tenant{
		issuer:  issuer,
		mgmt:    cfg.ManagementAudience,
		cfg:     cfg,
		keys:    newKeyring(),
		clients: map[string]*Client{},
		apis:    map[string]*API{},
		users:   map[string]*User{},
		byMail:  map[string][]*User{},
		newest:  map[errand]string{},
		mails:   map[string][]Mail{},
		tickets: map[string]*ticket{},
		calls:   map[string]int{},
		buckets: newBuckets(cfg.Plan),
		mailers: map[string]*bucket{},
		logins:  newLogins(),
	}
	if t.mgmt == "" {
		t.mgmt = issuer + "api/v2/"
	}
	var faults []error
	if slices.Contains(restrictedClaims, cfg.RolesClaim) {
		faults = append(faults, fmt.Errorf("auth0test: Config.RolesClaim %q: Auth0 silently leaves that claim out; use a URL of your own, such as https://school.example/roles", cfg.RolesClaim))
	}
	for _, c := range cfg.Connections {
		if c.Strategy == "" {
			c.Strategy = "auth0"
		}
		if c.Name == "" || slices.ContainsFunc(t.conns, func(o Connection) bool { return o.Name == c.Name }) {
			faults = append(faults, fmt.Errorf("auth0test: connection %q: empty or given twice", c.Name))
			continue
		}
		t.conns = append(t.conns, c)
	}
	for _, a := range cfg.APIs {
		faults = append(faults, t.addAPI(a))
	}
	for _, c := range cfg.Clients {
		_, err := t.addClient(c)
		faults = append(faults, err)
	}
	for _, name := range cfg.Roles {
		t.AddRole(name)
	}
	for _, u := range cfg.Users {
		_, err := t.addUser(u)
		faults = append(faults, err)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	t.mux = t.routes()
	return t, nil
}

// restrictedClaims cannot be set by an Action without a namespace.
var restrictedClaims = []string{"roles", "permissions", "groups", "entitlements"}

func checkIssuer(issuer string) (string, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("auth0test: Config.Issuer %q: want a base URL such as http://127.0.0.1:8081/", issuer)
	}
	if strings.Trim(u.Path, "/") != "" {
		return "", fmt.Errorf("auth0test: Config.Issuer %q: a tenant has a host of its own, no path", issuer)
	}
	return strings.TrimRight(issuer, "/") + "/", nil
}

// Issuer is the iss of every token, with its trailing slash.
func (t *Tenant) Issuer() string { return t.issuer }

// ManagementAudience is the aud of tokens for the Management API.
func (t *Tenant) ManagementAudience() string { return t.mgmt }

// now is the tenant's clock in UTC.
func (t *Tenant) now() time.Time { return t.cfg.Now().UTC() }

func (t *Tenant) connection(name string) (Connection, bool) {
	i := slices.IndexFunc(t.conns, func(c Connection) bool { return c.Name == name })
	if i < 0 {
		return Connection{}, false
	}
	return t.conns[i], true
}

// database is the tenant's default directory: its first database connection.
func (t *Tenant) database() (Connection, bool) {
	i := slices.IndexFunc(t.conns, Connection.database)
	if i < 0 {
		return Connection{}, false
	}
	return t.conns[i], true
}

// fold is how addresses are compared where Auth0 does not mind the case.
func fold(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

// letters makes a random name of n characters out of letters and digits.
func letters(n int) string {
	const abc = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	b := make([]byte, 0, n)
	var buf [64]byte
	for len(b) < n {
		rand.Read(buf[:])
		for _, c := range buf {
			if int(c) < 4*len(abc) && len(b) < n { // no modulo bias
				b = append(b, abc[int(c)%len(abc)])
			}
		}
	}
	return string(b)
}

// objectID makes an id of 24 hex digits, the first eight of them the time.
func objectID(at time.Time) string {
	var b [12]byte
	rand.Read(b[:])
	s := at.Unix()
	b[0], b[1], b[2], b[3] = byte(s>>24), byte(s>>16), byte(s>>8), byte(s)
	return hex.EncodeToString(b[:])
}
