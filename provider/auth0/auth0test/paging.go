package auth0test

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxOffset is how far offset paging reaches among a role's users. A sync must
// use cursors.
const maxOffset = 1000

// paging is what a list call asks for.
type paging struct {
	page, perPage int
	totals        bool
	cursor        bool // from or take was given: they win over the others
	from          string
	take          int
	known         int // of a longer list, whose beginning alone is at hand; 0: all is
}

// paging reads and checks the parameters.
func (r *request) paging(w http.ResponseWriter) (paging, bool) {
	q := r.URL.Query()
	p := paging{perPage: 50, take: 50, from: q.Get("from"), cursor: q.Has("from") || q.Has("take")}
	for _, par := range []struct {
		name     string
		into     *int
		min, max int
	}{
		{"page", &p.page, 0, 1 << 30}, {"per_page", &p.perPage, 1, 100}, {"take", &p.take, 1, 100},
	} {
		if !q.Has(par.name) {
			continue
		}
		n, err := strconv.Atoi(q.Get(par.name))
		switch {
		case err != nil:
			invalidQuery(w, "'Expected type integer but found type string' on property "+par.name+".")
			return p, false
		case n < par.min:
			invalidQuery(w, "'Value "+q.Get(par.name)+" is less than minimum "+strconv.Itoa(par.min)+"' on property "+par.name+".")
			return p, false
		case n > par.max:
			invalidQuery(w, "'Value "+q.Get(par.name)+" is greater than maximum "+strconv.Itoa(par.max)+"' on property "+par.name+".")
			return p, false
		}
		*par.into = n
	}
	p.totals = q.Get("include_totals") == "true"
	return p, true
}

// list answers one page of items: an array, or with include_totals an object
// that holds it under name.
func list[T any](w http.ResponseWriter, p paging, name string, items []T) {
	start := min(p.page*p.perPage, len(items))
	end := min(start+p.perPage, len(items))
	page := append([]T{}, items[start:end]...)
	if !p.totals {
		answer(w, http.StatusOK, page)
		return
	}
	answer(w, http.StatusOK, map[string]any{name: page, "start": p.page * p.perPage, "limit": p.perPage, "total": max(len(items), p.known)})
}

// cursorLayout is the moment inside a cursor, as decoded from a recorded one.
const cursorLayout = "2006-01-02 15:04:05.000000UTC"

// cursor is the opaque word that says: after this one.
func (g *gain) cursor() string {
	return base64.StdEncoding.EncodeToString([]byte(g.moment().Format(cursorLayout) + "," + g.user.ID))
}

// readCursor is the moment in a cursor, and the user, who would decide between
// two of one moment; this tenant has no such two.
func readCursor(s string) (at int64, id string, ok bool) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return 0, "", false
	}
	moment, id, ok := strings.Cut(string(b), ",")
	if !ok {
		return 0, "", false
	}
	parsed, err := time.Parse(cursorLayout, moment)
	return parsed.UnixMicro(), id, err == nil
}
