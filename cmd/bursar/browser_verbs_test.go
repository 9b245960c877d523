package main

import (
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/rogpeppe/go-internal/testscript"
)

// browserVerbs are a client over HTTP, with cookies if it is named.
var browserVerbs = map[string]verb{
	// docs-example NAME makes docs/examples/NAME.toml the config, on ports and a
	// store of ours.
	"docs-example": {1, "NAME", func(w *world, _ *testscript.TestScript, args []string) error {
		text, err := os.ReadFile(filepath.Join(filepath.Dir(exampleFile), "docs", "examples", args[0]+".toml"))
		if err != nil {
			return err
		}
		w.settings = map[string]any{}
		if err := toml.Unmarshal(text, &w.settings); err != nil {
			return err
		}
		for key, value := range map[string]any{"server.listen": w.public, "server.operations": w.operations, "store.url": w.url,
			"embedded.tenant": freeAddr(), "embedded.shop": freeAddr()} {
			if err := w.set(key, value); err != nil {
				return err
			}
		}
		return nil
	}},
	// http [-b BROWSER] [-L] [-u USER:PASSWORD] [-d BODY] [-H HEADER]... METHOD URL
	// prints status, headers and body; -L follows redirects. A body is JSON unless
	// a header says otherwise.
	"http": {2, "[-b BROWSER] [-L] [-u USER:PASSWORD] [-d BODY] [-H HEADER]... METHOD URL", func(w *world, ts *testscript.TestScript, args []string) error {
		var browser, body string
		follow := false
		header := http.Header{}
		for len(args) > 2 {
			switch {
			case args[0] == "-L":
				follow, args = true, args[1:]
				continue
			case args[0] == "-b":
				browser = args[1]
			case args[0] == "-u":
				user, password, _ := strings.Cut(args[1], ":")
				header.Set("Authorization", basicAuth(user, password))
			case args[0] == "-d":
				body = args[1]
				if header.Get("Content-Type") == "" {
					header.Set("Content-Type", "application/json")
				}
			case args[0] == "-H":
				name, value, _ := strings.Cut(args[1], ":")
				header.Set(name, strings.TrimSpace(value))
			default:
				return fmt.Errorf("what is %q?", args[0])
			}
			args = args[2:]
		}
		req, err := http.NewRequest(args[0], w.at(args[1]), strings.NewReader(body))
		if err != nil {
			return err
		}
		req.Header = header
		client := *w.browser(browser)
		if !follow {
			client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		return printResponse(ts.Stdout(), resp)
	}},
	// site-login BROWSER EMAIL PASSWORD [URL] follows URL (/auth/login) to the tenant's
	// page, logs in there and follows back; it prints where that ends.
	"site-login": {3, "BROWSER EMAIL PASSWORD [URL]", func(w *world, ts *testscript.TestScript, args []string) error {
		at := "/auth/login"
		if len(args) > 3 {
			at = args[3]
		}
		resp, err := w.submit(w.browser(args[0]), at, "login", args[1], args[2])
		if err != nil {
			return err
		}
		return printResponse(ts.Stdout(), resp)
	}},
	// site-signup is site-login for whoever has no account yet.
	"site-signup": {3, "BROWSER EMAIL PASSWORD [URL]", func(w *world, ts *testscript.TestScript, args []string) error {
		at := "/auth/login?screen_hint=signup"
		if len(args) > 3 {
			at = args[3]
		}
		resp, err := w.submit(w.browser(args[0]), at, "signup", args[1], args[2])
		if err != nil {
			return err
		}
		return printResponse(ts.Stdout(), resp)
	}},
}

// at is a URL; a path is one of the public listener.
func (w *world) at(target string) string {
	if strings.HasPrefix(target, "/") {
		return "http://" + w.public + target
	}
	return target
}

// browser is the client of that name; "" is a new one without cookies.
func (w *world) browser(name string) *http.Client {
	if name == "" {
		return &http.Client{}
	}
	if w.browsers == nil {
		w.browsers = map[string]*http.Client{}
	}
	if w.browsers[name] == nil {
		jar, _ := cookiejar.New(nil) // its error is always nil
		w.browsers[name] = &http.Client{Jar: jar}
	}
	return w.browsers[name]
}

var (
	formTag  = regexp.MustCompile(`(?s)<form[^>]*>.*?</form>`)
	actionOf = regexp.MustCompile(`<form[^>]*\baction="([^"]*)"`)
	inputTag = regexp.MustCompile(`<(?:input|button)[^>]*>`)
	nameOf   = regexp.MustCompile(`\bname="([^"]*)"`)
	valueOf  = regexp.MustCompile(`\bvalue="([^"]*)"`)
)

// submit opens a page, fills in the tenant's form whose action ends with kind,
// and follows to the end.
func (w *world) submit(client *http.Client, at, kind, email, password string) (*http.Response, error) {
	resp, err := client.Get(w.at(at))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	for _, form := range formTag.FindAllString(string(page), -1) {
		action := actionOf.FindStringSubmatch(form)
		if action == nil {
			continue
		}
		target, err := resp.Request.URL.Parse(html.UnescapeString(action[1]))
		if err != nil || !strings.HasSuffix(target.Path, "/"+kind) {
			continue
		}
		values := url.Values{}
		for _, tag := range inputTag.FindAllString(form, -1) {
			if name := nameOf.FindStringSubmatch(tag); name != nil {
				value := ""
				if v := valueOf.FindStringSubmatch(tag); v != nil {
					value = html.UnescapeString(v[1])
				}
				values.Set(name[1], value)
			}
		}
		values.Set("username", email)
		values.Set("password", password)
		return client.PostForm(target.String(), values)
	}
	return nil, fmt.Errorf("%s ends at %s with %d and has no form for %s:\n%s", at, resp.Request.URL, resp.StatusCode, kind, page)
}

// printResponse writes what a browser's developer tools would show.
func printResponse(to io.Writer, resp *http.Response) error {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	fmt.Fprintf(to, "%s %s\n%d %s\n", resp.Request.Method, resp.Request.URL.RequestURI(), resp.StatusCode, http.StatusText(resp.StatusCode))
	for _, name := range slices.Sorted(maps.Keys(resp.Header)) {
		for _, value := range resp.Header[name] {
			fmt.Fprintf(to, "%s: %s\n", name, value)
		}
	}
	fmt.Fprintf(to, "\n%s\n", body)
	return err
}
