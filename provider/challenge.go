package provider

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// firstScheme is the one to be named to whoever named none of ours.
func (g *Guard) firstScheme() string {
	switch {
	case g.bearer:
		return "Bearer"
	case g.basic:
		return "Basic"
	}
	return "Session"
}

// challenges are the lines of WWW-Authenticate: with a 401 one for each scheme
// that is taken here, else only that of the scheme which was used. What was
// wrong is said in the line of that scheme. Session is no scheme that a client
// could use, so it is named only where there is no other, or something to say.
func (g *Guard) challenges(used string, why Reason, d Decision) (lines []string) {
	for _, scheme := range []struct {
		name  string
		taken bool
	}{{"Bearer", g.bearer}, {"Basic", g.basic}, {"Session", g.session && (used == "Session" && d.code != "unauthorized" || !g.bearer && !g.basic)}} {
		if !scheme.taken || why == CrossSite || why == LockedOut {
			continue
		}
		c := challenge{scheme: scheme.name, realm: g.cfg.Realm}
		switch {
		case d.Status == http.StatusUnauthorized:
			if scheme.name == "Bearer" {
				c.metadata = g.cfg.ResourceMetadata
			}
		case scheme.name != used || used == "Basic": // Basic has no words for it
			continue
		}
		switch {
		case scheme.name == "Basic":
			c.charset = strings.ToUpper(g.cfg.BasicCharset)
		case scheme.name == used && d.code != "unauthorized": // RFC 6750 section 3.1: no error code for whoever sent nothing
			c.code, c.description = d.code, d.description
			if why == LacksScope {
				c.scopes = g.cfg.Policy.Scopes
			}
			if why == AuthTooOld || why == AuthTooWeak {
				c.acr, c.maxAge = g.cfg.Policy.ACR, g.cfg.Policy.MaxAge
			}
		}
		lines = append(lines, c.String())
	}
	return lines
}

// challenge is one line of WWW-Authenticate. Its parts were checked when the
// guard was made, or are our own constants.
type challenge struct {
	scheme, realm, code, description string
	scopes, acr                      []string
	maxAge                           time.Duration
	metadata, charset                string
}

func (c challenge) String() string {
	var b strings.Builder
	b.WriteString(c.scheme + ` realm="` + c.realm + `"`)
	maxAge := ""
	if c.maxAge > 0 {
		maxAge = strconv.FormatInt(int64(c.maxAge/time.Second), 10)
	}
	for _, p := range []struct{ name, value string }{
		{"charset", c.charset},
		{"error", c.code},
		{"error_description", c.description},
		{"scope", strings.Join(c.scopes, " ")},
		{"acr_values", strings.Join(c.acr, " ")}, // RFC 9470 section 3
		{"max_age", maxAge},
		{"resource_metadata", c.metadata}, // RFC 9728 section 5.1
	} {
		if p.value != "" {
			b.WriteString(`, ` + p.name + `="` + p.value + `"`)
		}
	}
	return b.String()
}

// quotable reports whether s fits between quotes as it is: the characters
// that RFC 6750 section 3 allows in scope and error_description.
func quotable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' || r > '~' || r == '"' || r == '\\'
	})
}
