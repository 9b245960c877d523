package roles

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bursar/provider"
)

// findAccounts brings l.view.Accounts up to date. A person whose account we
// know costs no call.
func (l *look) findAccounts(ctx context.Context) error {
	held := slices.ContainsFunc(l.view.Accounts, func(k Known) bool { return k.Held })
	if len(l.view.Accounts) > 0 && !held && !l.claim.Recheck {
		return nil
	}
	if len(l.view.Accounts) == 0 && len(l.d.Want) == 0 {
		return nil
	}
	if held && len(l.d.Want) == 0 && !l.claim.Recheck {
		return nil // nothing waits for the release
	}
	found, err := l.lookup(ctx)
	if err != nil {
		return err
	}
	if err := l.recall(ctx, found); err != nil {
		return err
	}
	s := l.cfg.Accounts.Sort(found)
	switch {
	case len(s.Open) > 0:
		return l.take(ctx, s.Open)
	case s.Suspect != nil:
		return l.hold(ctx, *s.Suspect)
	case len(l.d.Want) == 0, len(l.view.Accounts) > 0:
		return nil
	case l.cfg.Observe:
		l.step(Planned, "create an account", 0)
		return nil
	}
	return l.create(ctx)
}

func (l *look) lookup(ctx context.Context) ([]provider.Account, error) {
	began := l.now()
	var found []provider.Account
	err := l.call(ctx, func(ctx context.Context) (err error) {
		found, err = l.cfg.Directory.Accounts(ctx, l.address())
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(found) > 0 && len(l.view.Accounts) == 0 {
		l.step(AccountFound, fmt.Sprintf("%d with that e-mail", len(found)), l.now().Sub(began))
	}
	return found, nil
}

// recall looks after accounts that we know but that the look-up by e-mail did
// not find: the learner may have changed the address at the provider, or the
// account is gone.
func (l *look) recall(ctx context.Context, found []provider.Account) error {
	for _, k := range slices.Clone(l.view.Accounts) {
		if slices.ContainsFunc(found, func(a provider.Account) bool { return a.ID == k.ID }) {
			continue
		}
		if _, err := l.reread(ctx, k.ID); err != nil {
			return err
		}
	}
	return nil
}

// reread takes over what the provider says an account holds, and forgets an
// account that is gone, which is no error.
func (l *look) reread(ctx context.Context, account string) (there bool, err error) {
	var have []string
	err = l.call(ctx, func(ctx context.Context) (err error) {
		have, err = l.cfg.Directory.RolesOf(ctx, account)
		return err
	})
	switch {
	case errors.Is(err, provider.NotFound):
		l.forget(account)
		return false, nil
	case err != nil:
		return false, err
	}
	l.believe(account, have)
	return true, nil
}

// take makes accounts ours to act on; on first sight it reads what they hold
// already, for that stays when everything of ours is gone. None is known before
// all are read: of one that is, nobody would ask again.
func (l *look) take(ctx context.Context, open []provider.Account) error {
	var read []Known
	for _, a := range open {
		i := slices.IndexFunc(l.view.Accounts, func(k Known) bool { return k.ID == a.ID })
		if i >= 0 && l.view.Accounts[i].Held {
			// Held once, held until the password was reset: that it is verified
			// by now is not enough.
			if !released(a, l.view.Accounts[i].HeldSince) {
				if err := l.hold(ctx, a); err != nil && len(open) == 1 {
					return err
				}
				continue
			}
		}
		if i >= 0 && !l.view.Accounts[i].Held && !l.claim.Recheck {
			continue
		}
		k := Known{ID: a.ID, Created: a.CreatedByUs}
		if i >= 0 {
			k.InviteDue = l.view.Accounts[i].InviteDue && !l.view.Accounts[i].Held
		} else if a.CreatedByUs && a.LastPasswordReset.IsZero() {
			// Ours, but we do not remember it: the answer to our create was lost,
			// and so perhaps the mail.
			k.InviteDue = l.cfg.Invite
		}
		there, err := l.reread(ctx, a.ID)
		if err != nil {
			return err
		}
		if there {
			read = append(read, k)
		}
	}
	for _, k := range read {
		if slices.ContainsFunc(l.view.Accounts, func(was Known) bool { return was.ID == k.ID && was.Held }) {
			l.step(AccountFreed, "password reset through the mailbox", 0)
		}
		l.know(k)
	}
	return nil
}

// hold keeps the roles back from an account whose password a stranger may
// know, and has the provider mail whoever owns the mailbox.
func (l *look) hold(ctx context.Context, a provider.Account) error {
	k := Known{ID: a.ID, Held: true, HeldSince: l.began, InviteDue: true}
	if i := slices.IndexFunc(l.view.Accounts, func(k Known) bool { return k.ID == a.ID }); i >= 0 && l.view.Accounts[i].Held {
		k = l.view.Accounts[i]
		if released(a, k.HeldSince) {
			return l.take(ctx, []provider.Account{a})
		}
	} else {
		if l.cfg.Observe {
			l.step(Planned, "hold: an unverified account has that e-mail", 0)
			return l.later(Observing, heldNote, time.Time{})
		}
		if a.LastPasswordReset.After(k.HeldSince) {
			k.HeldSince = a.LastPasswordReset // the provider's clock is ahead of ours
		}
		l.know(k)
		// Written down before the mail goes out: what is reset after it counts.
		if err := l.remember(ctx); err != nil {
			return err
		}
		l.step(AccountHeld, "unverified account of unknown origin", 0)
	}
	if k.InviteDue && !l.cfg.Observe {
		if err := l.mail(ctx, k, "password-change mail, to release the held account"); err != nil {
			return l.mailLater(OnHold, err)
		}
	}
	// Look again at growing intervals: often while the mail is fresh.
	wait := min(max(l.began.Sub(k.HeldSince)/4, 15*time.Second), 6*time.Hour)
	return l.later(OnHold, heldNote, l.began.Add(wait))
}

const heldNote = "an unverified account has that e-mail: the roles wait until the mailbox's owner has set a new password"

// create makes the account, and writes it down at once.
func (l *look) create(ctx context.Context) error {
	began := l.now()
	var a provider.Account
	err := l.call(ctx, func(ctx context.Context) (err error) {
		a, err = l.cfg.Directory.Create(ctx, l.address())
		return err
	})
	if errors.Is(err, provider.Exists) {
		// Somebody was faster: another delivery of ours, or the answer to our
		// own create was lost. A second look tells; only one.
		found, err := l.lookup(ctx)
		if err != nil {
			return err
		}
		if s := l.cfg.Accounts.Sort(found); len(s.Open) > 0 {
			return l.take(ctx, s.Open)
		} else if s.Suspect != nil {
			return l.hold(ctx, *s.Suspect)
		}
		return &provider.Trouble{Kind: provider.Rejected, Doing: "create account", Err: errors.New("the address is taken, but no account with it can be seen")}
	}
	if err != nil {
		return err
	}
	l.know(Known{ID: a.ID, Created: true, InviteDue: l.cfg.Invite})
	l.step(AccountCreated, "on "+l.cfg.Accounts.Connection, l.now().Sub(began))
	return nil
}
