package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// maxDepth is how deep a header or claim set may nest. Real ones stay below 6.
const maxDepth = 32

// members is one JSON object: each member's exact name and its raw value.
//
// encoding/json alone is too forgiving for a stranger's token: it takes "EXP"
// for exp, the last of two equal names, and mends broken characters, so that
// two different subjects can become the same string.
type members map[string]json.RawMessage

// parseMembers reads one JSON object. Equal names in one object, at any depth,
// are refused (RFC 7515 section 4, RFC 7519 section 4), as are invalid UTF-8,
// half surrogates and deep nesting.
func parseMembers(doc []byte) (members, error) {
	if !utf8.Valid(doc) {
		return nil, errors.New("not UTF-8")
	}
	if !json.Valid(doc) {
		return nil, errors.New("not JSON")
	}
	w := walker{doc: doc}
	w.space()
	if w.doc[w.at] != '{' {
		return nil, errors.New("not a JSON object")
	}
	top := make(members, 16)
	if err := w.object(1, top); err != nil {
		return nil, err
	}
	return top, nil
}

// text returns a member that must be a string if it is there.
func (m members) text(name string) (s string, there bool, err error) {
	raw, there := m[name]
	if !there {
		return "", false, nil
	}
	if raw[0] != '"' {
		return "", true, errors.New(name + " is not a string")
	}
	s, err = unquote(raw)
	return s, true, err
}

// texts returns a member that must be an array of strings if it is there;
// null counts as not there.
func (m members) texts(name string) ([]string, error) {
	raw, there := m[name]
	if !there || string(raw) == "null" {
		return nil, nil
	}
	if raw[0] != '[' {
		return nil, errors.New(name + " is not an array of strings")
	}
	list := []string{}
	w := walker{doc: raw, at: 1}
	for w.space(); w.doc[w.at] != ']'; w.space() {
		if w.doc[w.at] == ',' {
			w.at++
			w.space()
		}
		if w.doc[w.at] != '"' {
			return nil, errors.New(name + " is not an array of strings")
		}
		text, err := w.text()
		if err != nil {
			return nil, err
		}
		s, err := unquote(text)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// A walker goes through a document that is known to be valid JSON; it need
// not look for syntax errors, only for what the syntax lets pass.
type walker struct {
	doc []byte
	at  int
}

func (w *walker) space() {
	for w.at < len(w.doc) && blank(w.doc[w.at]) {
		w.at++
	}
}

// object walks one object and keeps its members in into, if that is not nil.
func (w *walker) object(depth int, into members) error {
	if depth > maxDepth {
		return fmt.Errorf("nested more than %d deep", maxDepth)
	}
	var few [8]string // most nested objects have no more, and need no memory of their own
	names := few[:0]
	w.at++ // {
	for w.space(); w.doc[w.at] != '}'; w.space() {
		if w.doc[w.at] == ',' {
			w.at++
			w.space()
		}
		raw, err := w.text()
		if err != nil {
			return err
		}
		name, err := unquote(raw)
		if err != nil {
			return err
		}
		if into == nil {
			names = append(names, name)
		} else if _, there := into[name]; there {
			return errTwice
		}
		w.space()
		w.at++ // :
		w.space()
		from := w.at
		if err := w.value(depth); err != nil {
			return err
		}
		if into != nil {
			into[name] = json.RawMessage(w.doc[from:w.at])
		}
	}
	w.at++ // }
	return different(names)
}

func (w *walker) array(depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("nested more than %d deep", maxDepth)
	}
	w.at++ // [
	for w.space(); w.doc[w.at] != ']'; w.space() {
		if w.doc[w.at] == ',' {
			w.at++
			w.space()
		}
		if err := w.value(depth); err != nil {
			return err
		}
	}
	w.at++ // ]
	return nil
}

func (w *walker) value(depth int) error {
	switch w.doc[w.at] {
	case '{':
		return w.object(depth+1, nil)
	case '[':
		return w.array(depth + 1)
	case '"':
		_, err := w.text()
		return err
	}
	for w.at < len(w.doc) {
		if c := w.doc[w.at]; blank(c) || c == ',' || c == ']' || c == '}' {
			break
		}
		w.at++
	}
	return nil
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// text walks one string and returns it with its quotes.
func (w *walker) text() ([]byte, error) {
	from := w.at
	for w.at++; w.doc[w.at] != '"'; w.at++ {
		if w.doc[w.at] != '\\' {
			continue
		}
		w.at++
		if w.doc[w.at] != 'u' {
			continue
		}
		switch unit := w.unit(w.at + 1); {
		case unit >= 0xDC00 && unit <= 0xDFFF:
			return nil, errors.New("half a surrogate pair")
		case unit >= 0xD800 && unit <= 0xDBFF:
			if w.doc[w.at+5] != '\\' || w.doc[w.at+6] != 'u' {
				return nil, errors.New("half a surrogate pair")
			}
			if low := w.unit(w.at + 7); low < 0xDC00 || low > 0xDFFF {
				return nil, errors.New("half a surrogate pair")
			}
			w.at += 6
		}
		w.at += 4
	}
	w.at++
	return w.doc[from:w.at], nil
}

// unit is the four hexadecimal digits of a \u escape.
func (w *walker) unit(at int) uint64 {
	n, _ := strconv.ParseUint(string(w.doc[at:at+4]), 16, 16) // valid JSON has four digits here
	return n
}

func unquote(raw []byte) (string, error) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), nil
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err
}

var errTwice = errors.New("a member is there twice")

// different reports a name that is there twice.
func different(names []string) error {
	slices.Sort(names)
	for i := 1; i < len(names); i++ {
		if names[i] == names[i-1] {
			return errTwice
		}
	}
	return nil
}
