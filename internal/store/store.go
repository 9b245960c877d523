package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"bursar/roles"
	"bursar/webhooks"
)

var (
	// ErrFull says that more deliveries wait for the disk than we are willing
	// to hold. Nothing was stored; whoever sent it may send it again.
	ErrFull = errors.New("store: too many deliveries wait for the disk")
	// ErrClosed says that the store was closed. What a method wanted to write
	// may have been written if Close came while it waited.
	ErrClosed = errors.New("store: closed")
	// ErrUnknown says that there is no delivery of that number.
	ErrUnknown = errors.New("store: no such delivery")
	// ErrTooLong says that an id is longer than 512 bytes. No shop's is, and
	// Postgres cannot index a text of any length.
	ErrTooLong = errors.New("store: an id is longer than 512 bytes")
	// ErrTooNew says that a newer bursar has changed the tables.
	ErrTooNew = errors.New("store: the database was written by a newer bursar; start that one, or restore the backup from before the upgrade")
)

// maxID bounds what the indexes hold. It is far below what Postgres can take
// (a third of a page), so that several in one row of an index still fit.
const maxID = 512

// Config says which database to open. Only URL is required.
type Config struct {
	// URL is "sqlite:FILE", where the folder must exist and the file is created
	// with mode 0600, or "postgres://user@host/database" with the parameters of
	// libpq.
	URL string
	// QueueSize is how many deliveries may wait for the disk before Put answers
	// ErrFull; zero means 1024.
	QueueSize int
	Now       func() time.Time // nil means time.Now
	Log       *slog.Logger     // nil means silence
}

// A Store is an open database. All its methods may be called at once from many
// goroutines, and several processes may have the same database open.
type Store struct {
	eng    engine
	commit *committer
	now    func() time.Time
	clock  func() time.Time // Config.Now: nil if it was not given
	log    *slog.Logger

	inboxWake  chan struct{}
	peopleWake chan struct{}
	doubts     atomic.Uint64 // see Doubts
}

// Open opens the database and brings its tables up to date. The store works
// from then on until Close, whether Run is running or not: a worker that is
// being stopped must still be able to write down what it has done.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	eng, err := openEngine(ctx, cfg.URL, log)
	if err != nil {
		return nil, err
	}
	s := &Store{
		eng: eng, log: log, now: cfg.Now, clock: cfg.Now,
		inboxWake:  make(chan struct{}, 1),
		peopleWake: make(chan struct{}, 1),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if err := migrate(ctx, eng, s.now); err != nil {
		return nil, errors.Join(err, eng.close())
	}
	s.commit = newCommitter(eng, cmp.Or(cfg.QueueSize, 1024), s.wake)
	go s.commit.loop() // Close waits for it
	return s, nil
}

func openEngine(ctx context.Context, url string, log *slog.Logger) (engine, error) {
	scheme, rest, _ := strings.Cut(url, ":")
	switch scheme {
	case "sqlite":
		return openSQLite(ctx, rest)
	case "postgres", "postgresql":
		return openPostgres(ctx, url, log)
	}
	// The URL may hold a password: it is not repeated.
	return nil, errors.New(`store: the URL must be "sqlite:FILE" or "postgres://..."`)
}

// Run hears what other processes have made due or changed, until ctx ends. Postgres tells
// us; SQLite cannot, and there Run only waits.
func (s *Store) Run(ctx context.Context) error {
	return s.eng.listen(ctx, s.wake)
}

// Close writes what is queued, refuses what comes later, and returns when
// nothing of the store runs any more.
func (s *Store) Close() error {
	s.commit.stop()
	if err := s.eng.close(); err != nil {
		return fmt.Errorf("store: close: %w", err)
	}
	return nil
}

// Engine is "sqlite" or "postgres", for people to read.
func (s *Store) Engine() string { return s.eng.name() }

// Inbox is the store as package webhooks sees it.
func (s *Store) Inbox() webhooks.Inbox { return inbox{s} }

// Ledger is the store as package roles sees it.
func (s *Store) Ledger() roles.Ledger { return ledger{s} }

// write runs one transaction. do may be run more than once and must not change
// anything but the database and what it starts by setting anew. An error of do
// undoes everything; what is expected, such as a lost lease, is not an error.
func (s *Store) write(ctx context.Context, doing string, do func(context.Context, *tx) error) error {
	var err error
	if s.eng.oneWriter() {
		err = s.commit.submit(ctx, do)
	} else {
		err = s.alone(ctx, do)
	}
	if err != nil {
		return fmt.Errorf("store: %s: %w", doing, err)
	}
	return nil
}

// alone runs a transaction by itself, again if the engine gave up on it for
// the sake of another.
func (s *Store) alone(ctx context.Context, do func(context.Context, *tx) error) error {
	if s.commit.closed() {
		return ErrClosed
	}
	topics, err := inTransaction(ctx, s.eng, do)
	if err == nil {
		s.wake(topics)
	}
	return err
}

// read runs queries that see one moment of the database.
func (s *Store) read(ctx context.Context, doing string, do func(context.Context, run) error) error {
	err := func() error {
		if s.commit.closed() {
			return ErrClosed
		}
		t, err := s.eng.snapshot(ctx)
		if err != nil {
			return err
		}
		defer t.Rollback()
		return do(ctx, run{t, s.eng})
	}()
	if err != nil {
		return fmt.Errorf("store: %s: %w", doing, err)
	}
	return nil
}
