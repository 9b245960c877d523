package gate

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// A pattern is the path of a rule: segments, and what may follow them.
type pattern struct {
	segments []string // decoded; wild for {name}
	rest     bool     // anything may follow, as after a last slash or with {rest...}
	exact    bool     // a slash must follow, and nothing else: {$}
}

// wild stands for a segment that may be anything. It is no segment itself.
const wild = "/"

// parsePattern takes what net/http takes for a path, which is asked for its
// opinion first.
func parsePattern(path string) (p pattern, err error) {
	if !strings.HasPrefix(path, "/") {
		return p, fmt.Errorf("the path %q does not begin with a slash", path)
	}
	if err := acceptable(path); err != nil {
		return p, err
	}
	segments := strings.Split(path[1:], "/")
	last := segments[len(segments)-1]
	switch {
	case last == "":
		p.rest, segments = true, segments[:len(segments)-1]
	case last == "{$}":
		p.exact, segments = true, segments[:len(segments)-1]
	case strings.HasPrefix(last, "{") && strings.HasSuffix(last, "...}"):
		p.rest, segments = true, segments[:len(segments)-1]
	}
	for _, segment := range segments {
		if strings.HasPrefix(segment, "{") {
			p.segments = append(p.segments, wild)
			continue
		}
		literal, err := url.PathUnescape(segment)
		if err != nil {
			return p, fmt.Errorf("the path %q: %w", path, err)
		}
		// A rule that no path can reach is one that does not guard.
		clean, err := normalise(&http.Request{URL: &url.URL{Path: "/" + literal}})
		if err != nil || clean != "/"+literal || literal == "" || strings.Contains(literal, "/") {
			return p, fmt.Errorf("the path %q has the segment %q, which no normalised path has", path, segment)
		}
		p.segments = append(p.segments, literal)
	}
	return p, nil
}

// acceptable is the error of net/http about a pattern, which it panics with.
func acceptable(path string) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("the path %q is no pattern of net/http: %v", path, fault)
		}
	}()
	http.NewServeMux().Handle(path, http.NotFoundHandler())
	return nil
}

// matches compares a normalised path. It allocates nothing.
func (p pattern) matches(path string) bool {
	left := path[1:]
	for i, want := range p.segments {
		segment, after, more := strings.Cut(left, "/")
		if segment == "" || want != wild && segment != want {
			return false
		}
		left = after
		if !more {
			// The end of the path must be that of the pattern. "/lessons/" is
			// about "/lessons" too; "/lessons/{$}" is about "/lessons/" only.
			return i == len(p.segments)-1 && !p.exact
		}
	}
	return p.rest || left == "" && (p.exact || len(p.segments) == 0)
}
