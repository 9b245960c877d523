package store

import (
	"bytes"
	"context"
	"database/sql"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"bursar/roles"
)

// deliveriesAbout finds the deliveries of the orders, and those whose body names
// the person in any role: as the giver of a gift, in an answer to a question, or
// in a delivery that came to nothing. No index knows them, so all bodies are
// read, a few hundred at a time and each batch by itself: nobody waits for it.
func (s *Store) deliveriesAbout(ctx context.Context, p roles.Email, orders []roles.FactKey) ([]int64, error) {
	type shopRef struct{ shop, ref string }
	about := map[shopRef]bool{}
	for _, k := range orders {
		about[shopRef{k.Shop, k.Ref}] = k.Ref != ""
	}
	var found []int64
	for after, more := int64(0), true; more; {
		n := 0
		err := s.read(ctx, "look for a person's deliveries", func(ctx context.Context, r run) error {
			return r.each(ctx, func(rows *sql.Rows) error {
				var (
					at   shopRef
					body sql.RawBytes
				)
				if err := rows.Scan(&after, &at.shop, &at.ref, &body); err != nil {
					return err
				}
				n++
				if about[at] || mentions(body, p) {
					found = append(found, after)
				}
				return nil
			}, deliveriesAfter, after, batchOfBodies)
		})
		if err != nil {
			return nil, err
		}
		more = n == batchOfBodies
	}
	return found, nil
}

const (
	deliveriesAfter = `SELECT id, shop, ref, body FROM inbox WHERE id > $1 ORDER BY id LIMIT $2`
	batchOfBodies   = 500
)

// mentions reports whether form pairs hold the address, in any spelling that is
// the same person's.
func mentions(body []byte, p roles.Email) bool {
	if p == "" || !bytes.Contains(body, []byte("%40")) && !bytes.Contains(body, []byte("@")) {
		return false
	}
	text := string(body)
	if plain, err := url.QueryUnescape(text); err == nil {
		text = plain
	}
	text = strings.ToLower(norm.NFC.String(text))
	for rest := text; ; {
		before, after, found := strings.Cut(rest, string(p))
		if !found {
			return false
		}
		last, _ := utf8.DecodeLastRuneInString(before)
		next, size := utf8.DecodeRuneInString(after)
		if next == '.' || next == '-' { // the end of a sentence, or more of a domain
			next, _ = utf8.DecodeRuneInString(after[size:])
		}
		if !partOfAddress(last) && !unicode.IsLetter(next) && !unicode.IsDigit(next) {
			return true
		}
		rest = after
	}
}

// partOfAddress reports whether a longer address could have it before ours: then
// it is somebody else's.
func partOfAddress(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || r != 0 && r != utf8.RuneError && strings.ContainsRune("._%+-'", r)
}
