package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"text/template"
	"time"

	"bursar/provider"
	"bursar/provider/gate"
	"bursar/provider/login"
)

// newGate is the routes of the config.
func newGate(cfg Config, guard provider.GuardConfig, sessions *login.Manager, log *slog.Logger) (*gate.Gate, error) {
	gc := gate.Config{Guard: guard, TrustedProxies: cfg.trustedProxies(), PublicURL: cfg.publicURL(), Log: log}
	switch cfg.Check.Headers {
	case "original":
		gc.Check = gate.Original
	case "forwarded":
		gc.Check = gate.Forwarded
	}
	if sessions != nil {
		gc.CookieNames = sessions.CookieNames()
	}
	var faults []error
	for i, r := range cfg.Routes {
		target, err := r.target(sessions)
		if err != nil {
			faults = append(faults, fmt.Errorf("routes[%d]: %w", i, err))
		}
		gc.Rules = append(gc.Rules, gate.Rule{
			Name: r.Name, Methods: r.Methods, Hosts: r.Hosts, Path: r.Path, Anonymous: r.AllowAnonymous,
			Policy: r.policy(), Realm: r.Realm, PlainErrors: r.Errors == "text", Forbidden: r.Forbidden, Target: target,
		})
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	g, err := gate.New(gc)
	if err != nil {
		return nil, hinted(fmt.Errorf("config: routes: %w", err), "config.example.toml explains the keys of [[routes]]")
	}
	return g, nil
}

func (r RouteConfig) policy() provider.Policy {
	p := provider.Policy{Roles: r.Roles, AllRoles: r.AllRoles, Scopes: r.Scopes, People: r.People, MaxAge: time.Duration(r.MaxAge), ACR: r.ACR}
	if r.Proofs != nil {
		p.Proofs = []provider.Proof{} // an empty list is a fault, and nil would be every proof
	}
	for _, proof := range r.Proofs {
		p.Proofs = append(p.Proofs, provider.Proof(proof))
	}
	return p
}

// target is where an allowed request goes; nowhere for a route that only a
// reverse proxy asks about.
func (r RouteConfig) target(sessions *login.Manager) (t gate.Target, err error) {
	switch {
	case r.Upstream != "":
		if t.Upstream, err = url.Parse(r.Upstream); err != nil {
			return t, err
		}
		t.StripPrefix, t.PreserveHost, t.ForwardAuthorization = r.StripPrefix, r.PreserveHost, r.ForwardAuthorization
		if r.RelayToken {
			t.Bearer = sessions.AccessToken
		}
	case r.Static != "":
		if t.Static, err = gate.Folder(r.Static); err != nil {
			return t, err
		}
		t.StripPrefix, t.Fallback = r.StripPrefix, r.Fallback
	case r.Answer != nil && r.Answer.Template:
		t.Handler, err = r.Answer.templated()
	case r.Answer != nil:
		t.Answer = &gate.Answer{Status: r.Answer.Status, ContentType: r.Answer.Type, Body: r.Answer.Body, Header: r.Answer.Headers}
	}
	return t, err
}

// templated writes the body anew for each principal.
func (a AnswerConfig) templated() (http.Handler, error) {
	body, err := a.parse()
	if err != nil {
		return nil, fmt.Errorf("answer.body: %w", err)
	}
	if err := body.Execute(new(bytes.Buffer), &provider.Principal{}); err != nil {
		return nil, fmt.Errorf("answer.body: %w", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := provider.PrincipalFrom(r.Context())
		if !ok {
			p = &provider.Principal{}
		}
		var text bytes.Buffer
		if err := body.Execute(&text, p); err != nil {
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			return
		}
		h := w.Header()
		for name, value := range a.Headers {
			h.Set(name, value)
		}
		h.Set("Content-Type", a.Type)
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		w.WriteHeader(a.Status)
		w.Write(text.Bytes())
	}), nil
}

// parse takes the package that escapes what a learner could have written into
// a name, where there is something to escape from.
func (a AnswerConfig) parse() (interface{ Execute(io.Writer, any) error }, error) {
	funcs := map[string]any{"json": func(v any) (string, error) {
		text, err := json.Marshal(v)
		return string(text), err
	}}
	kind := strings.ToLower(a.Type) // as browsers read it
	if strings.Contains(kind, "html") || strings.Contains(kind, "xml") {
		return htmltemplate.New("body").Funcs(funcs).Parse(a.Body)
	}
	return template.New("body").Funcs(funcs).Parse(a.Body)
}
