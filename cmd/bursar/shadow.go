package main

import (
	"fmt"
	"net/http"
	"strings"

	"bursar/provider/gate"
)

// routeWarnings are routes that probably mean something else: one that an
// earlier one hides, and one that guards a page and leaves open what is below.
func routeWarnings(cfg Config, g *gate.Gate) (list []string) {
	decides := func(r RouteConfig, path string) string {
		method, host := http.MethodGet, "127.0.0.1"
		if len(r.Methods) > 0 {
			method = r.Methods[0]
		}
		if len(r.Hosts) > 0 {
			host = r.Hosts[0]
		}
		req, err := http.NewRequest(method, "http://"+host+path, nil)
		if err != nil {
			return ""
		}
		req.RemoteAddr = "127.0.0.1:1"
		for _, l := range g.Explain(req, nil) {
			if l.Decides && l.Rule != nil {
				return l.Rule.Name
			}
		}
		return ""
	}
	open := map[string]bool{}
	for _, r := range cfg.Routes {
		open[r.Name] = r.AllowAnonymous
	}
	for _, r := range cfg.Routes {
		if page, _, _ := strings.Cut(r.Forbidden, "?"); page != "" && !open[decides(RouteConfig{Hosts: r.Hosts}, page)] {
			list = append(list, fmt.Sprintf("route %q sends browsers to %s, which is not open to everybody", r.Name, page))
		}
		path := samplePath(r.Path)
		if other := decides(r, path); other != "" && other != r.Name {
			list = append(list, fmt.Sprintf("route %q is never asked about %s: %q comes before it", r.Name, path, other))
			continue
		}
		if r.AllowAnonymous || strings.HasSuffix(r.Path, "/") || strings.HasSuffix(r.Path, "...}") {
			continue
		}
		below := strings.TrimSuffix(path, "/") + "/anything"
		if other := decides(r, below); open[other] && path != "/" {
			list = append(list, fmt.Sprintf("route %q guards %s and not what is below it: %s is open to everybody by %q; a path that ends in / is about both", r.Name, path, below, other))
		}
	}
	return list
}

// samplePath is a path that the pattern fits: "/lessons/{name}/" fits
// /lessons/x/x.
func samplePath(pattern string) string {
	segments := strings.Split(strings.TrimSuffix(pattern, "{$}"), "/")
	for i, s := range segments {
		if strings.HasPrefix(s, "{") {
			segments[i] = "x"
		}
	}
	path := strings.Join(segments, "/")
	if strings.HasSuffix(pattern, "/") {
		path += "x" // it is about all below it
	}
	return path
}
