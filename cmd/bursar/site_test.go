package main

import (
	"log/slog"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// runSchool runs what "bursar demo" leaves to click through.
func runSchool(t *testing.T) (app *App, origin string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, site); err != nil {
		t.Fatal(err)
	}
	app, err := newApp(t.Context(), demoConfig(dir, false, false), slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	runUntilEnd(t, app)
	return app, "http://" + app.public.Addr().String()
}

const (
	learner  = "kim@example.com"
	learnerP = "Correct-horse-7"
)

// enrol makes a verified account, as somebody has who signed up last year.
func enrol(t *testing.T, app *App, email string) {
	t.Helper()
	if _, err := app.embeddedTenant.SignUp(email, learnerP); err != nil {
		t.Fatal(err)
	}
	if err := app.embeddedTenant.VerifyEmail(email); err != nil {
		t.Fatal(err)
	}
}

// logIn fills in the tenant's page, on which the browser must be.
func (b *browser) logIn(email string) {
	b.t.Helper()
	b.do("log in at the tenant",
		chromedp.WaitVisible(`form[action="/u/login"] input[name="password"]`),
		chromedp.SetValue(`form[action="/u/login"] input[name="username"]`, email),
		chromedp.SetValue(`form[action="/u/login"] input[name="password"]`, learnerP),
		chromedp.Submit(`form[action="/u/login"] input[name="password"]`))
}

// path is where the tab is, without the origin.
func (b *browser) path(origin string) string {
	b.t.Helper()
	return strings.TrimPrefix(see(b, "look where we are", chromedp.Location()), origin)
}

func TestInABrowserAPurchaseOpensTheLessonAndARefundClosesIt(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	app, origin := runSchool(t)
	enrol(t, app, learner)

	b.do("open the shop", chromedp.Navigate(origin+"/"), chromedp.WaitVisible(at("login")), chromedp.WaitVisible(at("buy-course-one")))
	b.picture("shop")
	b.do("read without an account", chromedp.Navigate(origin+"/lessons/one/"), chromedp.WaitVisible(at("locked")))
	b.picture("locked for nobody")
	b.do("go to the login", chromedp.Click(at("login")))
	b.logIn(learner)
	b.do("come back to the lesson", chromedp.WaitVisible(at("who")), chromedp.WaitVisible(at("locked")))
	if got := b.path(origin); got != "/lessons/one/" {
		t.Errorf("after the login at %q, want the lesson", got)
	}
	b.picture("locked for a learner")

	b.do("buy on the lesson's page", chromedp.Click(at("buy-course-one")),
		chromedp.WaitVisible(at("buy-form")), chromedp.Click(at("buy-submit")))
	b.do("see it open without a new login", chromedp.WaitVisible(at("unlocked")))
	b.picture("open")
	if text := see(b, "read", chromedp.Text(at("unlocked"))); len(text) < 500 {
		t.Errorf("the lesson is %q", text)
	}

	// The lesson stays open in this tab; the other one gives it back.
	other := b.tab()
	other.do("ask for the money back", chromedp.Navigate(origin+"/"), chromedp.WaitVisible(`[data-test^="refund-"]`), chromedp.Click(`[data-test^="refund-"]`))
	other.picture("given back")
	b.do("see it close", chromedp.WaitVisible(at("locked")), chromedp.WaitNotPresent(at("unlocked")))
	b.picture("closed")

	b.do("log out", chromedp.Click(at("logout")), chromedp.WaitVisible(at("login")))
	if got := b.path(origin); got != "/" {
		t.Errorf("after the logout at %q, want /", got)
	}
	b.do("stay out", chromedp.Navigate(origin+"/lessons/one/"), chromedp.WaitVisible(`[data-test="locked"][data-why^="nobody"]`))
	b.picture("logged out")
}

func TestInABrowserEachTabComesBackToItsOwnPage(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	app, origin := runSchool(t)
	enrol(t, app, learner)

	pages := []string{"/lessons/one/", "/lessons/two/", "/live/"}
	var tabs []*browser
	for i, page := range pages {
		tab := b
		if i > 0 {
			tab = b.tab()
		}
		tab.do("begin a login", chromedp.Navigate(origin+"/auth/login?return_to="+url.QueryEscape(page)), chromedp.WaitVisible(`form[action="/u/login"]`))
		tabs = append(tabs, tab)
	}
	// In the order in which nobody would expect it.
	for _, i := range []int{1, 2, 0} {
		tabs[i].logIn(learner)
		tabs[i].do("come back", chromedp.WaitVisible(at("who")))
		if got := tabs[i].path(origin); got != pages[i] {
			t.Errorf("the tab of %s ends at %s", pages[i], got)
		}
	}
}

func TestInABrowserAStolenReturnPathGoesNowhere(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	app, origin := runSchool(t)
	enrol(t, app, learner)
	b.do("log in once", chromedp.Navigate(origin+"/auth/login"))
	b.logIn(learner)
	b.do("arrive", chromedp.WaitVisible(at("who")))

	for _, stolen := range []string{"https://evil.example/", "//evil.example/", `/\evil.example/`, `\\evil.example`, "/%2fevil.example", "/%5cevil.example",
		"https:evil.example", "javascript:alert(1)", " //evil.example", "/\t/evil.example", "/..//evil.example", "http://user@evil.example@127.0.0.1/"} {
		// The tenant knows the learner already, so nobody has to click.
		b.do("follow "+stolen, chromedp.Navigate(origin+"/auth/login?return_to="+url.QueryEscape(stolen)), chromedp.WaitVisible(chromedp.CSS("h1")))
		if at := see(b, "look where it ends", chromedp.Location()); !strings.HasPrefix(at, origin+"/") {
			t.Errorf("return_to=%q ends at %s", stolen, at)
		}
	}
}

func TestInABrowserWhoBuysFirstGetsInByTheMail(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	_, origin := runSchool(t)
	b.do("buy without an account", chromedp.Navigate(origin+"/"), chromedp.WaitVisible(at("login")), chromedp.Click(at("buy-course-one")),
		chromedp.WaitVisible(at("buy-form")), chromedp.SetValue(at("buy-email"), "lee@example.com"), chromedp.Click(at("buy-submit")))
	b.do("find the mail", chromedp.WaitVisible(at("mail-link")))
	b.picture("check your mail")
	link := see(b, "open the mail", chromedp.AttributeValue(at("mail-link"), "href")).Value
	if !strings.Contains(link, "/u/reset-password") {
		t.Fatalf("the mail's link is %q", link)
	}
	b.do("set a password", chromedp.Navigate(link), chromedp.WaitVisible(`input[name="again"]`),
		chromedp.SetValue(`input[name="password"]`, learnerP), chromedp.SetValue(`input[name="again"]`, learnerP), chromedp.Submit(`input[name="again"]`))
	b.picture("password set")
	b.do("log in", chromedp.Navigate(origin+"/auth/login?return_to=/lessons/one/"))
	b.logIn("lee@example.com")
	b.do("read", chromedp.WaitVisible(at("unlocked")))
	b.do("enter the live room", chromedp.Navigate(origin+"/live/"), chromedp.WaitVisible(at("live-join")), chromedp.Click(at("live-join")), chromedp.WaitVisible(at("live-token")))
	b.picture("live room")
}

func TestInABrowserWhoSignsUpConfirmsTheAddressAndBuys(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	_, origin := runSchool(t)
	b.do("go to the sign-up", chromedp.Navigate(origin+"/lessons/two/"), chromedp.WaitVisible(at("signup")), chromedp.Click(at("signup")),
		chromedp.WaitVisible(`form[action="/u/signup"] input[name="password"]`),
		chromedp.SetValue(`form[action="/u/signup"] input[name="username"]`, "ann@example.com"),
		chromedp.SetValue(`form[action="/u/signup"] input[name="password"]`, learnerP),
		chromedp.Submit(`form[action="/u/signup"] input[name="password"]`))
	b.do("be asked to confirm the address", chromedp.WaitVisible(at("who")), chromedp.WaitVisible(at("confirm-link")))
	b.picture("confirm your address")
	letter := see(b, "find the letter", chromedp.AttributeValue(at("confirm-link"), "href")).Value
	mailbox := b.tab()
	mailbox.do("open the letter", chromedp.Navigate(letter), chromedp.WaitVisible(chromedp.CSS("h1")))
	b.do("buy", chromedp.Click(at("buy-course-two")), chromedp.WaitVisible(at("buy-form")), chromedp.Click(at("buy-submit")), chromedp.WaitVisible(at("unlocked")))
}

// Who signs up with a buyer's address and cannot open the mailbox gets nothing,
// whatever is bought.
func TestInABrowserAnUnconfirmedAddressWaitsForItsMailbox(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	app, origin := runSchool(t)
	if _, err := app.embeddedTenant.SignUp(learner, learnerP); err != nil {
		t.Fatal(err)
	}
	b.do("go to the login", chromedp.Navigate(origin+"/auth/login?return_to=/lessons/one/"))
	b.logIn(learner)
	b.do("buy", chromedp.WaitVisible(at("who")), chromedp.Click(at("buy-course-one")), chromedp.WaitVisible(at("buy-form")), chromedp.Click(at("buy-submit")))
	b.do("be told of the letter", chromedp.WaitVisible(at("mail-link")), chromedp.WaitVisible(at("locked")))
	b.picture("waits for the mailbox")
	letter := see(b, "find the letter", chromedp.AttributeValue(at("mail-link"), "href")).Value
	if !strings.Contains(letter, "/u/reset-password") {
		t.Errorf("the letter's link is %q", letter)
	}
}

// Phone, desktop, light and dark: for the eye; and no page is wider than the
// phone.
func TestInABrowserEveryPageFitsAPhone(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	_, origin := runSchool(t)
	for _, page := range []struct{ name, path, wait string }{
		{"shop", "/", at("buy-course-one")}, {"lesson", "/lessons/one/", at("locked")}, {"live", "/live/", "main"},
		{"login", "/auth/login", `form[action="/u/login"]`}, {"behind the scenes", "/try/", "h1"},
		{"failed login", "/auth/callback?error=access_denied&error_description=%3Cb%3Eno%3C/b%3E", "h1"},
	} {
		for _, view := range []struct {
			name          string
			width, height int64
			dark          string
		}{{"desktop light", 1280, 900, "light"}, {"phone light", 390, 844, "light"}, {"desktop dark", 1280, 900, "dark"}, {"phone dark", 390, 844, "dark"}} {
			b.do("dress for "+view.name, emulate(view.width, view.height, view.dark))
			b.do("open "+page.path, chromedp.Navigate(origin+page.path))
			b.do("wait on "+page.path, chromedp.WaitVisible(chromedp.CSS(page.wait)))
			b.picture(page.name + " " + view.name)
			if see(b, "measure", chromedp.Evaluate[bool](`document.documentElement.scrollWidth > innerWidth`)) {
				t.Errorf("%s is wider than the screen of %d", page.path, view.width)
			}
		}
	}
}
