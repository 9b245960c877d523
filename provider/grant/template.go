package grant

import (
	"errors"
	"fmt"
	"strings"
	text "text/template"
	"unicode"
	"unicode/utf8"

	"bursar/provider"
)

// A template makes an identity or the name of a room out of a principal.
type template struct {
	what string
	t    *text.Template
}

// whom is what a template sees. What it names and does not get is an error,
// so that nobody is called "" or "<no value>".
type whom struct{ p *provider.Principal }

// lacking is why a principal gets no token: the template needs it.
type lacking string

func (l lacking) Error() string { return "the token needs " + string(l) + ", and there is none" }

func (w whom) Subject() string { return w.p.Subject }
func (w whom) Issuer() string  { return w.p.Issuer }

func (w whom) Email() (string, error) {
	if w.p.Email == "" || !w.p.EmailVerified {
		return "", lacking("a verified e-mail address")
	}
	return w.p.Email, nil
}

func (w whom) Name() (string, error) {
	if w.p.Name == "" {
		return "", lacking("a name")
	}
	return w.p.Name, nil
}

func (w whom) Roles() []string { return append([]string{}, w.p.Roles...) }

const maxRendered = 256 // bytes

func newTemplate(what, source string) (*template, error) {
	t, err := text.New(what).Option("missingkey=error").Parse(source)
	if err != nil {
		return nil, fmt.Errorf("the template: %w", err)
	}
	out := &template{what: what, t: t}
	// A word that no principal has shows now, and not when somebody waits.
	trial := &provider.Principal{Issuer: "https://login.example/", Subject: "s", Email: "kim@school.example", EmailVerified: true, Name: "Kim", Roles: []string{"r"}}
	if _, err := out.render(trial); err != nil && !errors.As(err, new(lacking)) {
		return nil, fmt.Errorf("the template: %w", err)
	}
	return out, nil
}

// render returns a lacking if the principal has not got what it takes.
func (t *template) render(p *provider.Principal) (string, error) {
	var b limited
	if err := t.t.Execute(&b, whom{p}); err != nil {
		if l := lacking(""); errors.As(err, &l) {
			return "", l
		}
		return "", fmt.Errorf("grant: the %s: %w", t.what, err)
	}
	s := strings.TrimSpace(b.String())
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return "", lacking("an " + t.what + " without control characters")
	}
	return s, nil
}

// limited keeps a template from filling the memory.
type limited struct{ strings.Builder }

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > maxRendered {
		return 0, lacking(fmt.Sprintf("a shorter name: at most %d bytes are allowed", maxRendered))
	}
	return l.Builder.Write(p)
}
