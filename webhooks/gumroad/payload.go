package gumroad

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"bursar/webhooks"
)

// A payload is a ping's content as flat pairs, sorted by key and value: the form
// and the JSON wire format of one ping are the same payload, whatever the order
// on the wire.
type payload []pair

type pair struct{ key, value string }

const (
	maxPairs = 2000
	maxDepth = 8
	// maxKept bounds what we make of a delivery. Escaping alone makes at most
	// three bytes of one, so a form of 256 KiB always fits; in JSON a name is
	// written once and counts for each item below it.
	maxKept = 1 << 20
)

// parsePayload reads a body by its Content-Type; form where none is given, for
// that is Gumroad's default.
func parsePayload(h http.Header, body []byte) (payload, error) {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil && h.Get("Content-Type") != "" {
		return nil, &webhooks.Malformed{Why: "the Content-Type cannot be read"}
	}
	var p payload
	switch kind {
	case "", "application/x-www-form-urlencoded":
		p, err = parseForm(body)
	case "application/json":
		p, err = parseJSON(body)
	default:
		return nil, &webhooks.Malformed{Why: "the Content-Type is neither a form nor JSON"}
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(p, func(a, b pair) int {
		return cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.value, b.value))
	})
	return p, nil
}

func parseForm(body []byte) (payload, error) {
	var p payload
	for part := range strings.SplitSeq(string(body), "&") {
		if part == "" {
			continue
		}
		if len(p) == maxPairs {
			return nil, &webhooks.Malformed{Why: "more than 2000 fields"}
		}
		rawKey, rawValue, _ := strings.Cut(part, "=")
		key, err1 := url.QueryUnescape(rawKey)
		value, err2 := url.QueryUnescape(rawValue)
		if err1 != nil || err2 != nil {
			return nil, &webhooks.Malformed{Why: "a percent-encoding is broken"}
		}
		p = append(p, pair{key, value})
	}
	return p, nil
}

func parseJSON(body []byte) (payload, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, &webhooks.Malformed{Why: "the JSON is broken"}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, &webhooks.Malformed{Why: "something follows the JSON"}
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, &webhooks.Malformed{Why: "the JSON is not an object"}
	}
	var p payload
	left := maxKept
	for key, v := range object {
		if err := p.flatten(rebracket(key), v, 0, &left); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// flatten writes nested JSON the way the form does: card[visual], purchase_ids[].
// left is how many bytes may still be made; a key costs also where nothing
// comes of it, for it was put together all the same.
func (p *payload) flatten(key string, v any, depth int, left *int) error {
	*left -= len(key)
	if s, ok := v.(string); ok {
		*left -= len(s)
	}
	if len(*p) >= maxPairs || depth > maxDepth || *left < 0 {
		return &webhooks.Malformed{Why: "the JSON is too large or too deep"}
	}
	switch v := v.(type) {
	case nil:
		*p = append(*p, pair{key, ""})
	case string:
		*p = append(*p, pair{key, v})
	case json.Number:
		*p = append(*p, pair{key, v.String()})
	case bool:
		word := "false"
		if v {
			word = "true"
		}
		*p = append(*p, pair{key, word})
	case []any:
		if len(v) == 0 && depth == 0 {
			*p = append(*p, pair{key + "[]", ""}) // so does Gumroad's form encoder
		}
		for _, item := range v {
			if err := p.flatten(key+"[]", item, depth+1, left); err != nil {
				return err
			}
		}
	case map[string]any:
		for name, item := range v {
			if err := p.flatten(key+"["+rebracket(name)+"]", item, depth+1, left); err != nil {
				return err
			}
		}
	}
	return nil
}

// get returns a field's value; "" if it is absent or empty.
func (p payload) get(key string) string {
	v, _ := p.lookup(key)
	return v
}

// lookup tells an absent field from an empty one.
func (p payload) lookup(key string) (value string, present bool) {
	for _, f := range p {
		if f.key == key {
			return f.value, true
		}
	}
	return "", false
}

// nested returns the pairs below a key: nested("variants") holds Tier=Pro. A
// category without a title comes as variants[] and has the name "".
func (p payload) nested(key string) []pair {
	var out []pair
	for _, f := range p {
		name, ok := strings.CutPrefix(f.key, key+"[")
		if !ok || !strings.HasSuffix(name, "]") {
			continue
		}
		out = append(out, pair{unbracket(strings.TrimSuffix(name, "]")), f.value})
	}
	return out
}

// unbracket undoes what Gumroad does to brackets inside a name before it
// encodes: they arrive as the text %5B and %5D. For comparing and showing only.
var unbracket = strings.NewReplacer("%5B", "[", "%5D", "]", "%5b", "[", "%5d", "]").Replace

// rebracket does to a name in JSON what Gumroad does to it before the form
// encoding, so that both formats of one ping are the same payload.
var rebracket = strings.NewReplacer("[", "%5B", "]", "%5D").Replace

// shadowed reports whether a checkout question of that very name exists: then
// the top-level field holds what the buyer typed (facts/gumroad.md section 8.1).
func (p payload) shadowed(key string) bool {
	for _, f := range p.nested("custom_fields") {
		if f.key == key {
			return true
		}
	}
	return false
}

// dropped are the names that are never written down, wherever they stand: card
// details (for PayPal that is the payer's address) and postal addresses.
var dropped = []string{
	"card", "shipping_information",
	"address", "street", "street_address", "city", "state", "zip", "zip_code", "postcode", "postal_code", "country",
}

// clean removes them, also where a checkout question carries such a name in
// its own spelling ("Zip code"), and however deep they are nested.
func (p payload) clean() payload {
	return slices.DeleteFunc(p, func(f pair) bool {
		if plain(f.key) {
			return slices.Contains(dropped, f.key)
		}
		names := segments(f.key)
		if len(names) == 2 && names[0] == "variants" {
			return false // a version called "City" is what was bought, not where somebody lives
		}
		return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(dropped, name) })
	})
}

// plain reports whether a key is one name in our spelling already, as nearly all
// of Gumroad's own are: segments would only give it back, at a cost that shows
// in how many deliveries a second can be taken.
func plain(key string) bool {
	before := byte('_') // not at the beginning, at the end, or twice
	for i := range len(key) {
		c := key[i]
		if (c < 'a' || c > 'z') && (c != '_' || before == '_') {
			return false
		}
		before = c
	}
	return before != '_'
}

// segments takes a key apart, in one spelling: custom_fields[Zip code] is
// custom_fields and zip_code.
func segments(key string) []string {
	names := strings.FieldsFunc(strings.ToLower(unbracket(key)), func(r rune) bool { return r == '[' || r == ']' })
	for i, name := range names {
		words := strings.FieldsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("_-:?.*", r) })
		names[i] = strings.Join(words, "_")
	}
	return names
}

// encode writes the payload as form pairs in key order.
func (p payload) encode() []byte {
	var b bytes.Buffer
	for i, f := range p {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(f.key))
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(f.value))
	}
	return b.Bytes()
}

// key identifies equal deliveries: everything but what changes with an attempt.
// encoded is the whole payload.
func (p payload) key(encoded []byte) []byte {
	if _, again := p.lookup("retry_count"); again {
		encoded = slices.DeleteFunc(slices.Clone(p), func(f pair) bool { return f.key == "retry_count" }).encode()
	}
	sum := sha256.Sum256(encoded)
	return sum[:]
}
