package provider

import (
	"encoding/base64"
	"errors"
	"strings"
)

const (
	maxToken = 16 << 10 // bytes; the largest tokens seen in the wild fit headers of 8 KiB
	maxKeyID = 256      // bytes
)

// compact is a token taken apart, before anything in it is believed.
type compact struct {
	alg string
	typ string // lower case, without "application/"; empty if the header has none
	kid string // empty if the header has none

	signed    string // what the signature covers: the first two parts with their dot
	payload   []byte
	signature []byte
}

// parseCompact takes a compact JWS apart (RFC 7515 section 7.1) so strictly
// that each token has one spelling only. No library sees the token before.
// Every error is a *Refusal.
func parseCompact(token string) (compact, error) {
	if len(token) > maxToken {
		return compact{}, refuse(TooLong, "%d bytes, at most %d are read", len(token), maxToken)
	}
	// Counted, not split: splitting a token of nothing but dots was a denial
	// of service in several libraries (CVE-2025-22868, CVE-2025-30204).
	switch dots := strings.Count(token, "."); {
	case strings.HasPrefix(token, "{"):
		return compact{}, refuse(Malformed, "JSON serialization, only the compact one is read")
	case dots == 2:
	case dots == 4:
		return compact{}, refuse(Encrypted, "five parts, so a JWE; Auth0 sends one when no audience was asked for or the API encrypts its tokens")
	case dots == 0:
		return compact{}, refuse(Opaque, "one part; Auth0 sends such a token when no audience was asked for at login")
	default:
		return compact{}, refuse(Malformed, "%d dots, want 2", dots)
	}
	first := strings.IndexByte(token, '.')
	last := strings.LastIndexByte(token, '.')

	var t compact
	t.signed = token[:last]
	header, err := strictBase64(token[:first])
	if err != nil {
		return compact{}, refuse(Malformed, "header: %w", err)
	}
	if t.payload, err = strictBase64(token[first+1 : last]); err != nil {
		return compact{}, refuse(Malformed, "payload: %w", err)
	}
	if t.signature, err = strictBase64(token[last+1:]); err != nil {
		return compact{}, refuse(Malformed, "signature: %w", err)
	}
	if err := t.readHeader(header); err != nil {
		return compact{}, err
	}
	return t, nil
}

// readHeader takes three members and refuses two. jwk, jku, x5u and x5c are
// never looked at: a token does not say which key vouches for it (RFC 8725
// section 3.10).
func (t *compact) readHeader(header []byte) error {
	m, err := parseMembers(header)
	if err != nil {
		return refuse(Malformed, "header: %w", err)
	}
	for _, name := range []string{"crit", "b64"} { // RFC 7515 section 4.1.11, RFC 7797
		if _, there := m[name]; there {
			return refuse(Critical, "header has %q", name)
		}
	}
	alg, there, err := m.text("alg")
	switch {
	case err != nil:
		return refuse(Malformed, "header: %w", err)
	case !there:
		return refuse(Malformed, "header: alg is missing")
	}
	t.alg = alg
	typ, _, err := m.text("typ")
	if err != nil {
		return refuse(Malformed, "header: %w", err)
	}
	t.typ = strings.TrimPrefix(strings.ToLower(typ), "application/") // RFC 7515 section 4.1.9
	if t.kid, _, err = m.text("kid"); err != nil {
		return refuse(Malformed, "header: %w", err)
	}
	if len(t.kid) > maxKeyID {
		return refuse(Malformed, "header: kid has %d bytes, at most %d are read", len(t.kid), maxKeyID)
	}
	return nil
}

var base64URL = base64.RawURLEncoding.Strict() // unused tail bits must be zero

// strictBase64 decodes base64url without padding. The standard library skips
// line breaks; with them one token would have many spellings.
func strictBase64(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("line break in base64url")
	}
	b, err := base64URL.DecodeString(s)
	if err != nil {
		return nil, errors.New("not base64url without padding") // the library's error would name the place, and no more is wanted
	}
	return b, nil
}
