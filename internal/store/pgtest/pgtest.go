//go:build unix

package pgtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// errMissing is the one trouble that skips a test instead of failing it.
var errMissing = errors.New(`no Postgres is installed; on Debian or Ubuntu: "apt-get install postgresql", on macOS: "brew install postgresql"`)

// cluster is the one that tests share, as long as this process lives.
var cluster = sync.OnceValues(func() (*keeper, error) { return start("") })

var databases atomic.Int64

// URL is the address of a fresh, empty database, which is dropped when the
// test ends. It skips or fails the test if there can be none.
func URL(t testing.TB) string {
	t.Helper()
	shared, err := cluster()
	started(t, err)
	return database(t, shared.dir)
}

// started skips or fails the test if there is no server.
func started(t testing.TB, err error) {
	t.Helper()
	switch {
	case errors.Is(err, errMissing) && os.Getenv("CI") != "true":
		t.Skip(err)
	case err != nil:
		t.Fatalf("start a Postgres for the tests: %v", err)
	}
}

// database makes one that is dropped when the test ends.
func database(t testing.TB, dir string) string {
	t.Helper()
	name := "t" + strconv.FormatInt(databases.Add(1), 10)
	// Sorted by the rules of a language, which is as unlike SQLite as the
	// server of a user may be.
	err := admin(dir, "CREATE DATABASE "+name+" TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'")
	if err != nil {
		err = admin(dir, "CREATE DATABASE "+name)
	}
	if err != nil {
		t.Fatalf("make a database: %v", err)
	}
	t.Cleanup(func() {
		if err := admin(dir, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop the database: %v", err)
		}
	})
	return address(dir, name)
}

func address(dir, database string) string {
	q := url.Values{"host": {dir}, "user": {"postgres"}}
	return "postgres:///" + database + "?" + q.Encode()
}

func admin(dir, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, address(dir, "postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

// script starts the server, says so, and does what it is told, a word a line,
// until its input ends. That happens when this process does, even by kill -9. $1
// is the folder of the programs, $2 ours, and $3 is more options of the server.
const script = `
start() {
	"$1/pg_ctl" -D "$2/data" -w -t 60 -l "$2/log" \
		-o "-c listen_addresses= -c unix_socket_directories=$2 -c max_connections=200 $3" start
}
"$1/initdb" -D "$2/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$2/log" 2>&1 &&
start "$@" >>"$2/log" 2>&1 && echo done || { tail -n 20 "$2/log"; echo failed; }
while read -r verb; do
	case $verb in
	stop) "$1/pg_ctl" -D "$2/data" -w -t 60 -m immediate stop ;;
	start) start "$@" ;;
	esac >>"$2/log" 2>&1 && echo done || { tail -n 20 "$2/log"; echo failed; }
done
"$1/pg_ctl" -D "$2/data" -m immediate stop >/dev/null 2>&1
rm -rf "$2"
`

// A keeper is the process that has a cluster in its care.
type keeper struct {
	dir  string // of the socket
	tell *os.File
	said *bufio.Scanner
	cmd  *exec.Cmd
}

// start makes a cluster and starts it, with more options such as "-c fsync=off".
func start(options string) (*keeper, error) {
	programs, err := programs()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bursar-pg-")
	if err == nil && len(dir) > 80 { // a socket's path is at most about 100 bytes
		os.Remove(dir)
		dir, err = os.MkdirTemp("/tmp", "bursar-pg-")
	}
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/bin/sh", "-c", script, "sh", programs, dir, options)
	cmd.Dir = "/"
	// A session of its own: Ctrl-C is for the tests, the keeper cleans up after.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() == 0 { // Postgres refuses to run as root
		uid, gid, err := servant()
		if err != nil {
			return nil, err
		}
		if err := os.Chown(dir, uid, gid); err != nil {
			return nil, err
		}
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	in, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdin = in
	said, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	in.Close()
	k := &keeper{dir, out, bufio.NewScanner(said), cmd}
	if err := k.heed(); err != nil {
		out.Close()
		return nil, fmt.Errorf("the server does not start:\n%w", err)
	}
	return k, nil
}

// heed waits until the keeper has done what it was told last.
func (k *keeper) heed() error {
	var lines []string
	for k.said.Scan() {
		switch line := k.said.Text(); line {
		case "done":
			return nil
		case "failed":
			return errors.New(strings.Join(lines, "\n"))
		default:
			lines = append(lines, line)
		}
	}
	return errors.Join(errors.New("the keeper is gone"), k.said.Err())
}

// programs is the folder with initdb and pg_ctl. Debian keeps them out of the
// PATH.
func programs() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path), nil
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	newest, best := "", -1
	for _, path := range found {
		version, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		if version > best {
			newest, best = filepath.Dir(path), version
		}
	}
	if newest == "" {
		return "", errMissing
	}
	return newest, nil
}

// servant is whom root lets run the server.
func servant() (uid, gid int, err error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return 0, 0, err
		}
	}
	if uid, err = strconv.Atoi(u.Uid); err != nil {
		return 0, 0, err
	}
	gid, err = strconv.Atoi(u.Gid)
	return uid, gid, err
}
