package basic

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"bursar/provider"
)

// cheap is an argon2id hash that costs next to nothing.
func cheap(password string) string {
	salt := []byte("salt of " + password)
	sum := argon2.IDKey([]byte(password), salt, 1, 8, 1, 16)
	return "$argon2id$v=19$m=8,t=1,p=1$" + phcBase64.EncodeToString(salt) + "$" + phcBase64.EncodeToString(sum)
}

func cheapBcrypt(password string) string {
	sum, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		panic(err)
	}
	return string(sum)
}

func newUsers(t *testing.T, cfg Config) *Users {
	t.Helper()
	u, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

var (
	home     = netip.MustParseAddr("203.0.113.7")
	stranger = netip.MustParseAddr("198.51.100.9")
)

// why is the reason of a refusal, empty if there was none.
func why(err error) provider.Reason {
	if err == nil {
		return ""
	}
	if refusal := (*provider.Refusal)(nil); errors.As(err, &refusal) {
		return refusal.Reason
	}
	return provider.Reason("cannot tell: " + err.Error())
}

func writeFile(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "htpasswd")
	rewrite(t, path, lines...)
	return path
}

func rewrite(t *testing.T, path string, lines ...string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAUserIsWhoTheConfigurationSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUsers(t, Config{
			File:  writeFile(t, "kim:"+cheap("open sesame"), "jürgen:"+cheapBcrypt("größer")),
			Roles: map[string][]string{"kim": {"Reports", "Audit", "Reports"}},
			Users: []User{{Name: "robot", Hash: cheap("beep"), Scopes: []string{"read"}, Email: "robot@school.example", FullName: "The Robot", Machine: true}},
		})
		now := time.Now()
		for _, test := range []struct {
			user, password string
			want           provider.Principal
		}{
			{"kim", "open sesame", provider.Principal{Subject: "kim", Name: "kim", Roles: []string{"Audit", "Reports"}}},
			{"jürgen", "größer", provider.Principal{Subject: "j%C3%BCrgen", Name: "jürgen"}},
			{"robot", "beep", provider.Principal{Subject: "robot", Name: "The Robot", Scopes: []string{"read"}, Email: "robot@school.example", EmailVerified: true, Machine: true}},
		} {
			test.want.Issuer, test.want.Proof, test.want.IssuedAt, test.want.AuthTime = "urn:bursar:basic", provider.BasicProof, now, now
			for _, way := range []string{"hashed", "remembered"} {
				p, err := u.Verify(t.Context(), test.user, test.password, home)
				if err != nil {
					t.Fatalf("%s, %s: %v", test.user, way, err)
				}
				if diff := cmp.Diff(&test.want, p); diff != "" {
					t.Errorf("%s, %s (-want +got):\n%s", test.user, way, diff)
				}
				for i := range p.Roles {
					p.Roles[i] = "Boss" // whoever gets a principal may write to it
				}
			}
		}
	})
}

func TestWhoeverIsWrongGetsOneAnswer(t *testing.T) {
	u := newUsers(t, Config{WrongPerUser: 1000, WrongPerAddress: 1000, Users: []User{
		{Name: "kim", Hash: cheap("open sesame")}, {Name: "secret", Password: "in the clear"}, {Name: "%41", Hash: cheap("x")},
	}})
	for _, test := range []struct{ user, password string }{
		{"kim", "open"}, {"kim", ""}, {"kim", "open sesame "}, {"Kim", "open sesame"}, {" kim", "open sesame"}, {"", ""}, {"", "open sesame"},
		{"nobody", "open sesame"}, {"kim", strings.Repeat("a", 2000)}, {strings.Repeat("a", 2000), "x"}, {"kim\x00", "open sesame"},
		{"kim", "open sesame\n"}, {"kim:", "open sesame"}, {"ki", "mopen sesame"}, {"kimo", "pen sesame"}, {"kim\xff", "x"}, {"A", "x"}, {"#", "x"},
	} {
		p, err := u.Verify(t.Context(), test.user, test.password, home)
		if p != nil || why(err) != provider.WrongPassword {
			t.Errorf("%.40q with %.40q: %v, %v; want %q", test.user, test.password, p, err, provider.WrongPassword)
		}
		if err != nil && (strings.Contains(err.Error(), "sesame") || len(err.Error()) > 200) {
			t.Errorf("the error repeats what was sent: %v", err)
		}
	}
	if _, err := u.Verify(t.Context(), "secret", "in the clear", home); err != nil {
		t.Errorf("a password in clear in the configuration: %v", err)
	}
	if u.cfg.Users != nil || u.fixed[1].Password != "" {
		t.Error("the password is kept in clear")
	}
}

func TestAllFaultsAreReportedInOneError(t *testing.T) {
	_, err := New(Config{CacheFor: 2 * time.Hour, Parallel: -1, Roles: map[string][]string{"x": {""}}, Users: []User{
		{Name: "", Hash: cheap("x")}, {Name: "none"}, {Name: "both", Hash: cheap("x"), Password: "x"}, {Name: "old", Hash: "$apr1$x$y"}, {Name: "role", Hash: cheap("x"), Roles: []string{""}},
	}})
	for _, want := range []string{"CacheFor", "Parallel", "without a name", "user 1", `"none"`, `"both"`, "Apache's MD5", `"role"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	if _, err := New(Config{}); err == nil {
		t.Error("nobody at all is no fault")
	}
	if _, err := New(Config{File: filepath.Join(t.TempDir(), "none")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := New(Config{File: writeFile(t, "kim:"+cheap("x")), Users: []User{{Name: "kim", Hash: cheap("x")}}}); err == nil || !strings.Contains(err.Error(), `"kim"`) {
		t.Errorf("kim twice: %v", err)
	}
}

func TestAChangedFileCountsWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		path := writeFile(t, "kim:"+cheap("one"), "lee:"+cheap("lee"))
		u := newUsers(t, Config{File: path, WrongPerUser: 1000, WrongPerAddress: 1000, Log: slog.New(slog.NewTextHandler(&log, nil))})
		is := func(user, password string, want provider.Reason) {
			t.Helper()
			if _, err := u.Verify(t.Context(), user, password, home); why(err) != want {
				t.Errorf("%s with %s: %q, want %q", user, password, why(err), want)
			}
		}
		is("kim", "one", "")
		is("lee", "lee", "")

		rewrite(t, path, "kim:"+cheap("two"), "lee:"+cheap("lee"))
		time.Sleep(time.Second)
		is("kim", "one", provider.WrongPassword) // although it was remembered
		is("kim", "two", "")
		if _, found := u.verified.find(u.verified.key("lee", "lee"), u.table.Load().byName["lee"], time.Now()); !found {
			t.Error("lee has not changed and was forgotten")
		}

		// The same size within one tick of the file's clock.
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		rewrite(t, path, "kim:"+cheap("six"), "lee:"+cheap("lee"))
		if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		is("kim", "six", "")

		// A fault changes nothing, and is said once.
		rewrite(t, path, "kim:"+cheap("new"), "lee:plain")
		for range 5 {
			time.Sleep(time.Second)
			is("kim", "six", "")
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			time.Sleep(time.Second)
			is("lee", "lee", "")
		}
		if got := strings.Count(log.String(), "users stay as they were"); got != 2 || strings.Contains(log.String(), "plain\n") {
			t.Errorf("%d lines about two troubles:\n%s", got, log.String())
		}
		rewrite(t, path, "kim:"+cheap("end"))
		time.Sleep(time.Second)
		is("kim", "end", "")
		is("lee", "lee", provider.WrongPassword)
		if diff := cmp.Diff([]string{"kim"}, u.Names()); diff != "" {
			t.Errorf("names (-want +got):\n%s", diff)
		}
	})
}

func TestManyAtOnceHashOnePasswordOnce(t *testing.T) {
	u := newUsers(t, Config{Parallel: 1, Users: []User{{Name: "kim", Hash: cheap("open")}}})
	u.hashing <- struct{}{} // somebody is being hashed
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := u.Verify(ctx, "kim", "open", home); !errors.Is(err, context.Canceled) || errors.As(err, new(*provider.Refusal)) {
		t.Errorf("who went away while waiting: %v, want cannot tell", err)
	}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := u.Verify(t.Context(), "kim", "open", home); err != nil {
				t.Error(err)
			}
		})
	}
	<-u.hashing
	all.Wait()
	if _, err := u.Verify(t.Context(), "kim", "open", home); err != nil {
		t.Error(err)
	}
}

func TestARightPasswordIsHashedAgainAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUsers(t, Config{CacheFor: time.Minute, Parallel: 1, Users: []User{{Name: "kim", Hash: cheap("open")}}})
		if _, err := u.Verify(t.Context(), "kim", "open", home); err != nil {
			t.Fatal(err)
		}
		u.hashing <- struct{}{} // from here on nothing is hashed
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		time.Sleep(time.Minute - time.Nanosecond)
		if _, err := u.Verify(ctx, "kim", "open", home); err != nil {
			t.Errorf("within the minute: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if _, err := u.Verify(ctx, "kim", "open", home); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after the minute: %v, want to wait for the hash", err)
		}
	})
}
