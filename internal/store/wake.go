package store

// topics says what became due.
type topics uint8

const (
	dueEvents topics = 1 << iota
	duePeople
)

// wake tells this process's loops, after the commit. Tokens merge: a loop that
// has one waiting will look anyway.
func (s *Store) wake(t topics) {
	if t&dueEvents != 0 {
		nudge(s.inboxWake)
	}
	if t&duePeople != 0 {
		nudge(s.peopleWake)
	}
}

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
