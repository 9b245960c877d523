package provider

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
)

// An openIDProvider plays the other side of the OpenID Foundation's relying
// party tests (release v5.2): it can be wrong in each way that they know.
type openIDProvider struct {
	*TestIssuer
	rp *Verifier // the relying party under test
	t  *testing.T
}

// signIn is the end of a login in which the provider answers with an ID token
// of these claims, signed by its first key; the relying party's verdict.
func (op *openIDProvider) signIn(header, changes map[string]any) error {
	return op.receive(op.idToken(header, changes))
}

func (op *openIDProvider) idToken(header, changes map[string]any) string {
	_, good := goodToken(IDToken)
	return op.keys[0].sign(header, changed(op.claims(good), changes))
}

func (op *openIDProvider) receive(token string) error {
	id, err := op.rp.VerifyIDToken(op.t.Context(), token, IDTokenExpectation{Nonce: "n-1", Issuer: school, AccessToken: "access-token", Code: "code"})
	if err == nil && id.Subject != "auth0|7" {
		return errors.New("logged in as somebody else")
	}
	return err
}

// unsigned is the same token with alg none.
func unsigned(token string) string {
	return b64([]byte(`{"alg":"none"}`)) + "." + strings.Split(token, ".")[1] + "."
}

// endSession is a back-channel logout with a logout token of these claims.
func (op *openIDProvider) endSession(header, changes map[string]any) error {
	_, err := op.rp.VerifyLogoutToken(op.t.Context(), op.logoutToken(header, changes))
	return err
}

func (op *openIDProvider) logoutToken(header, changes map[string]any) string {
	typ, good := goodToken(LogoutToken)
	return op.keys[0].sign(changed(typ, header), changed(op.claims(good), changes))
}

// refresh is a login followed by a refresh whose ID token has these changes.
func (op *openIDProvider) refresh(changes map[string]any) error {
	id, err := op.rp.VerifyIDToken(op.t.Context(), op.idToken(nil, nil), IDTokenExpectation{Nonce: "n-1"})
	if err != nil {
		return err
	}
	_, err = op.rp.VerifyIDToken(op.t.Context(), op.idToken(nil, changed(map[string]any{"nonce": nil}, changes)), IDTokenExpectation{Refreshes: id})
	return err
}

const accepted = Reason("")

// conformance is every module of the suite's relying party plans, without the
// prefix oidcc-client-test. A module has either a play and the verdict it
// wants, or the reason why it does not concern tokens.
var conformance = []struct {
	module string
	want   error // accepted, a Reason, or a Kind when it cannot tell
	play   func(*openIDProvider) error
	notOur string
}{
	// Basic
	{module: "", want: accepted, play: func(op *openIDProvider) error { return op.signIn(nil, nil) }},
	{module: "-invalid-iss", want: WrongIssuer, play: func(op *openIDProvider) error {
		return op.signIn(nil, map[string]any{"iss": school + "invalid"})
	}},
	{module: "-missing-sub", want: MissingClaim, play: func(op *openIDProvider) error { return op.signIn(nil, map[string]any{"sub": nil}) }},
	{module: "-invalid-aud", want: WrongAudience, play: func(op *openIDProvider) error { return op.signIn(nil, map[string]any{"aud": "login-1"}) }},
	{module: "-missing-iat", want: MissingClaim, play: func(op *openIDProvider) error { return op.signIn(nil, map[string]any{"iat": nil}) }},
	{module: "-kid-absent-single-jwks", want: accepted, play: func(op *openIDProvider) error {
		return op.signIn(map[string]any{"kid": nil}, nil)
	}},
	{module: "-kid-absent-multiple-jwks", want: UnknownKey, play: func(op *openIDProvider) error { // the suite allows either
		op.publish(rsaKey("key-1", 0), rsaKey("key-2", 1))
		return op.signIn(map[string]any{"kid": nil}, nil)
	}},
	{module: "-idtoken-sig-rs256", want: accepted, play: func(op *openIDProvider) error { return op.signIn(map[string]any{"alg": "RS256"}, nil) }},
	{module: "-idtoken-sig-none", want: WrongAlgorithm, play: func(op *openIDProvider) error { return op.receive(unsigned(op.idToken(nil, nil))) }},
	{module: "-invalid-sig-rs256", want: BadSignature, play: func(op *openIDProvider) error {
		token := op.idToken(nil, nil)
		last := strings.LastIndexByte(token, '.')
		signature := must(strictBase64(token[last+1:]))
		signature[5] ^= 0x5a
		return op.receive(token[:last+1] + b64(signature))
	}},
	{module: "-userinfo-invalid-sub", notOur: "UserInfo is not a token; nothing here asks for it"},
	{module: "-nonce-invalid", want: WrongNonce, play: func(op *openIDProvider) error { return op.signIn(nil, map[string]any{"nonce": "n-1x"}) }},
	{module: "-scope-userinfo-claims", notOur: "about UserInfo"},
	{module: "-client-secret-basic", notOur: "about the token request of a login"},

	// Config
	{module: "-discovery-openid-config", want: accepted, play: func(op *openIDProvider) error {
		err := op.signIn(nil, nil)
		if err == nil && op.fetched[0] != discoveryPath {
			return errors.New("discovery was not asked")
		}
		return err
	}},
	{module: "-discovery-jwks-uri-keys", want: accepted, play: func(op *openIDProvider) error {
		op.publish(rsaKey("a", 0), rsaKey("b", 1), ecKey("c"))
		return op.signIn(nil, nil)
	}},
	{module: "-discovery-issuer-mismatch", want: Unavailable, play: func(op *openIDProvider) error {
		op.change(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == discoveryPath {
				return op.answer(200, map[string]string{"issuer": school + "invalid", "jwks_uri": school + keysPath[1:]}), nil
			}
			return nil, nil
		})
		return op.signIn(nil, nil)
	}},
	{module: "-signing-key-rotation-just-before-signing", want: accepted, play: func(op *openIDProvider) error {
		if err := op.signIn(nil, nil); err != nil {
			return err
		}
		op.publish(rsaKey("rotated", 1))
		return op.signIn(nil, nil)
	}},
	{module: "-signing-key-rotation", want: accepted, play: func(op *openIDProvider) error {
		for i, kid := range []string{"first", "second", "third"} {
			op.publish(rsaKey(kid, i))
			if err := op.signIn(nil, nil); err != nil {
				return err
			}
		}
		return nil
	}},

	// Logout plans
	{module: "-rp-init-logout", notOur: "about the redirect of a logout"},
	{module: "-rp-init-logout-other-state", notOur: "about the redirect of a logout"},
	{module: "-rp-init-logout-no-state", notOur: "about the redirect of a logout"},
	{module: "-rp-backchannel-rpinitlogout", want: accepted, play: func(op *openIDProvider) error { return op.endSession(nil, nil) }},
	{module: "-rp-backchannel-rpinitlogout-alg-none", want: WrongAlgorithm, play: func(op *openIDProvider) error {
		_, err := op.rp.VerifyLogoutToken(op.t.Context(), unsigned(op.logoutToken(nil, nil)))
		return err
	}},
	{module: "-rp-backchannel-rpinitlogout-no-event", want: MissingClaim, play: func(op *openIDProvider) error {
		return op.endSession(nil, map[string]any{"events": nil})
	}},
	{module: "-rp-backchannel-rpinitlogout-with-nonce", want: WrongType, play: func(op *openIDProvider) error {
		return op.endSession(nil, map[string]any{"nonce": "n-1"})
	}},
	{module: "-rp-backchannel-rpinitlogout-wrong-alg", want: WrongAlgorithm, play: func(op *openIDProvider) error {
		return op.endSession(map[string]any{"alg": "PS256"}, nil)
	}},
	{module: "-rp-backchannel-rpinitlogout-wrong-aud", want: WrongAudience, play: func(op *openIDProvider) error {
		return op.endSession(nil, map[string]any{"aud": "login-1"})
	}},
	{module: "-rp-backchannel-rpinitlogout-wrong-event", want: WrongEvent, play: func(op *openIDProvider) error {
		return op.endSession(nil, map[string]any{"events": map[string]any{logoutEvent + "1": map[string]any{}}})
	}},
	{module: "-rp-backchannel-rpinitlogout-wrong-iss", want: WrongIssuer, play: func(op *openIDProvider) error {
		return op.endSession(nil, map[string]any{"iss": school + "invalid"})
	}},
	{module: "-rp-frontchannel-rpinitlogout", notOur: "a redirect without a token"},
	{module: "-rp-frontchannel-opinitlogout", notOur: "a redirect without a token"},
	{module: "-session-management", notOur: "an iframe without a token"},

	// Refresh
	{module: "-refresh-token", want: accepted, play: func(op *openIDProvider) error { return op.refresh(nil) }},
	{module: "-refresh-token-invalid-issuer", want: WrongIssuer, play: func(op *openIDProvider) error {
		return op.refresh(map[string]any{"iss": school + "invalid"})
	}},
	{module: "-refresh-token-invalid-sub", want: WrongSubject, play: func(op *openIDProvider) error { return op.refresh(map[string]any{"sub": "auth0|8"}) }},

	// Comprehensive only
	{module: "-missing-aud", want: MissingClaim, play: func(op *openIDProvider) error { return op.signIn(nil, map[string]any{"aud": nil}) }},
	{module: "-invalid-athash", want: WrongHash, play: func(op *openIDProvider) error {
		return op.signIn(nil, map[string]any{"at_hash": leftHalf("RS256", "another")})
	}},
	{module: "-missing-athash", want: accepted, play: func(op *openIDProvider) error { return op.signIn(nil, nil) }}, // required in the implicit and hybrid flows only, which we do not have
	{module: "-invalid-chash", want: WrongHash, play: func(op *openIDProvider) error {
		return op.signIn(nil, map[string]any{"c_hash": leftHalf("RS256", "another")})
	}},
	{module: "-missing-chash", want: accepted, play: func(op *openIDProvider) error { return op.signIn(nil, nil) }}, // required in the hybrid flow only
	{module: "-nonce-unless-code-flow", want: MissingClaim, play: func(op *openIDProvider) error { return op.signIn(nil, map[string]any{"nonce": nil}) }},
	{module: "-invalid-sig-hs256", want: WrongAlgorithm, play: func(op *openIDProvider) error {
		signed := b64([]byte(`{"alg":"HS256"}`)) + "." + strings.Split(op.idToken(nil, nil), ".")[1]
		mac := hmac.New(sha256.New, []byte("the client's secret"))
		mac.Write([]byte(signed))
		return op.receive(signed + "." + b64(mac.Sum(nil)))
	}},
	{module: "-invalid-sig-es256", want: BadSignature, play: func(op *openIDProvider) error {
		op.publish(ecKey("key-1"))
		token := op.idToken(nil, nil)
		last := strings.LastIndexByte(token, '.')
		signature := must(strictBase64(token[last+1:]))
		signature[5] ^= 0x5a
		return op.receive(token[:last+1] + b64(signature))
	}},
	{module: "-aggregated-claims", want: accepted, play: func(op *openIDProvider) error {
		return op.signIn(nil, map[string]any{"_claim_names": map[string]any{"a": "src"}, "_claim_sources": map[string]any{"src": map[string]any{"JWT": unsigned(op.idToken(nil, nil))}}})
	}},
	{module: "-distributed-claims", want: accepted, play: func(op *openIDProvider) error {
		err := op.signIn(nil, map[string]any{"_claim_names": map[string]any{"a": "src"}, "_claim_sources": map[string]any{"src": map[string]any{"endpoint": school + "claims"}}})
		for _, path := range op.fetched {
			if path == "/claims" {
				return errors.New("a token has made us fetch something")
			}
		}
		return err
	}},
	{module: "-userinfo-bearer-header", notOur: "about UserInfo"},
	{module: "-userinfo-bearer-body", notOur: "about UserInfo"},
	{module: "-userinfo-signed", notOur: "about UserInfo"},
	{module: "-form-post-error", notOur: "about the answer to an authorization request"},
	{module: "-mtls-endpoint-aliases", notOur: "about the token request of a login"},
	{module: "-discovery-webfinger-acct", notOur: "issuers are configured, never found by name"},
	{module: "-discovery-webfinger-url", notOur: "issuers are configured, never found by name"},
	{module: "-dynamic-registration", notOur: "clients are configured, never registered"},
	{module: "-request-uri-signed-rs256", notOur: "about the authorization request"},
	{module: "-request-uri-signed-none", notOur: "about the authorization request"},
	{module: "-3rd-party-init-login", notOur: "about how a login starts"},
}

func TestTheOpenIDFoundationsRelyingPartyModules(t *testing.T) {
	for _, test := range conformance {
		t.Run("oidcc-client-test"+test.module, func(t *testing.T) {
			if test.play == nil {
				t.Logf("not applicable: %s", test.notOur) // no t.Skip: nothing is left out
				return
			}
			synctest.Test(t, func(t *testing.T) {
				issuer := NewTestIssuer(school)
				id, logout := loginRow(), logoutRow()
				if test.module == "-invalid-sig-es256" {
					id.Algorithms = []string{"ES256"}
				}
				op := &openIDProvider{TestIssuer: issuer, rp: newTestVerifier(t, issuer, id, logout), t: t}
				err := test.play(op)
				if test.want == accepted && err != nil {
					t.Errorf("refused: %v", err)
				}
				if test.want != accepted && !errors.Is(err, test.want) {
					t.Errorf("%v, want %q", err, test.want)
				}
			})
		})
	}
}
