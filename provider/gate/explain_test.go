package gate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bursar/provider"
)

func TestAnExplanationTellsEveryRule(t *testing.T) {
	g := school(t, nil)
	learner := &provider.Principal{Subject: "kim", Roles: []string{"course"}, Proof: provider.SessionProof}
	for _, test := range []struct {
		method, target string
		as             *provider.Principal
		want           string
	}{
		{"GET", "/lessons/go/one", learner, `
			admin: the path "/lessons/go/one" is not /admin/
			other host: the host "school.example" is not admin.example
			api: the path "/lessons/go/one" is not /api/
			lessons: decides: 200 may pass
			notes: the method GET is not POST or DELETE
			front: 200 everybody may pass`},
		{"GET", "/lessons/go/one", nil, `
			admin: the path "/lessons/go/one" is not /admin/
			other host: the host "school.example" is not admin.example
			api: the path "/lessons/go/one" is not /api/
			lessons: decides: 401 no credentials
			notes: the method GET is not POST or DELETE
			front: 200 everybody may pass`},
		{"DELETE", "/x/../admin", learner, `
			admin: decides: 403 a required role is missing: one of ["admin"]
			other host: the host "school.example" is not admin.example
			api: the path "/admin" is not /api/
			lessons: the method DELETE is not GET
			notes: the path "/admin" is not /lessons/{course}/notes
			front: the method DELETE is not GET`},
		{"GET", "/a%2fb", learner, `
			-: decides: 400 malformed request target: an encoded slash in the path`},
	} {
		var got strings.Builder
		for _, l := range g.Explain(request(t, test.method, test.target, nil), test.as) {
			name, decides := "-", ""
			if l.Rule != nil {
				name = l.Rule.Name
			}
			if l.Decides {
				decides = "decides: "
			}
			if l.Decision.Status != 0 {
				decides += fmt.Sprint(l.Decision.Status, " ")
			}
			fmt.Fprintf(&got, "\n\t\t\t%s: %s%s", name, decides, l.Why)
		}
		if diff := cmp.Diff(test.want, got.String()); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", test.method, test.target, diff)
		}
	}
}

func TestAnExplanationAndADecisionAgree(t *testing.T) {
	g := school(t, nil)
	kim := &provider.Principal{Subject: "kim", Roles: []string{"course"}, Proof: provider.BearerProof, AuthTime: time.Now()}
	for _, target := range []string{"/", "/admin", "/api/x", "/lessons/go", "/lessons/go/notes", "/x;y", "http://admin.example/x", "http://ä/"} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "get"} {
			for as, header := range map[*provider.Principal]string{nil: "", kim: "Authorization: Bearer kim"} {
				r := request(t, method, target, []string{header})
				v, decides := g.Decide(r), 0
				for _, l := range g.Explain(r, as) {
					if !l.Decides {
						continue
					}
					decides++
					if l.Rule != v.Rule || l.Decision.Status != v.Decision.Status || l.Allowed() != v.Allowed() {
						t.Errorf("%s %s %q: explained as %d, decided as %d", method, target, header, l.Decision.Status, v.Decision.Status)
					}
				}
				if decides != 1 {
					t.Errorf("%s %s: %d lines decide", method, target, decides)
				}
			}
		}
	}
}
