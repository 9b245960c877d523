package basic

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// watched is the file as we last saw it.
type watched struct {
	mu       sync.Mutex // guards what follows; whoever cannot have it goes on with the table as it is
	looked   time.Time
	modified time.Time
	size     int64
	settled  bool   // it had not changed for a while when it was read
	trouble  string // logged once
}

const (
	lookEvery = time.Second
	// A file that was written just now may be written again within the same tick
	// of its clock, and look the same.
	settleTime = 3 * time.Second
)

// readFirst makes the first table.
func (u *Users) readFirst() error {
	entries := u.fixed
	if u.cfg.File != "" {
		u.file.mu.Lock()
		defer u.file.mu.Unlock()
		more, err := u.readFile()
		if err != nil {
			return err
		}
		entries = append(entries[:len(entries):len(entries)], more...)
	}
	t, err := newTable(entries, nil)
	if err != nil {
		return err
	}
	for name := range u.cfg.Roles {
		if t.byName[name] == nil {
			u.log.Warn("roles of a user who is not in the htpasswd file", "principal", name)
		}
	}
	u.table.Store(t)
	return nil
}

// current is the table of now: the file is looked at by one request a second,
// and the others do not wait for it.
func (u *Users) current() *table {
	if u.cfg.File == "" || !u.file.mu.TryLock() {
		return u.table.Load()
	}
	defer u.file.mu.Unlock()
	now := u.now()
	if since := now.Sub(u.file.looked); since >= 0 && since < lookEvery {
		return u.table.Load()
	}
	if !u.fileChanged() {
		u.file.looked = now
		return u.table.Load()
	}
	before := u.table.Load()
	more, err := u.readFile()
	var t *table
	if err == nil {
		t, err = newTable(append(u.fixed[:len(u.fixed):len(u.fixed)], more...), before)
	}
	if err != nil {
		if text := err.Error(); u.file.trouble != text {
			u.file.trouble = text
			u.log.Error("htpasswd file not taken; the users stay as they were", "reason", err)
		}
		return before
	}
	u.file.trouble = ""
	u.table.Store(t)
	u.log.Debug("htpasswd file read", "users", len(t.byName))
	return t
}

func (u *Users) fileChanged() bool {
	info, err := os.Stat(u.cfg.File)
	return err != nil || !u.file.settled || !info.ModTime().Equal(u.file.modified) || info.Size() != u.file.size
}

// readFile reads the users of the file. u.file.mu is held.
func (u *Users) readFile() ([]*entry, error) {
	u.file.looked = u.now()
	u.file.settled = false
	f, err := os.Open(u.cfg.File)
	if err != nil {
		return nil, fmt.Errorf("htpasswd file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("htpasswd file: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("htpasswd file: %w", err)
	}
	lines, err := parseHtpasswd(string(text))
	if err != nil {
		return nil, fmt.Errorf("htpasswd file %s: %w", u.cfg.File, err)
	}
	entries := make([]*entry, len(lines))
	for i, l := range lines {
		entries[i] = &entry{
			User: User{Name: l.name, Roles: words(u.cfg.Roles[l.name])},
			hash: l.hash, known: canonical(l.name),
		}
	}
	u.file.modified, u.file.size = info.ModTime(), info.Size()
	u.file.settled = u.file.looked.Sub(info.ModTime()) > settleTime
	return entries, nil
}
