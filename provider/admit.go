package provider

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// A publicKey is one admitted entry of an issuer's key set.
type publicKey struct {
	kid        string // empty if the entry has none
	kty        string
	algorithms []string // those it may check: its own alg, or all that fit its type and curve
	public     crypto.PublicKey
	parameters map[string]string // the entry again, as far as we looked at it
}

func (k *publicKey) fits(alg string) bool { return slices.Contains(k.algorithms, alg) }

// equal reports whether both entries say the same about the same key.
func (k *publicKey) equal(other *publicKey) bool {
	public, ok := k.public.(interface{ Equal(crypto.PublicKey) bool }) // every key of the standard library is one
	return ok && k.kid == other.kid && slices.Equal(k.algorithms, other.algorithms) && public.Equal(other.public)
}

// keyCounts says what became of the entries of a key set.
type keyCounts struct {
	skipped int // of no use to us: another purpose, type, curve or strength
	secret  int // held a private or symmetric key, which nobody may publish
	twice   int // shared kid and type with another
}

var (
	errSkip   = errors.New("entry of no use")
	errSecret = errors.New("entry holds a secret")
)

// admitKeys reads a key set (RFC 7517 section 5). A document that is no key
// set, or has no key we can use, is an error, so that an error page or an
// empty set never replaces good keys.
func admitKeys(doc []byte) ([]*publicKey, keyCounts, error) {
	var counts keyCounts
	var set struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(doc, &set); err != nil {
		return nil, counts, errors.New("not a key set in JSON")
	}
	if set.Keys == nil {
		return nil, counts, errors.New("no key set: it has no keys member")
	}

	type name struct{ kid, kty string }
	seen := map[name]int{}
	var keys []*publicKey
	for _, entry := range *set.Keys {
		key, err := admit(entry)
		switch {
		case errors.Is(err, errSecret):
			counts.secret++
		case err != nil:
			counts.skipped++
		default:
			keys = append(keys, key)
			seen[name{key.kid, key.kty}]++
		}
	}
	// Of two keys with one name either could be meant, so neither is.
	before := len(keys)
	keys = slices.DeleteFunc(keys, func(k *publicKey) bool {
		return k.kid != "" && seen[name{k.kid, k.kty}] > 1
	})
	counts.twice = before - len(keys)
	if len(keys) == 0 {
		return nil, counts, fmt.Errorf("no usable key: %d skipped, %d secret, %d with the same name", counts.skipped, counts.secret, counts.twice)
	}
	return keys, counts, nil
}

// admit decides about one entry, before any token asks for it.
func admit(entry json.RawMessage) (*publicKey, error) {
	m, err := parseMembers(entry)
	if err != nil {
		return nil, errSkip
	}
	kty, _, err := m.text("kty")
	if err != nil {
		return nil, errSkip
	}

	// A published secret is known to everybody (RFC 7517 section 9.3).
	if kty == "oct" {
		return nil, errSecret
	}
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"} {
		if _, there := m[private]; there {
			return nil, errSecret
		}
	}

	// What it is for: RFC 7517 sections 4.2 and 4.3.
	if use, there, err := m.text("use"); err != nil || there && use != "sig" {
		return nil, errSkip
	}
	if _, there := m["key_ops"]; there {
		if ops, err := m.texts("key_ops"); err != nil || !slices.Contains(ops, "verify") {
			return nil, errSkip
		}
	}

	// What it can check: its own alg if it has one (RFC 7517 section 4.4), else
	// what fits type and curve (RFC 7518 section 3).
	curve, _, err := m.text("crv")
	if err != nil {
		return nil, errSkip
	}
	if kty == "RSA" {
		curve = ""
	}
	alg, limited, err := m.text("alg")
	if err != nil {
		return nil, errSkip
	}
	key := &publicKey{kty: kty}
	for _, name := range algorithmNames() {
		if a := algorithms[name]; a.kty == kty && a.curve == curve && (!limited || alg == name) {
			key.algorithms = append(key.algorithms, name)
		}
	}
	if len(key.algorithms) == 0 {
		return nil, errSkip
	}
	if key.kid, _, err = m.text("kid"); err != nil || len(key.kid) > maxKeyID {
		return nil, errSkip
	}
	if key.public, key.parameters, err = material(m, kty, curve); err != nil {
		return nil, errSkip
	}
	if key.kid != "" {
		key.parameters["kid"] = key.kid
	}
	if limited {
		key.parameters["alg"] = alg
	}
	return key, nil
}

// material makes the key itself and looks at its strength.
func material(m members, kty, curve string) (public crypto.PublicKey, parameters map[string]string, err error) {
	parameters = map[string]string{"kty": kty}
	if curve != "" {
		parameters["crv"] = curve
	}
	sizes := map[string]int{"P-256": 32, "P-384": 48, "P-521": 66, "Ed25519": 32} // bytes of a coordinate, RFC 7518 section 6.2.1.2
	for _, name := range map[string][]string{"RSA": {"n", "e"}, "EC": {"x", "y"}, "OKP": {"x"}}[kty] {
		value, there, err := m.text(name)
		if err != nil || !there {
			return nil, nil, fmt.Errorf("%s is missing", name)
		}
		octets, err := strictBase64(value)
		switch {
		case err != nil:
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		case curve != "" && len(octets) != sizes[curve]:
			return nil, nil, fmt.Errorf("%s has %d bytes", name, len(octets))
		case curve == "" && len(octets) == 0:
			return nil, nil, fmt.Errorf("%s is empty", name)
		case name == "e" && len(octets) > 4: // the library would cut it silently
			return nil, nil, errors.New("e is too large")
		}
		parameters[name] = value
	}
	if public, err = makeKey(parameters); err != nil {
		return nil, nil, err
	}
	switch public := public.(type) {
	case *rsa.PublicKey:
		// At least 2048 bits: RFC 7518 section 3.3. Above 8192 a check takes so
		// long that tokens become a weapon.
		if bits := public.N.BitLen(); bits < 2048 || bits > 8192 {
			return nil, nil, fmt.Errorf("RSA key of %d bits", bits)
		}
		if public.N.Bit(0) == 0 || public.E < 3 || public.E%2 == 0 || public.E > 1<<31-1 {
			return nil, nil, errors.New("not an RSA key")
		}
	case *ecdsa.PublicKey:
		if _, err := public.ECDH(); err != nil { // is the point on the curve?
			return nil, nil, err
		}
	}
	return public, parameters, nil
}

// signatureValid checks t's signature with this key, and nothing else.
func (k *publicKey) signatureValid(t compact) error {
	return algorithms[t.alg].check(k.public, []byte(t.signed), t.signature)
}
