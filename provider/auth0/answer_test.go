package auth0

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"bursar/provider"

	"github.com/google/go-cmp/cmp"
)

func TestEachAnswerHasItsMeaning(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	lookup := func(ctx context.Context, d *Directory) error { _, err := d.Accounts(ctx, buyer); return err }
	open := func(ctx context.Context, d *Directory) error { _, err := d.Create(ctx, buyer); return err }
	read := func(ctx context.Context, d *Directory) error { _, err := d.RolesOf(ctx, "auth0|1"); return err }
	give := func(ctx context.Context, d *Directory) error { return d.Assign(ctx, "auth0|1", []string{"rol_a"}) }
	take := func(ctx context.Context, d *Directory) error { return d.Remove(ctx, "auth0|1", []string{"rol_a"}) }
	roles := func(ctx context.Context, d *Directory) error { _, err := d.Roles(ctx); return err }
	mail := func(ctx context.Context, d *Directory) error { return d.Invite(ctx, buyer) }

	for _, c := range []struct {
		name    string
		do      func(context.Context, *Directory) error
		status  int
		body    string
		headers []string
		want    provider.Trouble // without Doing and Err
	}{
		{"the account is gone", give, 404, apiError(404, "inexistent_user", "The user does not exist."), nil,
			provider.Trouble{Kind: provider.NotFound, Status: 404, Code: "inexistent_user"}},
		{"the role is gone, without a code", give, 404, apiError(404, "", "The role does not exist."), nil,
			provider.Trouble{Kind: provider.NotFound, Status: 404}},
		{"the account is gone while we read it", read, 404, apiError(404, "inexistent_user", "The user does not exist."), nil,
			provider.Trouble{Kind: provider.NotFound, Status: 404, Code: "inexistent_user"}},
		{"the account is gone while we take a role", take, 404, apiError(404, "inexistent_user", "The user does not exist."), nil,
			provider.Trouble{Kind: provider.NotFound, Status: 404, Code: "inexistent_user"}},
		{"a proxy's 404 is no word on the account", give, 404, "<html>404 Not Found</html>", nil,
			provider.Trouble{Kind: provider.Unavailable, Status: 404}},
		{"a 404 of a call that names nobody", open, 404, apiError(404, "inexistent_connection", "The connection does not exist"), nil,
			provider.Trouble{Kind: provider.Rejected, Status: 404, Code: "inexistent_connection"}},
		{"taken", open, 409, apiError(409, "auth0_idp_error", "The user already exists."), nil,
			provider.Trouble{Kind: provider.Exists, Status: 409, Code: "auth0_idp_error"}},
		{"throttled until the reset", lookup, 429, apiError(429, "too_many_requests", "Global limit has been reached"),
			[]string{"x-ratelimit-limit: 2", "x-ratelimit-remaining: 0", "x-ratelimit-reset: 1800000007"},
			provider.Trouble{Kind: provider.Throttled, Status: 429, Code: "too_many_requests", RetryAt: now.Add(7 * time.Second)}},
		{"throttled until Retry-After", lookup, 429, apiError(429, "too_many_requests", "Global limit has been reached"),
			[]string{"Retry-After: 9"},
			provider.Trouble{Kind: provider.Throttled, Status: 429, Code: "too_many_requests", RetryAt: now.Add(9 * time.Second)}},
		{"throttled until the later of two", lookup, 429, "",
			[]string{"Retry-After: 9", "x-ratelimit-reset: 1800000007"},
			provider.Trouble{Kind: provider.Throttled, Status: 429, RetryAt: now.Add(9 * time.Second)}},
		{"throttled without a word of when", lookup, 429, "slow down", nil,
			provider.Trouble{Kind: provider.Throttled, Status: 429, RetryAt: now.Add(time.Second)}},
		{"throttled until a time that is past", lookup, 429, "", []string{"x-ratelimit-reset: 1700000000"},
			provider.Trouble{Kind: provider.Throttled, Status: 429, RetryAt: now.Add(time.Second)}},
		{"throttled until next year", lookup, 429, "", []string{"x-ratelimit-reset: 1830000000"},
			provider.Trouble{Kind: provider.Throttled, Status: 429, RetryAt: now.Add(time.Second)}},
		{"the API wants a scope and names it", give, 403, apiError(403, "insufficient_scope", "Insufficient scope, expected any of: update:users,create:role_members"), nil,
			provider.Trouble{Kind: provider.MissingScope, Status: 403, Code: "insufficient_scope", Scopes: []string{"create:role_members", "update:users"}}},
		{"the API wants a scope and does not name it", give, 403, apiError(403, "insufficient_scope", "Insufficient scope"), nil,
			provider.Trouble{Kind: provider.MissingScope, Status: 403, Code: "insufficient_scope", Scopes: []string{"update:users", "create:role_members"}}},
		{"the API wants a scope and gives no code", lookup, 403, apiError(403, "", "Insufficient scope, expected any of: read:users"), nil,
			provider.Trouble{Kind: provider.MissingScope, Status: 403, Scopes: []string{"read:users"}}},
		{"forbidden for some other reason", lookup, 403, apiError(403, "operation_not_supported", "This feature is not enabled"), nil,
			provider.Trouble{Kind: provider.Rejected, Status: 403, Code: "operation_not_supported"}},
		{"a firewall's 403", lookup, 403, "<html>Access denied</html>", nil,
			provider.Trouble{Kind: provider.Unavailable, Status: 403}},
		{"invalid, quoting the address", open, 400, apiError(400, "invalid_body", "Payload validation error: 'Object didn't pass validation for format email: "+buyer+"' on property email"), nil,
			provider.Trouble{Kind: provider.Rejected, Status: 400, Code: "invalid_body"}},
		{"invalid, quoting our token", roles, 400, apiError(400, "invalid_query", "bad header token-1"), nil,
			provider.Trouble{Kind: provider.Rejected, Status: 400, Code: "invalid_query"}},
		{"a code that is a sentence", roles, 400, apiError(400, "what "+buyer+" asked", "no"), nil,
			provider.Trouble{Kind: provider.Rejected, Status: 400}},
		{"the token is refused twice", roles, 401, apiError(401, "", "Invalid token"), nil,
			provider.Trouble{Kind: provider.BadCredentials, Status: 401}},
		{"a time-out of theirs", roles, 408, "", nil, provider.Trouble{Kind: provider.Unavailable, Status: 408}},
		{"an outage", roles, 500, apiError(500, "", "Internal error"), nil, provider.Trouble{Kind: provider.Unavailable, Status: 500}},
		{"a gateway's outage", roles, 502, "<html>", nil, provider.Trouble{Kind: provider.Unavailable, Status: 502}},
		{"a busy service", roles, 503, "", nil, provider.Trouble{Kind: provider.Unavailable, Status: 503}},
		{"a redirect", lookup, 307, "", []string{"Location: https://elsewhere.example/api/v2/"},
			provider.Trouble{Kind: provider.Unavailable, Status: 307}},

		{"nobody, but without the list", lookup, 200, "", nil, provider.Trouble{Kind: provider.Unavailable, Status: 200}},
		{"nobody, but an object", lookup, 200, "{}", nil, provider.Trouble{Kind: provider.Unavailable, Status: 200}},
		{"nobody, but null", lookup, 200, "null", nil, provider.Trouble{Kind: provider.Unavailable, Status: 200}},
		{"a portal's page", lookup, 200, "<html>Welcome " + buyer + "</html>", nil, provider.Trouble{Kind: provider.Unavailable, Status: 200}},
		{"an account without an id", lookup, 200, `[{"email":"` + buyer + `"}]`, nil, provider.Trouble{Kind: provider.Unavailable, Status: 200}},
		{"an account that is null", lookup, 200, `[null]`, nil, provider.Trouble{Kind: provider.Unavailable, Status: 200}},
		{"a member of a type that the library panics on", lookup, 200, `[{"user_id":"auth0|1","email_verified":7}]`, nil, provider.Trouble{Kind: provider.Unavailable, Status: 200}},
		{"an identity of such a type", lookup, 200, `[{"user_id":"auth0|1","identities":[{"user_id":true}]}]`, nil, provider.Trouble{Kind: provider.Unavailable, Status: 200}},
		{"a time that is an address", lookup, 200, `[{"user_id":"auth0|1","created_at":"` + buyer + `"}]`, nil, provider.Trouble{Kind: provider.Unavailable, Status: 200}},
		{"created, but whom", open, 201, `{}`, nil, provider.Trouble{Kind: provider.Unavailable, Status: 201}},
		{"roles, but not the list", read, 200, `{"total":0}`, nil, provider.Trouble{Kind: provider.Unavailable, Status: 200}},
		{"roles without totals", read, 200, `[]`, nil, provider.Trouble{Kind: provider.Unavailable, Status: 200}},
		{"a role without an id", read, 200, `{"roles":[{}],"total":1}`, nil, provider.Trouble{Kind: provider.Unavailable, Status: 200}},
		{"a list that ends too soon", roles, 200, `{"roles":[],"total":3}`, nil, provider.Trouble{Kind: provider.Unavailable, Status: 200}},

		{"invites are limited per address", mail, 429, `{"error":"too_many_requests","error_description":"for ` + buyer + `"}`, nil,
			provider.Trouble{Kind: provider.Throttled, Status: 429, Code: "too_many_requests", RetryAt: now.Add(time.Minute)}},
		{"an invite on no such connection", mail, 400, `{"code":"invalid_connection","description":"no"}`, nil,
			provider.Trouble{Kind: provider.Rejected, Status: 400, Code: "invalid_connection"}},
		{"an invite in an unknown client's name", mail, 401, `{"error":"invalid_client"}`, nil,
			provider.Trouble{Kind: provider.Rejected, Status: 401, Code: "invalid_client"}},
		{"an invite in an outage", mail, 500, "", nil, provider.Trouble{Kind: provider.Unavailable, Status: 500}},
		{"an invite sent elsewhere", mail, 302, "", []string{"Location: https://elsewhere.example/"},
			provider.Trouble{Kind: provider.Unavailable, Status: 302}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &stub{api: always(c.status, c.body, c.headers...)}
			d := directory(t, s, func(c *Config) { c.Now = func() time.Time { return now } }, withRoom)
			got := *trouble(t, c.do(t.Context(), d), c.want.Kind)
			if got.Doing == "" {
				t.Error("it does not say what we were doing")
			}
			got.Doing, got.Err = "", nil
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestAConnectionThatBreaksTellsNothing(t *testing.T) {
	for name, answer := range map[string]func(*http.Request) (*http.Response, error){
		"refused": func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
		},
		"cut before the answer": func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF },
		"cut within the answer": func(*http.Request) (*http.Response, error) {
			r := reply(200, "")
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader("["), brokenReader{}))
			return r, nil
		},
		"an answer that quotes the address": func(*http.Request) (*http.Response, error) {
			return nil, errors.New("malformed HTTP response \"" + buyer + "\"")
		},
		"a body without end": func(*http.Request) (*http.Response, error) {
			r := reply(200, "")
			r.Body = io.NopCloser(io.LimitReader(blanks{}, answerLimit+2))
			return r, nil
		},
		"a time-out further down": func(*http.Request) (*http.Response, error) { return nil, context.DeadlineExceeded },
	} {
		t.Run(name, func(t *testing.T) {
			d := directory(t, &stub{api: answer})
			_, err := d.Accounts(t.Context(), buyer)
			trouble(t, err, provider.Unavailable)
			if errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v passes for the end of our caller's time", err)
			}
			trouble(t, d.Invite(t.Context(), buyer), provider.Unavailable)
		})
	}
}

func TestTransportErrorsCanStillBeAskedWhatTheyAre(t *testing.T) {
	d := directory(t, &stub{api: func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }})
	if _, err := d.Accounts(t.Context(), buyer); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want it to be io.ErrUnexpectedEOF", err)
	}
}

func TestNothingSensibleIsAskedAboutNobody(t *testing.T) {
	s := &stub{}
	d := directory(t, s)
	ctx := t.Context()
	_, err := d.Accounts(ctx, "")
	trouble(t, err, provider.Rejected)
	_, err = d.Create(ctx, "")
	trouble(t, err, provider.Rejected)
	trouble(t, d.Invite(ctx, ""), provider.Rejected)
	for _, id := range []string{"", ".", ".."} {
		_, err = d.RolesOf(ctx, id)
		trouble(t, err, provider.Rejected)
		trouble(t, d.Assign(ctx, id, []string{"rol_a"}), provider.Rejected)
		trouble(t, d.Remove(ctx, id, []string{"rol_a"}), provider.Rejected)
	}
	trouble(t, d.Assign(ctx, "auth0|1", []string{""}), provider.Rejected)
	if err := d.Assign(ctx, "auth0|1", nil); err != nil {
		t.Errorf("to assign nothing: %v", err)
	}
	if err := d.Remove(ctx, "auth0|1", nil); err != nil {
		t.Errorf("to remove nothing: %v", err)
	}
	if tokens, calls := s.sent(); tokens+calls != 0 {
		t.Errorf("%d token requests and %d calls were made for nothing", tokens, calls)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

type blanks struct{}

func (blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}
