package auth0test

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"time"
)

// A client with a public key proves itself by a JWT that it signed (RFC 7523,
// private_key_jwt). What is asked of one is in facts/auth0.md section 4.
const (
	assertionType  = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	assertionBytes = 2048
	assertionWord  = 64 // characters of iss, sub and jti
	assertionMost  = 5 * time.Minute
	assertionSkew  = 10 * time.Second // of iat and nbf
)

// publicKey reads Client.PublicKeyPEM.
func publicKey(text string) (*rsa.PublicKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("PublicKeyPEM is no PEM")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, errors.New("PublicKeyPEM is no public key")
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("PublicKeyPEM is no RSA key")
	}
	return key, nil
}

// asserted is the client that a client_assertion proves. otherwise says that
// it has shown something else too.
func (t *Tenant) asserted(w http.ResponseWriter, p url.Values, otherwise bool) (Client, bool) {
	refuse := func(why string) (Client, bool) {
		oauthError(w, http.StatusUnauthorized, "invalid_client", why)
		return Client{}, false
	}
	token := p.Get("client_assertion")
	var header, c claims
	input, signed, ok := jwtParts(token, &header, &c)
	switch {
	case otherwise || p.Has("client_secret"):
		oauthError(w, http.StatusBadRequest, "invalid_request", "The client proves itself in two ways at once")
		return Client{}, false
	case p.Get("client_assertion_type") != assertionType:
		oauthError(w, http.StatusBadRequest, "invalid_request", "client_assertion_type is not "+assertionType)
		return Client{}, false
	case len(token) > assertionBytes:
		return refuse("client_assertion is longer than 2048 bytes")
	case !ok:
		return refuse("client_assertion is no JWT")
	case c.text("iss") != c.text("sub") || p.Has("client_id") && p.Get("client_id") != c.text("sub"):
		return refuse("client_assertion: iss, sub and client_id are not the same")
	case len(c.text("iss")) > assertionWord || len(c.text("jti")) > assertionWord:
		return refuse("client_assertion: iss, sub or jti is longer than 64 characters")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	client := t.clients[c.text("sub")]
	if client == nil || client.key == nil || !signedBy(client.key, header.text("alg"), input, signed) {
		return refuse("client_assertion: the signature does not fit a key of the client")
	}
	if why := t.timely(client, c); why != "" {
		return refuse("client_assertion: " + why)
	}
	return client.clone(), true
}

// timely checks when and for whom a signed assertion is good, and uses it up.
func (t *Tenant) timely(client *Client, c claims) (why string) {
	now := t.now()
	if c["aud"] != t.issuer { // one string, with its slash
		return "aud is not " + t.issuer
	}
	exp, ok := c["exp"].(float64)
	end := time.Unix(int64(exp), 0)
	switch {
	case !ok || !now.Before(end):
		return "it is expired"
	case end.Sub(now) > assertionMost+assertionSkew:
		return "exp is more than 5 minutes ahead"
	case c.text("jti") == "":
		return "jti is missing"
	}
	for _, name := range []string{"iat", "nbf"} {
		if at, ok := c[name].(float64); ok && time.Unix(int64(at), 0).Sub(now) > assertionSkew {
			return name + " is ahead of the tenant's clock"
		}
	}
	maps.DeleteFunc(client.spent, func(_ string, until time.Time) bool { return !now.Before(until) })
	if _, again := client.spent[c.text("jti")]; again {
		return "jti was used before"
	}
	client.spent[c.text("jti")] = end
	return ""
}

// signedBy checks a signature by one of the algorithms that Auth0 takes from a
// client.
func signedBy(key *rsa.PublicKey, alg, input string, signature []byte) bool {
	hash := map[string]crypto.Hash{"RS256": crypto.SHA256, "RS384": crypto.SHA384, "PS256": crypto.SHA256}[alg]
	if hash == 0 {
		return false
	}
	h := hash.New()
	h.Write([]byte(input))
	if alg == "PS256" { // RFC 7518 section 3.5: the salt is as long as the hash
		return rsa.VerifyPSS(key, hash, h.Sum(nil), signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	}
	return rsa.VerifyPKCS1v15(key, hash, h.Sum(nil), signature) == nil
}
