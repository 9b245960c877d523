package grant

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twilio/twilio-go/client/jwt"

	"bursar/provider"
)

const self = "https://school.example"

func kim() *provider.Principal {
	return &provider.Principal{
		Issuer: "https://login.school.example/", Subject: "auth0|7", Email: "kim@school.example", EmailVerified: true, Name: "Kim Q",
		Roles: []string{"Course Go", "Live"}, Scopes: []string{"read:notes", "write:notes"}, Proof: provider.SessionProof,
		AuthTime: time.Unix(946684000, 0), ACR: "mfa",
	}
}

func live() Kind { return Kind{Name: "live", Audience: []string{"https://live.example"}} }

func account() *TwilioAccount {
	return &TwilioAccount{AccountSID: "AC1", KeySID: "SK1", KeySecret: "not-a-real-secret"}
}

// newIssuer has one user, kim, whose password is "open".
func newIssuer(t *testing.T, kinds ...Kind) *Issuer {
	t.Helper()
	i, err := New(Config{
		Kinds: kinds, Issuer: self, Keys: newKeys(t, &marks{}, seal("ring")),
		RoleGrants: map[string][]string{"Live": {"video", "voice"}, "Staff": {"record"}},
		Password: func(_ context.Context, user, password string, _ netip.Addr) (*provider.Principal, error) {
			if user != "kim" || password != "open" {
				return nil, &provider.Refusal{Reason: provider.WrongPassword}
			}
			p := kim()
			p.Proof = provider.BasicProof
			return p, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// part is the header (0) or the claims (1) of a token.
func part(t *testing.T, token string, n int) (m map[string]any) {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[n])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestWhatWeIssueIsWhatWeBelieve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := live()
		k.Claims = map[string]any{"org": "example", "perms": []string{"salaries:read"}}
		i := newIssuer(t, k)
		v, err := provider.NewVerifier(provider.VerifierConfig{Issuers: []provider.Issuer{i.cfg.Keys.Trust(self, "https://live.example")}})
		if err != nil {
			t.Fatal(err)
		}
		robot := &provider.Principal{Issuer: "urn:bursar:basic", Subject: "robot", Proof: provider.BasicProof, Machine: true}
		for _, p := range []*provider.Principal{kim(), robot} {
			issued, err := i.Issue(t.Context(), p, Request{TTL: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			got, err := v.Verify(t.Context(), issued.Token)
			if err != nil {
				t.Fatal(err)
			}
			want := &provider.Principal{
				Issuer: p.Issuer, Subject: p.Subject, Email: p.Email, EmailVerified: p.EmailVerified, Name: p.Name, Roles: p.Roles, Scopes: p.Scopes,
				Proof: provider.GrantProof, TokenID: issued.ID, Machine: p.Machine, AuthTime: p.AuthTime, ACR: p.ACR,
				IssuedAt: time.Now(), ExpiresAt: time.Now().Add(time.Minute),
			}
			if diff := cmp.Diff(want, got, cmp.Comparer(slices.Equal[[]string])); diff != "" {
				t.Errorf("%s (-issued +believed):\n%s", p.Subject, diff)
			}
		}
		issued, err := i.Issue(t.Context(), kim(), Request{Grants: []string{"video"}})
		if err != nil {
			t.Fatal(err)
		}
		c := part(t, issued.Token, 1)
		now := float64(time.Now().Unix())
		for name, want := range map[string]any{
			"org": "example", "perms": []any{"salaries:read"}, "grants": []any{"video"}, "room": nil, "identity": "auth0|7",
			"subject_issuer": "https://login.school.example/", "nbf": now, "iat": now, "exp": now + 3600, "aud": []any{"https://live.example"},
		} {
			if diff := cmp.Diff(want, c[name]); diff != "" {
				t.Errorf("claim %s (-want +got):\n%s", name, diff)
			}
		}
		if h := part(t, issued.Token, 0); h["typ"] != provider.GrantType || h["alg"] != "ES256" {
			t.Errorf("header %v", h)
		}
		time.Sleep(time.Hour + 31*time.Second)
		if _, err := v.Verify(t.Context(), issued.Token); !errors.Is(err, provider.Expired) {
			t.Errorf("an hour later: %v", err)
		}
	})
}

func TestATokenIsOfNoUseToAnybodyElse(t *testing.T) {
	i := newIssuer(t, live())
	issued, err := i.Issue(t.Context(), kim(), Request{})
	if err != nil {
		t.Fatal(err)
	}
	other := newKeys(t, &marks{}, seal("ring"))
	for name, row := range map[string]provider.Issuer{
		"another audience":     i.cfg.Keys.Trust(self, "https://payroll.example"),
		"another issuer":       i.cfg.Keys.Trust("https://other.example", "https://live.example"),
		"another's keys":       other.Trust(self, "https://live.example"),
		"as an access token":   {URL: self, Kind: provider.AccessToken, Audiences: []string{"https://live.example"}, OwnKeys: i.cfg.Keys.Document, Algorithms: []string{"ES256"}},
		"as an old one":        {URL: self, Kind: provider.LegacyAccessToken, Audiences: []string{"https://live.example"}, OwnKeys: i.cfg.Keys.Document, Algorithms: []string{"ES256"}},
		"by another algorithm": {URL: self, Kind: provider.GrantToken, Audiences: []string{"https://live.example"}, OwnKeys: i.cfg.Keys.Document, Algorithms: []string{"ES384"}},
	} {
		v, err := provider.NewVerifier(provider.VerifierConfig{Issuers: []provider.Issuer{row}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(t.Context(), issued.Token); err == nil {
			t.Errorf("%s: it was believed", name)
		}
	}
}

func TestGrantsComeFromRoles(t *testing.T) {
	everybody := live()
	everybody.Grants = []string{"chat"}
	video := Kind{Name: "video", Format: Twilio, TwilioAccount: account()}
	i := newIssuer(t, everybody, video)
	for _, test := range []struct {
		name  string
		roles []string
		ask   Request
		want  []string
		err   error
	}{
		{"all that the roles carry", []string{"Live"}, Request{}, []string{"chat", "video", "voice"}, nil},
		{"everybody's", nil, Request{}, []string{"chat"}, nil},
		{"some of them", []string{"Live"}, Request{Grants: []string{"video", "video", "chat"}}, []string{"chat", "video"}, nil},
		{"none of them", []string{"Live"}, Request{Grants: []string{}}, []string{}, nil},
		{"one that the roles do not carry", []string{"Live"}, Request{Grants: []string{"video", "record"}}, nil, NotCarried},
		{"one that nobody carries", []string{"Live"}, Request{Grants: []string{"everything"}}, nil, NotCarried},
		{"in another spelling", []string{"Live"}, Request{Grants: []string{"Video"}}, nil, NotCarried},
		{"a role in another spelling", []string{"live"}, Request{Grants: []string{"video"}}, nil, NotCarried},
		{"what Twilio has", []string{"Live", "Staff"}, Request{Kind: "video"}, []string{"video"}, nil},
		{"what this account lacks", []string{"Live"}, Request{Kind: "video", Grants: []string{"voice"}}, nil, NotCarried},
		{"nothing for Twilio", []string{"Staff"}, Request{Kind: "video"}, nil, NoGrants},
		{"nothing asked of Twilio", []string{"Live"}, Request{Kind: "video", Grants: []string{}}, nil, NoGrants},
		{"a token that is not there", []string{"Live"}, Request{Kind: "audio"}, nil, UnknownKind},
	} {
		p := kim()
		p.Roles = test.roles
		got, err := i.Issue(t.Context(), p, test.ask)
		if !errors.Is(err, test.err) || err == nil && !slices.Equal(got.Grants, test.want) {
			t.Errorf("%s: %+v, %v; want %v, %v", test.name, got, err, test.want, test.err)
		}
	}
}

func TestNoTokenOutlivesItsBound(t *testing.T) {
	short := live()
	short.Name, short.MaxTTL = "short", 10*time.Minute
	i := newIssuer(t, live(), short)
	for _, test := range []struct {
		kind      string
		ask, want time.Duration // want 0: refused
	}{
		{"", 0, time.Hour}, {"", time.Second, time.Second}, {"", 24 * time.Hour, 24 * time.Hour},
		{"", 24*time.Hour + time.Second, 0}, {"", -time.Second, 0}, {"", time.Millisecond, 0}, {"", 1 << 62, 0},
		{"short", 0, 10 * time.Minute}, {"short", 10*time.Minute + time.Second, 0},
	} {
		got, err := i.Issue(t.Context(), kim(), Request{Kind: test.kind, TTL: test.ask})
		if (test.want == 0) != errors.Is(err, BadTTL) || err == nil && got.TTL != test.want {
			t.Errorf("asked %q for %v: %+v, %v; want %v", test.kind, test.ask, got, err, test.want)
		}
	}
}

func TestAGrantTokenDoesNotProlongItself(t *testing.T) {
	p := kim()
	p.Proof = provider.GrantProof
	if _, err := newIssuer(t, live()).Issue(t.Context(), p, Request{}); !errors.Is(err, Prolonged) {
		t.Errorf("a grant token for a grant token: %v", err)
	}
}

func TestIdentityAndRoomComeFromWhoAsks(t *testing.T) {
	for _, test := range []struct {
		name                  string
		identity, room, asked string
		change                func(*provider.Principal)
		want, wantRoom        string
		err                   error
	}{
		{"the subject", "", "", "", nil, "auth0|7", "", nil},
		{"a template", "{{.Name}} <{{.Email}}>", "", "", nil, "Kim Q <kim@school.example>", "", nil},
		{"roles", `{{range .Roles}}{{if eq . "Live"}}host-{{end}}{{end}}{{.Subject}}`, "", "", nil, "host-auth0|7", "", nil},
		{"no e-mail", "{{.Email}}", "", "", func(p *provider.Principal) { p.Email = "" }, "", "", NoIdentity},
		{"an unverified e-mail", "{{.Email}}", "", "", func(p *provider.Principal) { p.EmailVerified = false }, "", "", NoIdentity},
		{"no name", "{{.Name}}", "", "", func(p *provider.Principal) { p.Name = "" }, "", "", NoIdentity},
		{"a blank name", "{{.Name}}", "", "", func(p *provider.Principal) { p.Name = " " }, "", "", NoIdentity},
		{"a name without end", "{{.Name}}", "", "", func(p *provider.Principal) { p.Name = strings.Repeat("n", 300) }, "", "", NoIdentity},
		{"a name of two lines", "{{.Name}}", "", "", func(p *provider.Principal) { p.Name = "Kim\nAdmin" }, "", "", NoIdentity},
		{"a fixed room", "", "algebra", "", nil, "auth0|7", "algebra", nil},
		{"that very room", "", "algebra", "algebra", nil, "auth0|7", "algebra", nil},
		{"another room", "", "algebra", "staff", nil, "", "", OtherRoom},
		{"a room of one's own", "", "room-{{.Subject}}", "", nil, "auth0|7", "room-auth0|7", nil},
		{"a room for nobody", "", "{{if false}}x{{end}}", "", nil, "", "", NoIdentity},
		{"a room where there is none", "", "", "staff", nil, "", "", OtherRoom},
		{"Twilio: every room", "", "", "", nil, "auth0|7", "", nil},
		{"Twilio: one of every room", "", "", "staff", nil, "auth0|7", "staff", nil},
		{"Twilio: no name of a room", "", "", "a\x00b", nil, "", "", OtherRoom},
		{"Twilio: another room", "", "algebra", "staff", nil, "", "", OtherRoom},
	} {
		k := live()
		if strings.HasPrefix(test.name, "Twilio") {
			k = Kind{Name: "video", Format: Twilio, TwilioAccount: account()}
		}
		k.Identity, k.Room = test.identity, test.room
		p := kim()
		if test.change != nil {
			test.change(p)
		}
		got, err := newIssuer(t, k).Issue(t.Context(), p, Request{Room: test.asked})
		if !errors.Is(err, test.err) || err == nil && (got.Identity != test.want || got.Room != test.wantRoom) {
			t.Errorf("%s: %+v, %v; want %q in %q, %v", test.name, got, err, test.want, test.wantRoom, test.err)
		}
	}
}

func TestARoleMayBeNeeded(t *testing.T) {
	k := live()
	k.Roles = []string{"Staff", "Live"}
	i := newIssuer(t, k)
	if _, err := i.Issue(t.Context(), kim(), Request{}); err != nil {
		t.Error(err)
	}
	p := kim()
	p.Roles = nil
	if _, err := i.Issue(t.Context(), p, Request{}); !errors.Is(err, LacksRole) {
		t.Errorf("without the role: %v", err)
	}
}

func TestATwilioTokenIsReadByTwiliosOwnLibrary(t *testing.T) {
	a := account()
	a.ChatServiceSID, a.ConversationsProfileSID, a.SyncServiceSID, a.VoiceApplicationSID, a.VoiceIncoming = "IS1", "CP1", "IS2", "AP1", true
	i := newIssuer(t, Kind{
		Name: "room", Format: Twilio, TwilioAccount: a, Identity: "{{.Email}}", Room: "algebra",
		Grants: []string{"video", "voice", "chat", "conversations", "sync"},
	})
	for _, ttl := range []time.Duration{time.Minute, time.Hour, 24 * time.Hour} { // the library's own minimum is an hour
		issued, err := i.Issue(t.Context(), kim(), Request{TTL: ttl})
		if err != nil {
			t.Fatal(err)
		}
		read, err := (&jwt.AccessToken{}).FromJwt(issued.Token, "not-a-real-secret")
		if err != nil {
			t.Fatal(err)
		}
		if h := read.Headers(); h["cty"] != "twilio-fpa;v=1" || h["alg"] != "HS256" || h["typ"] != "JWT" {
			t.Errorf("header %v", h)
		}
		c := read.Payload()
		if life := c["exp"].(float64) - c["nbf"].(float64); life != ttl.Seconds() || c["nbf"].(float64) != float64(issued.IssuedAt.Unix()) {
			t.Errorf("it lasts %v s from %v, want %v", life, c["nbf"], ttl)
		}
		if c["iss"] != "SK1" || c["sub"] != "AC1" || issued.Type != "twilio" {
			t.Errorf("claims %v", c)
		}
		want := map[string]any{
			"identity": "kim@school.example", "video": map[string]any{"room": "algebra"}, "chat": map[string]any{"service_sid": "IS1"},
			"voice": map[string]any{"incoming": map[string]any{"allow": true}, "outgoing": map[string]any{"application_sid": "AP1"}},
			"rtc":   map[string]any{"configuration_profile_sid": "CP1"}, "data_sync": map[string]any{"service_sid": "IS2"},
		}
		if diff := cmp.Diff(want, c["grants"]); diff != "" {
			t.Errorf("grants (-want +got):\n%s", diff)
		}
	}
}

func TestEachFaultOfAKindIsNamed(t *testing.T) {
	claims := Kind{Name: "k", Audience: []string{"a"}, Claims: map[string]any{"f": func() {}}}
	for _, name := range reserved {
		claims.Claims[name] = "mine"
	}
	badAccount := account()
	badAccount.AccountSID, badAccount.KeySecret = "SK", ""
	for _, test := range []struct {
		kind Kind
		want []string
	}{
		{Kind{}, []string{"no name", "Audience"}},
		{Kind{Name: "k", Audience: []string{""}}, []string{"Audience"}},
		{Kind{Name: "k", Format: "jws"}, []string{`"jws"`}},
		{Kind{Name: "k", Audience: []string{"a"}, MaxTTL: 25 * time.Hour}, []string{"MaxTTL"}},
		{Kind{Name: "k", Audience: []string{"a"}, TTL: 2 * time.Hour, MaxTTL: time.Hour}, []string{"TTL"}},
		{Kind{Name: "k", Audience: []string{"a"}, Identity: "{{.Password}}", Room: "{{"}, []string{"Password", "room"}},
		{Kind{Name: "k", Audience: []string{"a"}, Body: "xml"}, []string{"xml"}},
		{Kind{Name: "k", Audience: []string{"a"}, Body: OK}, []string{"nowhere"}},
		{Kind{Name: "k", Audience: []string{"a"}, Header: "set-cookie"}, []string{"set-cookie"}},
		{Kind{Name: "k", Audience: []string{"a"}, Header: "a: b"}, []string{"a: b"}},
		{Kind{Name: "k", Audience: []string{"a"}, Roles: []string{}, Grants: []string{""}}, []string{"empty list", "has no name"}},
		{Kind{Name: "k", Audience: []string{"a"}, TwilioAccount: account()}, []string{"no Twilio token"}},
		{Kind{Name: "k", Format: Twilio}, []string{"TwilioAccount"}},
		{Kind{Name: "k", Format: Twilio, TwilioAccount: badAccount, Grants: []string{"chat", "cinema"}}, []string{"AccountSID", "KeySecret", `"chat" lacks`, `"cinema"`}},
		{Kind{Name: "k", Format: Twilio, TwilioAccount: account(), Claims: map[string]any{"org": "x"}}, []string{"no place"}},
		{claims, slices.Sorted(maps.Keys(claims.Claims))},
	} {
		_, err := New(Config{Kinds: []Kind{test.kind}, Issuer: self, Keys: newKeys(t, &marks{}, seal("r")), Prove: func(*http.Request) provider.Decision { return provider.Decision{} }})
		for _, want := range test.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("the error lacks %q: %v", want, err)
			}
		}
	}
	_, err := New(Config{Realm: `a"b`, Kinds: []Kind{live(), live()}})
	for _, want := range []string{"Password and Prove", "realm", "signing keys"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	if _, err := New(Config{Kinds: []Kind{{Name: "v", Format: Twilio, TwilioAccount: account()}}, Prove: func(*http.Request) provider.Decision { return provider.Decision{} }}); err != nil {
		t.Errorf("Twilio alone needs no keys of ours: %v", err)
	}
}
