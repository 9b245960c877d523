package gate

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"bursar/provider"
)

// A Rule says who may pass where. A list that is there and empty is a
// mistake, and New says so.
type Rule struct {
	Name    string   // in logs and explanations; empty means "rule 1" and so on
	Methods []string // one of these, in capitals; GET is HEAD too; nil means any
	Hosts   []string // one of these, without a port, in ASCII ("xn--..."); nil means any

	// Path is a net/http pattern without method and host: "/lessons/{course}/",
	// "/{$}", "/files/{rest...}". It is compared with the normalised path, with
	// respect to case. One that ends in a slash or in {rest...} is also about
	// the path without that slash, which net/http would redirect: "/lessons/"
	// guards "/lessons".
	Path string

	Anonymous   bool            // everybody may pass, and nobody is asked who he is; Policy must be zero
	Policy      provider.Policy // who may pass
	Realm       string          // in challenges; empty means that of Config.Guard
	Forbidden   string          // the path of a page for people who may not pass (403): a browser that navigates is sent there; empty means nowhere
	PlainErrors bool            // refusals in plain text, as provider.GuardConfig has it
	Target      Target          // where an allowed request goes in ServeHTTP; zero means nowhere
}

// A route is a Rule made ready.
type route struct {
	Rule
	pattern pattern
	guard   *provider.Guard // nil if Anonymous
}

// newRoute reports all faults of a rule.
func newRoute(rule Rule, shared provider.GuardConfig) (*route, error) {
	var faults []error
	rt := &route{Rule: rule}
	rt.Methods, rt.Hosts = slices.Clone(rule.Methods), slices.Clone(rule.Hosts)
	if rule.Methods != nil && len(rule.Methods) == 0 {
		faults = append(faults, errors.New("the list of methods is empty; leave it out to mean any"))
	}
	for _, m := range rule.Methods {
		if !plainMethod(m) {
			faults = append(faults, fmt.Errorf("%q is no method; methods are in capitals", m))
		}
	}
	if rule.Hosts != nil && len(rule.Hosts) == 0 {
		faults = append(faults, errors.New("the list of hosts is empty; leave it out to mean any"))
	}
	for i, h := range rt.Hosts {
		host, err := cleanHost(h)
		if err != nil || host == "" || hasPort(h) {
			faults = append(faults, fmt.Errorf("%q is no host name in ASCII without a port", h))
		}
		rt.Hosts[i] = host
	}
	var err error
	if rt.pattern, err = parsePattern(rule.Path); err != nil {
		faults = append(faults, err)
	}
	if f := rule.Forbidden; f != "" && (f[0] != '/' || strings.HasPrefix(f, "//") || strings.ContainsAny(f, "\\#\r\n") || rule.Anonymous) {
		faults = append(faults, fmt.Errorf("the page %q for Forbidden is no path of this site, or nobody is ever sent there", f))
	}
	if rule.Anonymous {
		if !unconditional(rule.Policy) {
			faults = append(faults, errors.New("everybody may pass, and yet there is a policy; take one of them away"))
		}
	} else {
		cfg := shared
		cfg.Policy, cfg.PlainErrors = rule.Policy, rule.PlainErrors
		if rule.Realm != "" {
			cfg.Realm = rule.Realm
		}
		if rt.guard, err = provider.NewGuard(cfg); err != nil {
			faults = append(faults, err)
		}
	}
	return rt, errors.Join(faults...)
}

// unconditional reports whether a policy asks for nothing.
func unconditional(y provider.Policy) bool {
	return y.Roles == nil && y.AllRoles == nil && y.Scopes == nil && y.Proofs == nil && y.ACR == nil && !y.People && y.MaxAge == 0
}

// plainMethod reports whether m is written as methods are. Methods count with
// respect to case (RFC 9110 section 9.1), but not every upstream knows: "post"
// must not slip past a rule about POST.
func plainMethod(m string) bool {
	return m != "" && !strings.ContainsFunc(m, func(r rune) bool { return (r < 'A' || r > 'Z') && r != '-' && r != '_' })
}

// method is that of the request; the zero value of net/http means GET.
func method(r *http.Request) string {
	if r.Method == "" {
		return http.MethodGet
	}
	return r.Method
}
