package basic

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bursar/provider"
)

func TestTenWrongPasswordsLockAUserInEverySpelling(t *testing.T) {
	for _, test := range []struct {
		name      string
		user      string
		spellings []string
	}{
		{"case", "kim", []string{"kim", "KIM", "Kim"}},
		{"a name that does not exist", "nobody", []string{"nobody", "Nobody"}},
		{"composed and not", "j\u00fcrgen", []string{"ju\u0308rgen", "J\u00dcRGEN"}},
		{"folded", "stra\u00dfe", []string{"STRASSE", "strasse"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := newUsers(t, Config{Users: []User{{Name: "kim", Hash: cheap("open")}, {Name: "lee", Hash: cheap("lee")}}})
				for i := range 10 {
					// From ten addresses: a botnet has many.
					from := netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
					if _, err := u.Verify(t.Context(), test.spellings[i%len(test.spellings)], fmt.Sprint("guess ", i), from); why(err) != provider.WrongPassword {
						t.Fatalf("guess %d: %v", i, err)
					}
				}
				_, err := u.Verify(t.Context(), test.user, "open", stranger)
				refusal := (*provider.Refusal)(nil)
				if !errors.As(err, &refusal) || refusal.Reason != provider.LockedOut || refusal.RetryAfter != 15*time.Minute {
					t.Errorf("the eleventh: %+v, want locked for 15 min", err)
				}
				if _, err := u.Verify(t.Context(), "lee", "lee", stranger); err != nil {
					t.Errorf("lee is locked with %s: %v", test.user, err)
				}
				time.Sleep(15 * time.Minute)
				if _, err := u.Verify(t.Context(), test.user, "not it", stranger); why(err) != provider.WrongPassword {
					t.Errorf("after 15 min: %v, want to be looked at", err)
				}
			})
		})
	}
}

func TestAnAddressThatTriesManyUsersIsLocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUsers(t, Config{Users: []User{{Name: "kim", Hash: cheap("open")}}})
		for i := range 50 {
			from := netip.MustParseAddr(fmt.Sprintf("2001:db8:1:2::%x", i+1)) // one /64
			u.Verify(t.Context(), fmt.Sprint("user", i), "123456", from)
		}
		for from, want := range map[string]provider.Reason{
			"2001:db8:1:2:ffff::1": provider.LockedOut, "2001:db8:1:2::9%eth0": provider.LockedOut,
			"2001:db8:1:3::1": provider.WrongPassword, "203.0.113.1": provider.WrongPassword,
		} {
			if _, err := u.Verify(t.Context(), "kim", "123456", netip.MustParseAddr(from)); why(err) != want {
				t.Errorf("from %s: %v, want %q", from, err, want)
			}
		}
	})
}

func TestNobodyCanLockOutWhoHasShownTheRightPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUsers(t, Config{Users: []User{{Name: "kim", Hash: cheap("open")}}})
		verify := func(password string) provider.Reason {
			_, err := u.Verify(t.Context(), "kim", password, home)
			return why(err)
		}
		if got := verify("open"); got != "" {
			t.Fatal(got)
		}
		for at := time.Duration(0); at < 23*time.Hour; at += time.Minute {
			if at%(30*time.Minute) == 0 && verify("open") != "" {
				t.Fatalf("kim is locked out after %v", at)
			}
			verify(fmt.Sprint("guess at ", at)) // from the same address, too
			time.Sleep(time.Minute)
		}
		if got := verify("another guess"); got != provider.LockedOut {
			t.Errorf("the guesses go on: %q", got)
		}
	})
}

func TestARightPasswordDoesNotBuyMoreGuesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUsers(t, Config{Users: []User{{Name: "kim", Hash: cheap("open")}, {Name: "mallory", Hash: cheap("mine")}}})
		tried := 0
		for i := range 80 {
			if _, err := u.Verify(t.Context(), "mallory", "mine", stranger); err != nil {
				t.Fatal(err)
			}
			if _, err := u.Verify(t.Context(), fmt.Sprint("victim", i), "123456", stranger); why(err) == provider.WrongPassword {
				tried++
			}
		}
		if tried != 50 {
			t.Errorf("%d guesses between logins of her own, want 50", tried)
		}
	})
}

func TestLocksGrowAndAreForgiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		u := newUsers(t, Config{WrongPerAddress: 1 << 30, Users: []User{{Name: "kim", Hash: cheap("open")}}, Log: slog.New(slog.NewTextHandler(&log, nil))})
		lock := func() time.Duration {
			for range 11 {
				_, err := u.Verify(t.Context(), "kim", "a guess", home)
				if refusal := (*provider.Refusal)(nil); errors.As(err, &refusal) && refusal.Reason == provider.LockedOut {
					return refusal.RetryAfter
				}
			}
			return 0
		}
		for _, minutes := range []time.Duration{15, 30, 60, 120, 240, 240} {
			got := lock()
			if got != minutes*time.Minute {
				t.Errorf("locked for %v, want %d min", got, minutes)
			}
			time.Sleep(got)
		}
		time.Sleep(25 * time.Hour)
		if got := lock(); got != 15*time.Minute {
			t.Errorf("after a quiet day locked for %v, want 15 min", got)
		}
		if got := strings.Count(log.String(), "principal=kim"); got != 7 {
			t.Errorf("%d of 7 locks were logged:\n%s", got, log.String())
		}
	})
}

func TestNineWrongPasswordsInAWindowLockNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUsers(t, Config{Users: []User{{Name: "kim", Hash: cheap("open")}}})
		for range 20 {
			for range 9 {
				if _, err := u.Verify(t.Context(), "kim", "a slip", home); why(err) != provider.WrongPassword {
					t.Fatal(err)
				}
			}
			time.Sleep(15 * time.Minute)
		}
	})
}

func TestAFloodOfMadeUpNamesFreesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUsers(t, Config{Users: []User{{Name: "kim", Hash: cheap("open")}}})
		const size = 1000
		var err error
		if u.lockout, err = newLockout(u.cfg, size, time.Now); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			u.Verify(t.Context(), "kim", "a guess", home)
		}
		table := u.table.Load()
		for i := range 5 * size {
			from := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
			u.lockout.wrong(u.lockout.place(table, fmt.Sprint("made-up ", i), from), u.log)
		}
		if got := u.lockout.counts.EstimatedSize(); got > size+size/10 {
			t.Errorf("%d counts are kept, want about %d", got, size)
		}
		if _, err := u.Verify(t.Context(), "kim", "open", netip.Addr{}); why(err) != provider.LockedOut {
			t.Errorf("kim's lock was pushed out: %v", err)
		}
	})
}
