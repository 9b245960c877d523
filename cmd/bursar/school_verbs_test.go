package main

import (
	"maps"
	"net/http"
	"os"
	"strconv"

	"github.com/BurntSushi/toml"
	"github.com/rogpeppe/go-internal/testscript"

	"bursar/provider/auth0/auth0test"
)

// schoolVerbs make the service a school: with a login, and routes to guard.
var schoolVerbs = map[string]verb{
	// login adds one at the tenant to the config.
	"login": {0, "", func(w *world, _ *testscript.TestScript, _ []string) error {
		w.login(auth0test.Client{})
		return w.write()
	}},
	// merge adds the tables of a TOML file to the config, instead of those of the
	// same name.
	"merge": {1, "FILE", func(w *world, ts *testscript.TestScript, args []string) error {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err != nil {
			return err
		}
		more := map[string]any{}
		if err := toml.Unmarshal(text, &more); err != nil {
			return err
		}
		maps.Copy(w.settings, more)
		return w.write()
	}},
	// until-http waits until a path of ours is answered with a status.
	"until-http": {5, "-b BROWSER METHOD PATH STATUS", func(w *world, _ *testscript.TestScript, args []string) error {
		return w.await(args[3]+" to be answered with "+args[4], func() (bool, error) {
			req, err := http.NewRequest(args[2], w.at(args[3]), nil)
			if err != nil {
				return false, err
			}
			resp, err := w.browser(args[1]).Do(req)
			if err != nil {
				return false, err
			}
			resp.Body.Close()
			return strconv.Itoa(resp.StatusCode) == args[4], nil
		})
	}},
	// learner is somebody with a confirmed address and a password.
	"learner": {2, "EMAIL PASSWORD", func(w *world, _ *testscript.TestScript, args []string) error {
		w.tenant.AddUser(auth0test.User{Email: args[0], EmailVerified: true, Password: args[1]})
		return nil
	}},
	// tell-logout is the tenant ending somebody's sessions and saying so.
	"tell-logout": {1, "EMAIL", func(w *world, _ *testscript.TestScript, args []string) error { return w.tenant.SendLogout(args[0]) }},
}

// login adds a client to the tenant, and the login by it to the settings. The
// public address is that which browsers know.
func (w *world) login(c auth0test.Client) {
	public := "http://" + w.public
	c.Rotation = true
	c.Callbacks = []string{public + "/auth/callback"}
	c.LogoutURLs = []string{public + "/auth/logged-out"}
	c.BackchannelLogout = public + "/auth/backchannel-logout"
	c = w.tenant.AddClient(c)
	w.private = append(w.private, c.Secret)
	l := map[string]any{"name": "school", "issuer": w.tenant.Issuer(), "client_id": c.ID, "client_secret": c.Secret, "pass": []string{"screen_hint"}}
	if is := w.settings["issuers"].([]map[string]any)[0]; is["roles_claim"] != nil {
		l["roles_claim"] = is["roles_claim"]
	}
	w.settings["logins"] = []map[string]any{l}
	w.settings["server"].(map[string]any)["public_url"] = public
}
