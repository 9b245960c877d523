package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"bursar/provider/auth0"
	"bursar/provider/auth0/auth0test"
)

// tenantVerbs are what happens at the identity provider, and what it holds:
// scripts ask the tenant, never bursar's own tables.
var tenantVerbs = map[string]verb{
	"roles": {1, "EMAIL", func(w *world, ts *testscript.TestScript, args []string) error {
		fmt.Fprintln(ts.Stdout(), w.holds(args[0]))
		return nil
	}},
	// until-roles waits until somebody holds just these: 'Course One', 'A, B' or 'no roles'.
	"until-roles": {2, "EMAIL ROLES", func(w *world, _ *testscript.TestScript, args []string) error {
		return w.await(fmt.Sprintf("%s to hold %s, holds %s", args[0], args[1], w.holds(args[0])), func() (bool, error) {
			return w.holds(args[0]) == args[1], nil
		})
	}},
	"users": {0, "[EMAIL]", func(w *world, ts *testscript.TestScript, args []string) error {
		n := len(w.tenant.Users())
		if len(args) > 0 {
			n = len(w.tenant.UsersByEmail(args[0]))
		}
		fmt.Fprintln(ts.Stdout(), n)
		return nil
	}},
	// mails prints the kinds of mail that an address got.
	"mails": {1, "EMAIL", func(w *world, ts *testscript.TestScript, args []string) error {
		for _, m := range w.tenant.Mailbox(args[0]) {
			fmt.Fprintln(ts.Stdout(), m.Kind)
		}
		return nil
	}},
	// calls prints the Management API's calls since calls-reset, by route.
	"calls": {0, "", func(w *world, ts *testscript.TestScript, _ []string) error {
		calls := w.tenant.Calls()
		for _, route := range slices.Sorted(maps.Keys(calls)) {
			if strings.Contains(route, "/api/v2/") {
				fmt.Fprintf(ts.Stdout(), "%d %s\n", calls[route], route)
			}
		}
		return nil
	}},
	"calls-reset": {0, "", func(w *world, _ *testscript.TestScript, _ []string) error { w.tenant.CallsReset(); return nil }},
	// signup is a stranger at the sign-up form.
	"signup": {2, "EMAIL PASSWORD", func(w *world, _ *testscript.TestScript, args []string) error {
		_, err := w.tenant.SignUp(args[0], args[1])
		return err
	}},
	// verify and resetpassword are the owner of the mailbox.
	"verify": {1, "EMAIL", func(w *world, _ *testscript.TestScript, args []string) error { return w.tenant.VerifyEmail(args[0]) }},
	"resetpassword": {2, "EMAIL PASSWORD", func(w *world, _ *testscript.TestScript, args []string) error {
		return w.tenant.ResetPassword(args[0], args[1])
	}},
	"until-mail": {2, "EMAIL KIND", func(w *world, _ *testscript.TestScript, args []string) error {
		return w.await("a mail", func() (bool, error) {
			return slices.ContainsFunc(w.tenant.Mailbox(args[0]), func(m auth0test.Mail) bool { return string(m.Kind) == args[1] }), nil
		})
	}},
	// adduser puts a verified account there by the back door.
	"adduser": {1, "EMAIL [CONNECTION]", func(w *world, _ *testscript.TestScript, args []string) error {
		u := auth0test.User{Email: args[0], EmailVerified: true}
		if len(args) > 1 {
			u.Connection = args[1]
		}
		w.tenant.AddUser(u)
		return nil
	}},
	// assign and unassign are somebody at the dashboard.
	"assign": {2, "EMAIL ROLE", func(w *world, _ *testscript.TestScript, args []string) error {
		return w.each(args[0], func(id string) error { return w.tenant.AssignRole(id, args[1]) })
	}},
	"unassign": {2, "EMAIL ROLE", func(w *world, _ *testscript.TestScript, args []string) error {
		return w.each(args[0], func(id string) error { return w.tenant.RemoveRole(id, args[1]) })
	}},
	"deleteuser": {1, "EMAIL", func(w *world, _ *testscript.TestScript, args []string) error {
		return w.each(args[0], func(id string) error { w.tenant.DeleteUser(id); return nil })
	}},
	// fault lets the next calls of a route go wrong.
	"fault": {3, "ROUTE TIMES lost|dropped|429|503", func(w *world, _ *testscript.TestScript, args []string) error {
		n, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		switch args[2] {
		case "lost": // done, but the answer never comes
			w.tenant.Fail(args[0], n, auth0test.DroppedAfterCommit())
		case "dropped":
			w.tenant.Fail(args[0], n, auth0test.Dropped())
		case "429":
			w.tenant.Fail(args[0], n, auth0test.ThrottledBare())
		default:
			status, err := strconv.Atoi(args[2])
			if err != nil {
				return err
			}
			w.tenant.Fail(args[0], n, auth0test.ServerError(status))
		}
		return nil
	}},
	"down": {1, "provider|shop", func(w *world, _ *testscript.TestScript, args []string) error { return w.down(args[0], true) }},
	"up":   {1, "provider|shop", func(w *world, _ *testscript.TestScript, args []string) error { return w.down(args[0], false) }},
	// scopes sets bursar's grant at the tenant; "enrol" is what it should have.
	"scopes": {1, "SCOPE ...", func(w *world, _ *testscript.TestScript, args []string) error {
		if args[0] == "enrol" {
			args = auth0.Enrol.Scopes
		}
		w.tenant.SetManagementScopes(w.client.ID, args...)
		return nil
	}},
}

// holds is what the tenant says, in words.
func (w *world) holds(email string) string {
	if roles := w.tenant.Roles(email); len(roles) > 0 {
		return strings.Join(roles, ", ")
	}
	return "no roles"
}

func (w *world) each(email string, do func(id string) error) error {
	users := w.tenant.UsersByEmail(email)
	if len(users) == 0 {
		return fmt.Errorf("the tenant has no user with that address")
	}
	for _, u := range users {
		if err := do(u.ID); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) down(what string, down bool) error {
	switch what {
	case "provider":
		w.tenant.Down(down)
	case "shop":
		w.shop.Down(down)
	default:
		return fmt.Errorf("neither provider nor shop: %s", what)
	}
	return nil
}
