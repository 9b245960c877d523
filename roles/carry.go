package roles

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"bursar/internal/due"
	"bursar/provider"
)

// intend believes the plan to be under way and returns the holdings that it
// begins with: those that were not there before.
func (l *look) intend(plan []Change) (added []Holding) {
	for _, c := range plan {
		if c.Op == Leave {
			continue
		}
		h := Holding{c.Account, c.Role, true, Leaving}
		if c.Op == Assign {
			h.State = Intended
		}
		if !slices.ContainsFunc(l.view.Holdings, h.same) {
			added = append(added, h)
		}
		l.set(h)
	}
	return added
}

// carryOut does what the plan says, account by account: the intent is written
// down first, then the provider is asked, then Finish writes what became of it.
func (l *look) carryOut(ctx context.Context, plan []Change) error {
	type work struct{ assign, remove []string }
	byAccount := map[string]*work{}
	var accounts []string
	for _, c := range plan {
		if c.Op == Leave {
			continue
		}
		w := byAccount[c.Account]
		if w == nil {
			w = &work{}
			byAccount[c.Account] = w
			accounts = append(accounts, c.Account)
		}
		if c.Op == Assign {
			w.assign = append(w.assign, c.Role)
		} else {
			w.remove = append(w.remove, c.Role)
		}
	}
	if len(accounts) == 0 {
		return nil
	}
	l.intend(plan)
	if err := l.remember(ctx); err != nil {
		return err
	}
	for _, account := range accounts {
		w := byAccount[account]
		if err := l.change(ctx, Remove, account, w.remove); err != nil {
			return err
		}
		if err := l.change(ctx, Assign, account, w.assign); err != nil {
			return err
		}
	}
	return nil
}

// change asks for some roles of one account and notes what is true after it.
func (l *look) change(ctx context.Context, op Op, account string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	err := l.ask(ctx, op, account, ids)
	if !errors.Is(err, provider.NotFound) {
		return err
	}
	// Is it the account that is gone, or one of the roles? A provider that does
	// not know one role of a list changes nothing at all.
	if _, err := l.reread(ctx, account); err != nil {
		return err
	}
	if !slices.ContainsFunc(l.view.Accounts, func(k Known) bool { return k.ID == account }) {
		if op == Remove {
			return nil // so is what we wanted gone
		}
		return err // forgotten: the next look finds another account, or makes one
	}
	var dead []string
	for _, id := range ids {
		switch err := l.ask(ctx, op, account, []string{id}); {
		case errors.Is(err, provider.NotFound):
			l.drop(Holding{Account: account, Role: id, Ours: true})
			dead = append(dead, id)
		case err != nil:
			return err
		}
	}
	if op == Assign && len(dead) > 0 {
		return &provider.Trouble{Kind: provider.NotFound, Doing: "assign roles", Err: errors.New("the provider no longer has the role " + l.names(dead))}
	}
	return nil
}

// ask makes the one call.
func (l *look) ask(ctx context.Context, op Op, account string, ids []string) error {
	do, word := l.cfg.Directory.Assign, RoleAssigned
	if op == Remove {
		do, word = l.cfg.Directory.Remove, RoleRemoved
	}
	began := l.now()
	err := l.call(ctx, func(ctx context.Context) error { return do(ctx, account, ids) })
	if errors.Is(err, errLater) {
		return err // nobody was asked
	}
	// Also a call without an answer may have been carried out.
	for _, role := range ids {
		l.out.Done = append(l.out.Done, Change{Op: op, Account: account, Role: role})
	}
	if err != nil {
		return err
	}
	for _, role := range ids {
		if op == Assign {
			l.set(Holding{account, role, true, Held})
		} else {
			l.drop(Holding{Account: account, Role: role, Ours: true})
		}
	}
	l.step(word, l.names(ids), l.now().Sub(began))
	return nil
}

// invite sends the mail that lets a new learner in, after the roles are there.
func (l *look) invite(ctx context.Context) error {
	for _, k := range l.view.Accounts {
		if !k.InviteDue || k.Held {
			continue
		}
		if err := l.mail(ctx, k, "mail to set the password"); err != nil {
			return l.mailLater(l.out.Status, err)
		}
	}
	return nil
}

func (l *look) mail(ctx context.Context, k Known, what string) error {
	began := l.now()
	if err := l.call(ctx, func(ctx context.Context) error { return l.cfg.Directory.Invite(ctx, l.address()) }); err != nil {
		return err
	}
	k.InviteDue = false
	l.know(k)
	l.step(InviteSent, what, l.now().Sub(began))
	return nil
}

// mailLater ends a look whose mail could not be sent. It undoes nothing, and
// nobody else has to wait: the limit on mails is one of its own.
func (l *look) mailLater(s Status, err error) error {
	if errors.Is(err, errLater) {
		return err
	}
	l.out.Attempts = l.claim.Attempts + 1
	next := l.now().Add(due.Backoff(l.out.Attempts, 2*time.Second, time.Hour))
	if t := (*provider.Trouble)(nil); errors.As(err, &t) && t.RetryAt.After(next) {
		next = t.RetryAt
	}
	return l.later(s, "the mail could not be sent yet: "+note(err), next)
}

// show is what observe mode does with a plan.
func (l *look) show(plan []Change) {
	var lines []string
	for _, c := range plan {
		if c.Op != Leave {
			lines = append(lines, string(c.Op)+" "+l.cat.Name(c.Role))
		}
	}
	if len(lines) == 0 && len(l.view.Accounts) == 0 && len(l.d.Want) > 0 {
		for role := range l.d.Want {
			lines = append(lines, string(Assign)+" "+l.cat.Name(role))
		}
		slices.Sort(lines)
	}
	if len(lines) == 0 {
		return
	}
	l.out.Status, l.out.Note = Observing, "would "+strings.Join(lines, ", ")
	l.step(Planned, strings.Join(lines, ", "), 0)
}

func (l *look) names(ids []string) string {
	var names []string
	for _, id := range ids {
		names = append(names, l.cat.Name(id))
	}
	return strings.Join(names, ", ")
}

// The rest keeps two things in step: what this look goes on to believe, and
// what is written down at its end (or sooner, by remember).

func (l *look) know(k Known) {
	l.dirty = l.dirty || !slices.Contains(l.view.Accounts, k)
	l.view.Accounts = put(l.view.Accounts, k, func(o Known) bool { return o.ID == k.ID })
	l.out.Accounts = put(l.out.Accounts, k, func(o Known) bool { return o.ID == k.ID })
}

func (l *look) set(h Holding) {
	// Also what seems to be written down already is written: see Ledger.Finish
	// for traces that only look like an intent.
	l.dirty = l.dirty || !slices.Contains(l.out.Holdings, h)
	l.view.Holdings = put(l.view.Holdings, h, h.same)
	l.out.Holdings = put(l.out.Holdings, h, h.same)
	l.out.Drop = slices.DeleteFunc(l.out.Drop, h.same)
}

func (l *look) drop(h Holding) {
	l.dirty = true
	l.view.Holdings = slices.DeleteFunc(l.view.Holdings, h.same)
	l.out.Holdings = slices.DeleteFunc(l.out.Holdings, h.same)
	l.out.Drop = append(l.out.Drop, h)
}

func (l *look) forget(account string) {
	l.dirty = true
	l.view.Accounts = slices.DeleteFunc(l.view.Accounts, func(k Known) bool { return k.ID == account })
	l.view.Holdings = slices.DeleteFunc(l.view.Holdings, func(h Holding) bool { return h.Account == account })
	l.out.Accounts = slices.DeleteFunc(l.out.Accounts, func(k Known) bool { return k.ID == account })
	l.out.Holdings = slices.DeleteFunc(l.out.Holdings, func(h Holding) bool { return h.Account == account })
	l.out.Forget = append(l.out.Forget, account)
	l.step(AccountGone, "the provider no longer has it", 0)
}

// believe takes over what the provider says an account holds. What is there
// without our intent was there before us.
func (l *look) believe(account string, have []string) {
	for _, h := range slices.Clone(l.view.Holdings) {
		if h.Account == account && !slices.Contains(have, h.Role) {
			l.drop(h)
		}
	}
	for _, role := range have {
		i := slices.IndexFunc(l.view.Holdings, func(h Holding) bool { return h.Account == account && h.Role == role })
		if i < 0 {
			l.set(Holding{account, role, false, Held})
		} else if h := l.view.Holdings[i]; h.State == Intended {
			h.Ours = !slices.Contains(l.untried, h)
			h.State = Held
			l.set(h)
		}
	}
}

// remember writes down what this look knows and intends, before it acts. A look
// that may not act leaves it to Finish.
func (l *look) remember(ctx context.Context) error {
	if !l.dirty || l.silent {
		return nil
	}
	err := l.cfg.Ledger.Remember(ctx, l.claim, l.out.Memory)
	l.dirty = err != nil
	return err
}

func put[T any](list []T, v T, same func(T) bool) []T {
	if i := slices.IndexFunc(list, same); i >= 0 {
		list = slices.Clone(list)
		list[i] = v
		return list
	}
	return append(list, v)
}
