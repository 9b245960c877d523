package auth0

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWhatMayBeSaid(t *testing.T) {
	private := []string{"odd name@example.com", "hunter2", "hunter2-and-more", "", "b\xffd@example.com"}
	for message, want := range map[string]string{
		"":                                   "",
		"The user already exists.":           "The user already exists.",
		"for x.y+z@example.com, sorry":       "for [address], sorry",
		`email "x@y"`:                        `email "[address]"`,
		"email=x%40example.com&a=b":          "email=[address]&a=b",
		"is odd name@example.com here":       "is [private] here",
		"is Odd+Name%40Example.com here":     "is [private] here",
		"the secret hunter2-and-more leaked": "the secret [private] leaked",
		"HUNTER2!":                           "[private]!",
		"no user Odd Name":                   "no user [private]",
		"token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln": "token [token]",
		"two\r\nlines\x00here":                            "two lines here",
		"bad \xff utf8":                                   "bad ? utf8",
		"no user b\xffd":                                  "no user [private]",
		strings.Repeat("word ", 60):                       strings.Repeat("word ", 40) + "...",
	} {
		if got := redact(message, private); got != want {
			t.Errorf("%q\n got %q\nwant %q", message, got, want)
		}
	}
}

// Whatever Auth0, or somebody between us, answers: it is understood or it is
// Unavailable, and what we say of it is one short line.
func FuzzAnswersDoNotLeakOrBreak(f *testing.F) {
	f.Add(400, apiError(400, "invalid_body", "no "+buyer))
	f.Add(200, `[{"user_id":"auth0|1","email_verified":{}}]`)
	f.Add(403, apiError(403, "insufficient_scope", "Insufficient scope"))
	f.Add(200, `[{"user_id":"auth0|1","identities":[null,{"user_id":7}],"app_metadata":{"bursar":[]}}]`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return
		}
		d := directory(t, &stub{api: always(status, body)})
		_, err := d.Accounts(t.Context(), buyer)
		if err == nil {
			return
		}
		said := err.Error()
		discreet(t, said)
		if len(said) > 400 || strings.ContainsFunc(said, isControl) || !utf8.ValidString(said) {
			t.Errorf("it says %q", said)
		}
	})
}
