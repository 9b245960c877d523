package provider

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestACompactTokenHasOneSpellingOnly(t *testing.T) {
	good := func(header string) string {
		return b64([]byte(header)) + "." + b64([]byte(`{}`)) + "." + b64([]byte("sig"))
	}
	plain := good(`{"alg":"RS256"}`)
	for _, test := range []struct {
		name, token string
		want        error // nil means taken
	}{
		{"plain", plain, nil},
		{"empty signature is for the signature check", strings.TrimSuffix(plain, b64([]byte("sig"))), nil},
		{"unknown header members", good(`{"alg":"RS256","jku":"https://evil.example","x":[{"y":1}]}`), nil},
		{"longest", plain + strings.Repeat("A", maxToken-len(plain)), nil},

		{"too long", plain + strings.Repeat("A", maxToken), TooLong},
		{"nothing but dots", strings.Repeat(".", maxToken), Malformed},
		{"empty", "", Opaque},
		{"opaque", "v1local", Opaque},
		{"one dot", "a.b", Malformed},
		{"three dots", "a.b.c.d", Malformed},
		{"JWE", "a.b.c.d.e", Encrypted},
		{"JSON serialization", `{"payload":"a.b.c"}`, Malformed},
		{"padding", good(`{"alg":"RS256"}`) + "=", Malformed},
		{"line break", strings.Replace(plain, ".", ".\n", 1), Malformed},
		{"space", " " + plain, Malformed},
		{"standard alphabet", b64([]byte(`{"alg":"RS256"}`)) + "." + "+/+/" + "." + "AAAA", Malformed},
		{"tail bits", plain[:len(plain)-4] + "AAB", Malformed},
		{"impossible length", plain + "A", Malformed},
		{"empty header", "." + b64([]byte(`{}`)) + ".AAAA", Malformed},
		{"header is an array", good(`["alg"]`), Malformed},
		{"header is null", good(`null`), Malformed},
		{"header not UTF-8", good("{\"alg\":\"RS256\",\"a\":\"\xff\"}"), Malformed},
		{"two headers", good(`{"alg":"RS256"}{"alg":"none"}`), Malformed},
		{"alg twice", good(`{"alg":"RS256","alg":"none"}`), Malformed},
		{"alg twice, once in escapes", good(`{"alg":"RS256","\u0061lg":"none"}`), Malformed},
		{"alg in other case only", good(`{"ALG":"RS256"}`), Malformed},
		{"alg missing", good(`{"typ":"JWT"}`), Malformed},
		{"alg a number", good(`{"alg":256}`), Malformed},
		{"alg null", good(`{"alg":null}`), Malformed},
		{"typ a number", good(`{"alg":"RS256","typ":1}`), Malformed},
		{"kid a number", good(`{"alg":"RS256","kid":1}`), Malformed},
		{"kid too long", good(`{"alg":"RS256","kid":"` + strings.Repeat("k", maxKeyID+1) + `"}`), Malformed},
		{"crit", good(`{"alg":"RS256","crit":["exp"]}`), Critical},
		{"crit empty", good(`{"alg":"RS256","crit":[]}`), Critical},
		{"b64", good(`{"alg":"RS256","b64":true}`), Critical},
		{"deep", good(`{"alg":"RS256","x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`), Malformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := parseCompact(test.token)
			if !errors.Is(err, test.want) {
				t.Errorf("parseCompact(%.60q) = %v, want %v", test.token, err, test.want)
			}
		})
	}
}

func TestTheTypeIsReadWithoutCaseAndPrefix(t *testing.T) {
	for given, want := range map[string]string{
		`"at+jwt"`: "at+jwt", `"AT+JWT"`: "at+jwt", `"application/at+jwt"`: "at+jwt", `"Application/AT+jwt"`: "at+jwt", `"JWT"`: "jwt", `""`: "",
	} {
		got, err := parseCompact(b64([]byte(`{"alg":"RS256","typ":`+given+`}`)) + ".e30.AAAA")
		if err != nil || got.typ != want {
			t.Errorf("typ %s is read as %q, %v; want %q", given, got.typ, err, want)
		}
	}
}

func TestAnObjectIsReadByExactNames(t *testing.T) {
	for _, test := range []struct {
		doc  string
		want string // an error's text; empty means taken
	}{
		{`{}`, ""},
		{` { "a" : [ 1 , {"b":"]}"} , "\"" ] , "c" : { } , "d":-1.5e3 } `, ""},
		{`{"a":{"b":1},"b":{"b":2},"A":0}`, ""},
		{`{"a":"😀","b":"\ud83d\ude00"}`, ""},
		{`{"a":1,"a":2}`, "twice"},
		{`{"x":{"a":1,"a":2}}`, "twice"},
		{`{"x":[[{"a":1,"\u0061":2}]]}`, "twice"},
		{`{"😀":1,"\ud83d\ude00":2}`, "twice"},
		{`{"a":"\ud800"}`, "surrogate"},
		{`{"a":"\ud800\ud800"}`, "surrogate"},
		{`{"a":"\ud800\n"}`, "surrogate"},
		{`{"a":"\udc00"}`, "surrogate"},
		{`{"\ud800":1}`, "surrogate"},
		{`{"x":["\uDC00"]}`, "surrogate"},
		{"{\"a\":\"\x80\"}", "UTF-8"},
		{`{"a":1}x`, "JSON"},
		{`{"a":01}`, "JSON"},
		{``, "JSON"},
		{`[]`, "object"},
		{`"a"`, "object"},
		{`{"a":` + strings.Repeat(`[`, maxDepth) + strings.Repeat(`]`, maxDepth) + `}`, "deep"},
		{`{"a":` + strings.Repeat(`{"a":`, maxDepth) + `1` + strings.Repeat(`}`, maxDepth) + `}`, "deep"},
	} {
		_, err := parseMembers([]byte(test.doc))
		if got := textOf(err); (test.want == "") != (err == nil) || !strings.Contains(got, test.want) {
			t.Errorf("parseMembers(%.60s) says %q, want %q", test.doc, got, test.want)
		}
	}
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func FuzzCompact(f *testing.F) {
	f.Add("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("a.b.c.d.e")
	f.Add("..")
	f.Add("{")
	f.Add("eyJhbGciOiJSUzI1NiJ9.e30\n.AAAA")
	f.Fuzz(func(t *testing.T, token string) {
		got, err := parseCompact(token)
		if err != nil {
			if refusal := (*Refusal)(nil); !errors.As(err, &refusal) || refusal.Reason == "" {
				t.Fatalf("%q: %v is no Refusal", token, err)
			}
			return
		}
		if again := got.signed + "." + b64(got.signature); again != token {
			t.Errorf("%q has a second spelling, %q", token, again)
		}
		if !strings.HasSuffix(got.signed, "."+b64(got.payload)) {
			t.Errorf("%q has a second spelling of its payload", token)
		}
	})
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte(`{"alg":"RS256","typ":"at+jwt","kid":"1"}`))
	f.Add([]byte(`{"alg":"RS256","alg":"none"}`))
	f.Add([]byte(`{"alg":"\ud83d\ude00","crit":[]}`))
	f.Add([]byte(`{"a":{"b":[{"c":"\\\""}]},"alg":""}`))
	f.Fuzz(func(t *testing.T, header []byte) {
		var c compact
		if c.readHeader(header) == nil && c.alg != "" && !json.Valid(header) {
			t.Errorf("%q is no JSON and was read", header)
		}
		m, err := parseMembers(header)
		if err != nil {
			return
		}
		// Where we take a document, the standard library sees the same members.
		var std map[string]json.RawMessage
		if err := json.Unmarshal(header, &std); err != nil {
			t.Fatalf("%q: taken by us, refused by encoding/json: %v", header, err)
		}
		if len(std) != len(m) {
			t.Fatalf("%q: %d members, encoding/json has %d", header, len(m), len(std))
		}
		for name, raw := range std {
			if string(m[name]) != string(raw) {
				t.Errorf("%q: %q is %q, encoding/json has %q", header, name, m[name], raw)
			}
		}
	})
}
