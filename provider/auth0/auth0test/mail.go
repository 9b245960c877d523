package auth0test

import (
	"slices"
	"time"
)

// A Mail is one that a real tenant would have sent.
type Mail struct {
	Kind    MailKind
	To      string
	Subject string
	Link    string // with its single-use ticket: treat it like a password
	At      time.Time
}

// A MailKind is what a mail is for.
type MailKind string

const (
	PasswordMail     MailKind = "change password"
	VerificationMail MailKind = "verify e-mail"
)

// errand is what a ticket is for: one thing to one user.
type errand struct {
	user string
	kind MailKind
}

// ticket is the right to do one thing to one user, once.
type ticket struct {
	errand
	until time.Time
}

// Mailbox returns the mails to that address, whatever its case, oldest first.
func (t *Tenant) Mailbox(email string) []Mail {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.mails[fold(email)])
}

// mailPassword mails a link to set a new password, mailVerification one that
// proves the address. Only the newest link of a kind is good. t.mu is held.
func (t *Tenant) mailPassword(u *User) {
	t.mail(u, PasswordMail, "u/reset-password", "Reset your password")
}

func (t *Tenant) mailVerification(u *User) {
	t.mail(u, VerificationMail, "u/email-verification", "Verify your email")
}

func (t *Tenant) mail(u *User, kind MailKind, page, subject string) {
	e := errand{u.ID, kind}
	t.voidTicket(e)
	name := letters(32)
	t.tickets[name] = &ticket{errand: e, until: t.now().Add(t.cfg.TicketLife)}
	t.newest[e] = name
	box := fold(u.Email)
	t.mails[box] = append(t.mails[box], Mail{
		Kind: kind, To: u.Email, Subject: subject, At: t.now(),
		Link: t.issuer + page + "?ticket=" + name + "#",
	})
}

// voidTicket makes the mailed link worthless. t.mu is held.
func (t *Tenant) voidTicket(e errand) {
	delete(t.tickets, t.newest[e])
	delete(t.newest, e)
}

// holder is the user a good ticket is for, nil if it is none. t.mu is held.
func (t *Tenant) holder(name string, kind MailKind) *User {
	tk := t.tickets[name]
	if tk == nil || tk.kind != kind || !t.now().Before(tk.until) {
		return nil
	}
	return t.users[tk.user]
}

// redeemPassword sets the password through a ticket and uses it up. Who could
// read the mail owns the mailbox, so the address is verified with it.
func (t *Tenant) redeemPassword(name string, hash string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.holder(name, PasswordMail)
	if u == nil {
		return false
	}
	t.voidTicket(errand{u.ID, PasswordMail})
	u.hash = hash
	u.EmailVerified = true
	u.UpdatedAt = t.now()
	u.LastPasswordReset = u.UpdatedAt
	t.endUser(u.ID, "password-changed")
	return true
}

// redeemVerification marks the address verified. The password stays, whoever
// knows it: this is why a stranger's account is not safe yet.
func (t *Tenant) redeemVerification(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.holder(name, VerificationMail)
	if u == nil {
		return false
	}
	t.voidTicket(errand{u.ID, VerificationMail})
	u.EmailVerified = true
	u.UpdatedAt = t.now()
	return true
}
