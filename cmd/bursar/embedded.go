package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"bursar/provider/auth0"
	"bursar/provider/auth0/auth0test"
	"bursar/webhooks/gumroad"
	"bursar/webhooks/gumroad/gumroadtest"
)

// The embedded tenant and shop stand in for the real ones when the config says
// "embedded". To the rest of bursar they are addresses like any other: they are
// spoken to over HTTP, by the same clients.

type embeddedTenant struct {
	*auth0test.Server
	learners auth0test.Client // the course site's application, where learners log in
	audience string
}

type embeddedShop struct {
	*gumroadtest.Server
	name string
}

// startEmbedded starts what the config wants embedded, and writes the addresses
// and credentials into cfg.
func (a *App) startEmbedded(ctx context.Context, cfg *Config) error {
	if err := a.startTenant(ctx, cfg); err != nil {
		return err
	}
	for name, s := range cfg.Shops {
		if s.APIURL == embedded {
			if err := a.startShop(cfg, name, s); err != nil {
				return err
			}
		}
	}
	if a.embeddedTenant != nil && a.embeddedShop != nil {
		a.tryPage = newTryPage(a)
	}
	return nil
}

func (a *App) startTenant(ctx context.Context, cfg *Config) error {
	if !cfg.usesEmbeddedTenant() {
		return nil
	}
	if cfg.Provider.Domain != embedded {
		return errors.New("config: an issuer or a login is \"embedded\", but provider.domain is not")
	}
	tc := auth0test.Config{Connections: []auth0test.Connection{{Name: cfg.Provider.Connection}}}
	var audience string
	for _, is := range cfg.Issuers {
		if is.URL != embedded {
			continue
		}
		tc.RolesClaim = is.RolesClaim
		for _, aud := range is.Audiences {
			api := auth0test.API{Identifier: aud}
			if is.Token == "rfc9068" {
				api.Dialect = auth0test.RFC9068Profile
			}
			tc.APIs = append(tc.APIs, api)
			audience = aud
		}
	}
	for _, l := range cfg.Logins {
		if l.Issuer == embedded && tc.RolesClaim == "" {
			tc.RolesClaim = l.RolesClaim
		}
	}
	server, err := auth0test.StartAt(cfg.Embedded.Tenant, tc)
	if err != nil {
		return hinted(fmt.Errorf("serve: embedded tenant: %w", err), "is another bursar running? change embedded.tenant in the config")
	}
	a.closers = append(a.closers, server.Close)
	us := server.AddClient(auth0test.Client{Management: auth0.Enrol.Scopes})
	learners := server.AddClient(auth0test.Client{Public: true, PasswordGrant: true})
	for _, l := range cfg.Catalog {
		for _, role := range l.Roles {
			if !strings.HasPrefix(role, "rol_") {
				server.AddRole(role)
			}
		}
	}
	cfg.Provider.Domain, cfg.Provider.ClientID, cfg.Provider.ClientSecret, cfg.Provider.Audience = server.URL, us.ID, secret(us.Secret), ""
	for i := range cfg.Issuers {
		if cfg.Issuers[i].URL == embedded {
			cfg.Issuers[i].URL = server.Issuer()
		}
	}
	cfg.Logins = slices.Clone(cfg.Logins)
	for i := range cfg.Logins {
		if l := &cfg.Logins[i]; l.Issuer == embedded {
			client := server.AddClient(loginClient(*cfg, *l))
			l.Issuer, l.ClientID, l.ClientSecret = server.Issuer(), client.ID, secret(client.Secret)
		}
	}
	if id := cfg.Embedded.SPAClientID; id != "" {
		spa := auth0test.Client{ID: id, Public: true, WebOrigins: cfg.CORS.Origins}
		for _, origin := range cfg.CORS.Origins {
			spa.Callbacks = append(spa.Callbacks, origin+"/", origin+"/callback")
		}
		server.AddClient(spa)
	}
	a.embeddedTenant = &embeddedTenant{server, learners, audience}
	a.log.Warn("EMBEDDED TENANT: accounts live in memory and are gone at the end; for trying out only", "url", server.URL)

	// Whatever the store remembers of the last run, this tenant has none of it.
	if _, err := a.store.RecheckAll(ctx); err != nil {
		return err
	}
	return nil
}

// loginClient is the regular web application that a login is at the tenant.
func loginClient(cfg Config, l LoginConfig) auth0test.Client {
	self := cfg.publicURL()
	callback := self + "/auth/callback"
	if len(cfg.Logins) > 1 {
		callback += "/" + l.Name
	}
	c := auth0test.Client{
		ID: l.ClientID, Callbacks: []string{callback}, LogoutURLs: []string{self + "/auth/logged-out"},
		BackchannelLogout: self + "/auth/backchannel-logout", Public: l.TokenAuth == "none", Rotation: true,
	}
	if !c.Public {
		c.TokenAuth = l.TokenAuth
	}
	return c
}

func (a *App) startShop(cfg *Config, name string, s ShopConfig) error {
	if a.embeddedShop != nil {
		return fmt.Errorf("config: shops.%s.api_url: only one shop can be embedded", name)
	}
	sc := gumroadtest.Config{}
	for _, l := range cfg.Catalog {
		if l.Shop != name {
			continue
		}
		p := productFor(l)
		if i := slices.IndexFunc(sc.Products, func(o gumroadtest.Product) bool { return o.ID == p.ID }); i >= 0 {
			sc.Products[i].Options = append(sc.Products[i].Options, p.Options...)
			continue
		}
		sc.Products = append(sc.Products, p)
	}
	ping := fmt.Sprintf("http://%s/webhooks/%s", a.public.Addr(), name)
	if s.Secret != "" {
		ping += "/" + string(s.Secret)
	}
	// As a seller sets it up: sales by the settings page, the rest by the API.
	sc.PingURL = ping
	server, err := gumroadtest.StartAt(cfg.Embedded.Shop, sc)
	if err != nil {
		return hinted(fmt.Errorf("serve: embedded shop: %w", err), "is another bursar running? change embedded.shop in the config")
	}
	a.closers = append(a.closers, server.Close)
	s.APIURL = server.APIURL
	if s.AccessToken != unverified {
		s.AccessToken = secret(server.AddToken("view_sales"))
	} else {
		s.AccessToken = ""
		server.AddToken("view_sales") // the shop's, for its own subscriptions
	}
	for _, event := range gumroadtest.Events {
		if event == gumroadtest.EventSale {
			continue // the settings page sends those
		}
		if _, err := server.AddHook(event, ping); err != nil {
			return fmt.Errorf("serve: embedded shop: %w", err)
		}
	}
	cfg.Shops[name] = s
	a.embeddedShop = &embeddedShop{server, name}
	a.log.Warn("EMBEDDED SHOP: nothing is paid and nothing is kept; for trying out only", "url", server.URL)
	return nil
}

// unverified in place of an access token leaves the embedded shop without one:
// only the demo of that mode says so.
const unverified secret = "\x00unverified"

// productFor makes something to sell out of a line of the catalog.
func productFor(l CatalogLine) gumroadtest.Product {
	p := gumroadtest.Product{Name: strings.Join(l.Roles, " and "), Price: 4900}
	code := l.Product[strings.LastIndex(l.Product, "/")+1:]
	if gumroad.IsProductID(l.Product) {
		p.ID = l.Product
	} else {
		// The same permalink has the same id after a restart, as it would in a
		// real shop; the store has pinned it.
		sum := sha256.Sum256([]byte(code))
		p.ID, p.Permalink = base64.RawURLEncoding.EncodeToString(sum[:16])+"==", code
	}
	if l.Variant != "" {
		category, option, ok := strings.Cut(l.Variant, "=")
		if !ok {
			category, option = "", l.Variant
		}
		p.Category, p.Options = category, []gumroadtest.Option{{Name: option}}
	}
	return p
}

// forge posts what a stranger would who knows the webhook URL: a ping about a
// sale that never was.
func (a *App) forge(ctx context.Context, email, product string) (status int, err error) {
	shop := a.embeddedShop
	form := gumroadtest.Fields("seller_id", shop.Seller().ID, "product_id", product, "email", email, "price", 4900, "order_number", 1,
		"sale_id", rand.Text()[:22]+"==", "sale_timestamp", time.Now().UTC().Format(time.RFC3339), "resource_name", "sale").Form()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.pingURL(shop.name), bytes.NewReader(form))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// newPassword is what a learner of the demo might choose.
func newPassword() string { return "Aa1-" + rand.Text() }
