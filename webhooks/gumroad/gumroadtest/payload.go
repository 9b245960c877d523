package gumroadtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// A Payload is the content of a ping (or of a part of it): fields in the order
// in which Gumroad writes them. A value is nil, a string, a bool, an int, a
// []string, a Payload or a []Payload.
//
// The methods that change something return a new Payload, so that one ping can
// be bent into many.
type Payload []Field

// A Field is one entry of a Payload.
type Field struct {
	Key   string
	Value any
}

// Fields makes a Payload of keys and values in turn. It panics if a value is
// missing or a key is no string: that is a bug of the test which wrote it.
func Fields(pairs ...any) Payload {
	if len(pairs)%2 != 0 {
		panic("gumroadtest: Fields: a key without a value")
	}
	var p Payload
	for i := 0; i < len(pairs); i += 2 {
		p.put(pairs[i].(string), pairs[i+1])
	}
	return p
}

// Get returns the value of a top-level field, nil if there is none.
func (p Payload) Get(key string) any {
	v, _ := p.Lookup(key)
	return v
}

// Lookup returns the value of a top-level field and whether it is there:
// absent and null are two things on this wire.
func (p Payload) Lookup(key string) (value any, present bool) {
	if i := p.index(key); i >= 0 {
		return p[i].Value, true
	}
	return nil, false
}

// With returns a copy in which the field has that value: in its old place if it
// was there, else at the end.
func (p Payload) With(key string, value any) Payload {
	q := slices.Clone(p)
	q.put(key, value)
	return q
}

// Without returns a copy without those fields.
func (p Payload) Without(keys ...string) Payload {
	return slices.DeleteFunc(slices.Clone(p), func(f Field) bool { return slices.Contains(keys, f.Key) })
}

func (p Payload) index(key string) int {
	return slices.IndexFunc(p, func(f Field) bool { return f.Key == key })
}

// put replaces a field in its place or appends it, as a Ruby hash does. This is
// also how a checkout question comes to shadow a field (facts/gumroad.md 8.1).
func (p *Payload) put(key string, value any) {
	if i := p.index(key); i >= 0 {
		(*p)[i].Value = value
		return
	}
	*p = append(*p, Field{key, value})
}

// putIf puts the field only if the value is not its type's zero.
func putIf[T comparable](p *Payload, key string, value T) {
	var zero T
	if value != zero {
		p.put(key, value)
	}
}

// Form encodes the payload as Gumroad's HTTP client does: percent-encoding with
// upper-case digits and %20 for a space, null as "key=", an array as "key[]",
// and nested objects after their shallower neighbours. Brackets inside a name
// are encoded before, and so end up twice: %255B.
func (p Payload) Form() []byte {
	var b bytes.Buffer
	for _, f := range p {
		formField(&b, preEncode(f.Key), f.Value)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("&"))
}

// formField writes one top-level field. Objects are walked level by level, as
// httparty does with its stack: what is deep comes after what is shallow.
func formField(b *bytes.Buffer, key string, value any) {
	type level struct {
		name   string
		fields Payload
	}
	var stack []level
	switch v := value.(type) {
	case []string:
		if len(v) == 0 {
			formPair(b, key+"[]", "")
		}
		for _, item := range v {
			formPair(b, key+"[]", item)
		}
	case []Payload:
		if len(v) == 0 {
			formPair(b, key+"[]", "")
		}
		for _, item := range v {
			formField(b, key+"[]", item)
		}
	case Payload:
		stack = append(stack, level{key, v})
	default:
		formPair(b, key, scalar(v))
	}
	for i := 0; i < len(stack); i++ {
		for _, f := range stack[i].fields {
			name := stack[i].name + "[" + preEncode(f.Key) + "]"
			switch v := f.Value.(type) {
			case Payload:
				stack = append(stack, level{name, v})
			case []string:
				for _, item := range v {
					formPair(b, name+"[]", item)
				}
			case []Payload:
				for _, item := range v {
					formField(b, name+"[]", item)
				}
			default:
				formPair(b, name, scalar(v))
			}
		}
	}
}

func formPair(b *bytes.Buffer, key, value string) {
	escape(b, key)
	b.WriteByte('=')
	escape(b, value)
	b.WriteByte('&')
}

// preEncode is what Gumroad does to brackets in a name before it encodes.
var preEncode = strings.NewReplacer("[", "%5B", "]", "%5D").Replace

// escape percent-encodes all but the unreserved characters of RFC 3986.
func escape(b *bytes.Buffer, s string) {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == '~':
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
}

// scalar is a value's text on the form wire.
func scalar(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool, int:
		return fmt.Sprint(v)
	}
	panic(fmt.Sprintf("gumroadtest: a payload cannot hold a %T", v))
}

// JSON encodes the payload as Gumroad does for JSON receivers: nested objects,
// true numbers and booleans, brackets in names untouched.
func (p Payload) JSON() []byte {
	b, err := p.MarshalJSON()
	if err != nil {
		panic(err) // scalar, strings and Payloads can always be encoded
	}
	return b
}

// MarshalJSON writes an object whose members keep their order.
func (p Payload) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range p {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(f.Key)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(f.Value)
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
