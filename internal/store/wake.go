package store

// topics says what became due, or must be asked for again.
type topics uint8

const (
	dueEvents topics = 1 << iota
	duePeople
	newVersions

	allTopics = dueEvents | duePeople | newVersions
)

// wake tells this process's loops, after the commit. Tokens merge: a loop that
// has one waiting will look anyway.
func (s *Store) wake(t topics) {
	if t&newVersions != 0 {
		s.doubts.Add(1)
	}
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
