package gate

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"bursar/provider"
)

// A Line is what one rule has to say about a request.
type Line struct {
	Rule    *Rule  // not to be written to; nil if the line is about the request itself
	Matched bool   // the rule is about such requests
	Decides bool   // it is the first that is, or nothing else is
	Why     string // in words: why it does not match, or what its policy says

	// Decision is what the rule's policy says to the principal; zero if the
	// rule does not match.
	Decision provider.Decision
}

// Allowed reports whether the line lets the request pass; it means something
// only where Decides.
func (l Line) Allowed() bool {
	return Verdict{Rule: l.Rule, Decision: l.Decision}.Allowed() && l.Matched
}

// Explain says for every rule in order whether it is about r, and what its
// policy says to as, who counts as proved with the roles and scopes that are
// given; nil means nobody. It uses the functions that Decide uses, but asks
// nobody for proof, so credentials in r and CheckSameSite play no part. Lines
// after the one that decides tell what would be if it were not there. Exactly
// one line decides.
func (g *Gate) Explain(r *http.Request, as *provider.Principal) []Line {
	settled, err := g.faces.proxies.settle(r)
	if err != nil {
		return []Line{aboutRequest(http.StatusBadRequest, BadRequest, err)}
	}
	q, err := readQuestion(settled)
	if err != nil {
		return []Line{aboutRequest(http.StatusBadRequest, BadRequest, err)}
	}
	var lines []Line
	decided := false
	for _, rt := range g.routes {
		line := Line{Rule: &rt.Rule}
		if err := rt.compare(q); err != nil {
			line.Why = rt.mismatchWords(err, q)
			lines = append(lines, line)
			continue
		}
		line.Matched, line.Decides, decided = true, !decided, true
		line.Decision = provider.Decision{Status: http.StatusOK}
		line.Why = "everybody may pass"
		if rt.guard != nil {
			line.Decision = rt.guard.DecideFor(settled, as)
			line.Why = "may pass"
		}
		if line.Decision.Err != nil {
			line.Why = words(line.Decision.Err)
		}
		lines = append(lines, line)
	}
	if !decided {
		lines = append(lines, aboutRequest(http.StatusNotFound, NoRule, errors.New("no rule matches, and what no rule allows is denied")))
	}
	return lines
}

func aboutRequest(status int, why provider.Reason, err error) Line {
	return Line{Decides: true, Why: fmt.Sprintf("%v: %v", why, err), Decision: refused(status, why, err)}
}

func (rt *route) mismatchWords(err error, q question) string {
	switch err {
	case otherMethod:
		return fmt.Sprintf("the method %s is not %s", q.method, strings.Join(rt.Methods, " or "))
	case otherHost:
		return fmt.Sprintf("the host %q is not %s", q.host, strings.Join(rt.Hosts, " or "))
	}
	return fmt.Sprintf("the path %q is not %s", q.path, rt.Path)
}

// words is a refusal without the name of the package that made it.
func words(err error) string {
	return strings.TrimPrefix(err.Error(), "provider: ")
}
