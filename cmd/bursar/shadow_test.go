package main

import (
	"slices"
	"strings"
	"testing"
)

func TestARouteThatProbablyMeansSomethingElseIsNamed(t *testing.T) {
	const members = `{name = "members", path = "PATH", proofs = ["basic"], answer = {body = "x"}}`
	const site = `{name = "site", path = "/", allow_anonymous = true, answer = {body = "x"}}`
	for _, tt := range []struct {
		name, path  string
		membersLast bool
		want        string // empty: nothing is odd
	}{
		{"all below it", "/members/", false, ""},
		{"only the page", "/members", false, `route "members" guards /members and not what is below it`},
		{"only the index", "/members/{$}", false, `route "members" guards /members/ and not what is below it`},
		{"one segment", "/members/{who}", false, `guards /members/x and not what is below it`},
		{"the rest", "/members/{rest...}", false, ""},
		{"hidden", "/members/", true, `route "members" is never asked about /members/x: "site" comes before it`},
		{"the front page alone", "/{$}", false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			routes := []string{strings.ReplaceAll(members, "PATH", tt.path), site}
			if tt.membersLast {
				slices.Reverse(routes)
			}
			cfg, err := parseConfig("routes = [" + strings.Join(routes, ",") + "]\n[[basic.users]]\nname = \"kim\"\npassword = \"correct horse\"\n")
			if err != nil {
				t.Fatal(err)
			}
			g, err := explainedGate(cfg)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(routeWarnings(cfg, g), "\n")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("path %q: warned %q, want %q", tt.path, got, tt.want)
			}
		})
	}
}
