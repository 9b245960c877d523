package auth0

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/provider/budget"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/management-api.md anew")

const pagePath = "../../docs/management-api.md"

// Without -update it compares.
func TestTheManagementPageSaysWhatTheCodeDoes(t *testing.T) {
	page := managementPage()
	if *update {
		if err := os.WriteFile(pagePath, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(pagePath)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(page, string(written)); diff != "" {
		t.Errorf("docs/management-api.md is not what the code does; write it anew by\n"+
			"go test ./provider/auth0 -run ManagementPage -update\n-code +page\n%s", diff)
	}
}

// dutyUse says whose client it is.
var dutyUse = map[string]string{
	Enrol.Name:     "`serve`: purchases, refunds, the sweep, repairs",
	SyncRead.Name:  "`bursar sync plan`: see what a sync would change",
	SyncWrite.Name: "`bursar sync apply`: carry it out, beside a client that may read",
}

// dutyTable is the section of the config that names a client for that duty alone.
var dutyTable = map[string]string{
	Enrol.Name:     "[provider]",
	SyncRead.Name:  "[provider.sync_read]",
	SyncWrite.Name: "[provider.sync_write]",
}

func managementPage() string {
	var b strings.Builder
	b.WriteString(pageHead)
	table(&b, "call", "route", "duty", "scopes, all of them")
	for _, c := range Calls() {
		if c.Management() {
			duties := strings.Join(c.Duties, ", ")
			if c.May {
				duties += " (optional)"
			}
			row(&b, c.Doing, code(c.Method+" "+c.Path), duties, codes(c.Scopes))
		}
	}
	b.WriteString("\nWhen each is made, and how often:\n\n")
	for _, c := range Calls() {
		if c.Management() {
			wrap(&b, fmt.Sprintf("- **%s**: %s", c.Doing, c.When))
		}
	}

	b.WriteString(pageOthers)
	table(&b, "call", "route", "when")
	for _, c := range Calls() {
		if !c.Management() {
			row(&b, c.Doing, code(c.Method+" "+c.Path), c.When)
		}
	}

	b.WriteString(pageDuties)
	table(&b, "duty", "who needs it", "scopes", "optional", "config")
	for _, d := range Duties() {
		row(&b, d.Name, dutyUse[d.Name], codes(d.Scopes), codes(d.May), code(dutyTable[d.Name]))
	}
	b.WriteString(pageClients)
	for _, d := range Duties() {
		text := fmt.Sprintf("- %s: %s", d.Name, codes(d.Scopes))
		if len(d.May) > 0 {
			text += fmt.Sprintf("; and %s if you choose", codes(d.May))
		}
		wrap(&b, text+".")
	}
	b.WriteString(pageKeys)

	b.WriteString(pageBudget)
	plans := budget.Presets()
	head := []string{"call"}
	for _, p := range plans {
		head = append(head, p.Name)
	}
	table(&b, head...)
	for _, c := range Calls() {
		if !c.Management() {
			continue
		}
		cells := []string{c.Doing}
		for _, p := range plans {
			cells = append(cells, p.Bucket(c.Doing).Name)
		}
		row(&b, cells...)
	}
	b.WriteString("\nThe buckets:\n\n")
	table(&b, "plan", "bucket", "calls at once", "and one more every")
	for _, p := range plans {
		for _, bucket := range p.Buckets {
			if slices.ContainsFunc(Calls(), func(c Call) bool { return c.Management() && p.Bucket(c.Doing).Name == bucket.Name }) {
				row(&b, p.Name, bucket.Name, fmt.Sprint(bucket.Burst), bucket.Every.Round(100*time.Microsecond).String())
			}
		}
	}
	b.WriteString(pageFoot)
	return b.String()
}

func table(b *strings.Builder, cells ...string) {
	row(b, cells...)
	b.WriteString(strings.Repeat("|---", len(cells)) + "|\n")
}

func row(b *strings.Builder, cells ...string) {
	for _, c := range cells {
		b.WriteString("|" + strings.TrimRight(" "+c, " ") + " ")
	}
	b.WriteString("|\n")
}

func code(s string) string { return "`" + s + "`" }

func codes(list []string) string {
	var all []string
	for _, s := range list {
		all = append(all, code(s))
	}
	return strings.Join(all, ", ")
}

// wrap writes a list's item in lines of 120 characters at most.
func wrap(b *strings.Builder, text string) {
	line := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case line+1+len(word) > 120:
			b.WriteString("\n ")
			line = 1
			fallthrough
		default:
			b.WriteString(" ")
			line++
		}
		b.WriteString(word)
		line += len(word)
	}
	b.WriteString("\n")
}

const pageHead = `# Every call to Auth0, who makes it, and with which scope

<!-- Written by a test out of the code: go test ./provider/auth0 -run ManagementPage -update -->

This is all that bursar ever asks of a tenant's Management API. The table is the code's own: a call that is not in it cannot
be sent, and the tests run each one with exactly these scopes, and once without each of them.

`

const pageOthers = `
## Calls that take no scope

They go to the Authentication API, and take nothing out of the Management API's rate limit.

`

const pageDuties = `
## Duties

Auth0 puts every scope of a client's grant into its token, whatever the client asks for. So least privilege is the grant, and a
client's grant should be the sum of its duties and nothing else. bursar compares the two at each token: a missing scope is named
and the calls that need it wait; a scope that no duty has a use for is named as excess. ` + "`bursar doctor`" + ` shows both.

By default one client has all duties. A sync can have clients of its own, so that who plans cannot change anything, and who
carries out can neither read nor create people:

`

const pageClients = `
` + "`update:roles`" + ` lets a sync give one role to a hundred accounts by one call. Whoever has it can also rename roles and change what
they permit, so leave it out unless a sync gives thousands of roles at a time; without it all works, at one call per account.

Of the others, ` + "`update:users`" + ` is the strong one: Auth0 asks for it to give or take a role, and it also allows to change an
e-mail or a password. Keep the clients that have it few. No client of bursar's needs ` + "`create:user_tickets`" + ` or
` + "`update:client_grants`" + `; never give them.

## Making the clients

At the dashboard, for each client:

1. *Applications*, *Create Application*, *Machine to Machine*.
2. Choose the *Auth0 Management API*, tick the scopes of its duties, and no others.
3. Put its client id and secret into its section of the config, the secret as ` + "`env:NAME` or `file:PATH`" + `.
4. ` + "`bursar doctor`" + ` says whether the grant fits.

The scopes to tick:

`

const pageKeys = `
A client can prove itself by a key instead of a secret (private_key_jwt; Auth0 offers it on its Enterprise plan). Then nothing
that could be reused ever travels: bursar signs a proof that is good for a minute and for one request.

` + "```sh" + `
openssl genrsa -out bursar-auth0.pem 2048
openssl rsa -in bursar-auth0.pem -pubout -out bursar-auth0.pub.pem
` + "```" + `

On the application's *Credentials* tab choose *Private Key JWT*, upload the public half, and choose RS256, RS384 or PS256. In the
config leave ` + "`client_secret`" + ` empty and set ` + "`private_key = \"file:bursar-auth0.pem\"`" + `; ` + "`signing_algorithm`" + ` must be the one that was chosen, and
` + "`key_id`" + ` is what the tab shows. An application takes two keys at a time, so a new one can be added before the old one goes.
`

const pageBudget = `
## Out of which bucket each call is taken

All calls of all clients and replicas share the tenant's rate limit. What its size is depends on the plan; what Auth0 says in its
answers goes before this table.

`

const pageFoot = `
The essentials plan is also the professional one. Auth0 does not document where the look-up by e-mail belongs; it is counted with
the rest until an answer says otherwise.
`
