//go:build unix

package store

import (
	"context"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"bursar/internal/store/pgtest"
)

// A listener on a database of its own, that soon asks whether anybody is there.
type listener struct {
	eng   *postgresEngine
	heard chan topics
	admin *pgx.Conn
}

func listening(t *testing.T) *listener {
	t.Helper()
	url := pgtest.URL(t)
	eng, err := openPostgres(t.Context(), url, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{eng: eng.(*postgresEngine), heard: make(chan topics, 16)}
	l.eng.quiet = 20 * time.Millisecond
	l.eng.cfg.ConnectTimeout = time.Second
	if l.admin, err = pgx.Connect(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- eng.listen(ctx, func(what topics) { l.heard <- what }) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		eng.close()
		l.admin.Close(context.Background())
	})
	return l
}

// wants waits for the next thing that is heard.
func (l *listener) wants(t *testing.T, want topics) {
	t.Helper()
	select {
	case got := <-l.heard:
		if got != want {
			t.Fatalf("heard %b, want %b", got, want)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("heard nothing, want %b", want)
	}
}

// pinged waits until the listener has asked whether somebody is there, and
// returns the number of the process that has answered.
func (l *listener) pinged(t *testing.T) (pid int) {
	t.Helper()
	const find = `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query = '-- ping' AND state = 'idle'`
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		if err := l.admin.QueryRow(t.Context(), find).Scan(&pid); err == nil {
			return pid
		}
	}
	t.Fatal("nobody asks whether the server is there")
	return 0
}

func TestAListenerHearsAlsoAfterALongQuiet(t *testing.T) {
	l := listening(t)
	l.wants(t, allTopics)
	for _, what := range []string{"1", "2"} {
		l.pinged(t)
		if _, err := l.admin.Exec(t.Context(), announcement, channel, "another "+what); err != nil {
			t.Fatal(err)
		}
		l.wants(t, topics(what[0]-'0'))
	}
}

// The machine of the server is gone, or hangs: no connection ends, and nothing
// is said any more.
func TestAListenerThatNobodyAnswersConnectsAgain(t *testing.T) {
	l := listening(t)
	l.wants(t, allTopics)
	pid := l.pinged(t)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(pid, syscall.SIGCONT) // else the database cannot be dropped
	l.wants(t, allTopics)
}

// Something between us and the server that ends each connection at once, or a
// server that does: everybody is woken by each, so they must not come thick.
func TestAListenerThatIsCutOffEachTimeComesBackEverMoreSlowly(t *testing.T) {
	l := listening(t)
	const cut = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'`
	n := 0
	for end := time.After(3 * time.Second); ; {
		select {
		case <-l.heard:
			n++
			if _, err := l.admin.Exec(t.Context(), cut); err != nil {
				t.Fatal(err)
			}
			continue
		case <-end:
		}
		break
	}
	if n > 10 {
		t.Errorf("%d connections in 3 s, want ten at most", n)
	}
}

// Whoever vanishes in the middle of a transaction keeps its locks for half a
// minute, not for the two hours after which a server asks by itself.
func TestATransactionMayNotStandStill(t *testing.T) {
	url := pgtest.URL(t)
	for sets, want := range map[string]string{"": "30s", "&options=-c%20idle_in_transaction_session_timeout%3D7s": "7s"} {
		eng, err := openPostgres(t.Context(), url+sets, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		var got string
		err = eng.(*postgresEngine).db.QueryRowContext(t.Context(), "SHOW idle_in_transaction_session_timeout").Scan(&got)
		if err != nil || got != want {
			t.Errorf("with %q: %q, %v, want %q", sets, got, err, want)
		}
		if err := eng.close(); err != nil {
			t.Error(err)
		}
	}
}
