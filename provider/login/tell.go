package login

import (
	"context"
	"time"

	"bursar/provider"
)

// tellLimit bounds OnLogin.
const tellLimit = 10 * time.Second

// tell lets OnLogin know of a login. Whatever it does or meets, the learner is in.
func (m *Manager) tell(ctx context.Context, id *provider.Identity) {
	if m.cfg.OnLogin == nil {
		return
	}
	issuer, subject := id.Issuer, id.Subject
	ctx = context.WithoutCancel(ctx) // the answer is on its way, and ends the request's
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, tellLimit)
		defer cancel()
		defer func() {
			if p := recover(); p != nil {
				m.log.Error("OnLogin panicked", "principal", subject, "reason", p)
			}
		}()
		m.cfg.OnLogin(ctx, issuer, subject)
	})
}
