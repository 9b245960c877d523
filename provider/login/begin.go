package login

import (
	"fmt"
	"net/http"
	"time"

	"bursar/provider"
)

// begin makes a session under a new id, so that nobody can have planted it, and
// ends the one that the browser had: by its cookies, or by was, if not empty.
func (m *Manager) begin(r *http.Request, c *client, was []byte, id *provider.Identity, got tokens) (value string, ends time.Time, err error) {
	now := m.now()
	value = newSecret()
	key, _ := idOf(value)
	row := Row{
		ID: key, Login: c.Name, Issuer: id.Issuer, Subject: id.Subject, SID: id.Session,
		Created: now, Seen: now, IdleUntil: now.Add(m.cfg.Idle), Ends: m.ends(id, now.Add(m.cfg.Absolute)),
	}
	if !row.Ends.After(now) {
		return "", row.Ends, fmt.Errorf("login: the provider says that its session ended at %v", row.Ends.UTC())
	}
	if row.Sealed, err = m.seal(key, read(id, got)); err != nil {
		return "", row.Ends, err
	}
	var before []ID
	if len(was) == len(ID{}) {
		before = append(before, ID(was))
	}
	for _, c := range r.CookiesNamed(m.cookies.session) {
		if old, ok := idOf(c.Value); ok {
			before = append(before, old)
		}
	}
	for _, old := range before {
		ended, there, err := m.cfg.Sessions.End(r.Context(), old)
		if err != nil {
			return "", row.Ends, untold(err)
		}
		// A provider may take all grants of a person back with one refresh
		// token, and so the one that was just got.
		if there && (ended.Issuer != row.Issuer || ended.Subject != row.Subject) {
			m.revoke(r.Context(), ended)
		}
	}
	if err := m.cfg.Sessions.Create(r.Context(), row); err != nil {
		return "", row.Ends, untold(err)
	}
	return value, row.Ends, nil
}
