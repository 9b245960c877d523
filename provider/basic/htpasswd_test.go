package basic

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// byOthers are test vectors of the programs that these hashes come from,
// crypt_blowfish and the reference implementation of Argon2.
var byOthers = []struct{ hash, password string }{
	{"$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"},
	{"$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"},
	{"$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"},
	{"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "password"},
}

var byApache = byOthers[1].hash

func TestHashesOfOtherProgramsAreUnderstood(t *testing.T) {
	for _, v := range byOthers {
		h, err := parseHash(v.hash)
		if err != nil || !h.matches(v.password) || h.matches(v.password+"x") {
			t.Errorf("%s: %v, or it does not tell %q from others", v.hash, err, v.password)
		}
	}
}

func TestOnlyBcryptAndArgon2idAreTaken(t *testing.T) {
	salt, sum := strings.Repeat("A", 22), strings.Repeat("A", 43)
	argon := func(settings string) string { return "$argon2id$v=19$" + settings + "$" + salt + "$" + sum }
	for _, test := range []struct {
		hash string
		want string // of the error; empty means taken
	}{
		{cheap("x"), ""},
		{cheapBcrypt("x"), ""},
		{strings.Replace(cheapBcrypt("x"), "$2a$", "$2b$", 1), ""},
		{byApache, ""},
		{argon("m=19456,t=2,p=1"), ""},
		{argon("m=262144,t=4,p=4"), ""},

		{"$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/", "Apache's MD5"},
		{"$1$abc$0123456789", "MD5 crypt"},
		{"{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE=", "SHA-1"},
		{"{SSHA}VBPuJHI7uixaa6LQGWx4s+5GKNE=", "salted SHA"},
		{"{SSHA512}VBPuJHI7uixaa6LQGWx4s+5GKNE=", "salted SHA"},
		{"$5$salt$sum", "SHA-256 crypt"},
		{"$6$salt$sum", "SHA-512 crypt"},
		{"$2x$" + byApache[4:], "broken bcrypt"},
		{"$y$j9T$x$y", "yescrypt"},
		{"$argon2i$v=19$m=8,t=1,p=1$" + salt + "$" + sum, "argon2i"},
		{"$argon2d$v=19$m=8,t=1,p=1$" + salt + "$" + sum, "argon2d"},
		{"rqXexS6ZhobKA", "plain text or a kind"}, // crypt by DES
		{"open sesame", "plain text or a kind"},
		{"{PLAIN}open sesame", "plain text"},
		{"", "missing"},

		{byApache[:59], "damaged"},
		{byApache + "x", "damaged"},
		{strings.Replace(byApache, "$05$", "$5x$", 1), "damaged"},
		{strings.Replace(byApache, "$05$", "$02$", 1), "damaged"},
		{strings.Replace(byApache, "$05$", "$16$", 1), "cost"},
		{byApache[:59] + "!", "damaged"},
		{strings.Replace(cheap("x"), "v=19", "v=16", 1), "version"},
		{argon("m=19456,t=2"), "damaged"},
		{argon("t=2,m=19456,p=1"), "damaged"},
		{argon("m=19456,t=2,p=1,keyid=x"), "damaged"},
		{argon("m=+19456,t=2,p=1"), "damaged"},
		{argon("m=019456,t=2,p=1"), "damaged"},
		{argon("m=19456,t=0,p=1"), "damaged"},
		{argon("m=19456,t=2,p=0"), "damaged"},
		{argon("m=7,t=2,p=1"), "damaged"},
		{argon("m=4294967296,t=2,p=1"), "damaged"},
		{argon("m=4194304,t=1,p=1"), "costs too much"},
		{argon("m=262144,t=5,p=1"), "costs too much"},
		{argon("m=262144,t=1,p=17"), "costs too much"},
		{"$argon2id$v=19$m=8,t=1,p=1$" + salt, "damaged"},
		{"$argon2id$v=19$m=8,t=1,p=1$AAAA$" + sum, "damaged"},
		{"$argon2id$v=19$m=8,t=1,p=1$" + salt + "$AAAA", "damaged"},
		{"$argon2id$v=19$m=8,t=1,p=1$" + salt + "==$" + sum, "damaged"},
	} {
		_, err := parseHash(test.hash)
		if got := fmt.Sprint(err); (test.want == "") != (err == nil) || err != nil && !strings.Contains(got, test.want) {
			t.Errorf("parseHash(%.50q) says %v, want %q", test.hash, err, test.want)
		}
		if err != nil && len(test.hash) > 8 && strings.Contains(err.Error(), test.hash[len(test.hash)-8:]) {
			t.Errorf("the error shows the hash: %v", err)
		}
	}
}

func TestAFileIsReadAsOtherProgramsWriteIt(t *testing.T) {
	text := "\ufeff# made by hand\r\n\r\nkim:" + cheap("a") + "\r\n" +
		"  \n" + "lee:" + cheapBcrypt("b") + ":Lee from accounting\n" +
		"#off:$apr1$x\n" + "with space:" + cheap("c") // no end of line
	lines, err := parseHtpasswd(text)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range lines {
		got = append(got, fmt.Sprint(l.number, " ", l.name))
	}
	if want := "3 kim, 5 lee, 7 with space"; strings.Join(got, ", ") != want {
		t.Errorf("read %q, want %q", got, want)
	}
	for i, password := range []string{"a", "b", "c"} {
		if h := lines[i].hash; !h.matches(password) || h.matches(password+"x") {
			t.Errorf("%s: the hash does not tell right from wrong", lines[i].name)
		}
	}
}

func TestEachFaultyLineIsNamedAndNoHashShown(t *testing.T) {
	_, err := parseHtpasswd("kim:" + cheap("a") + "\nno colon here\nlee:$apr1$SECRET\n:" + cheap("a") + "\nkim:" + cheap("b") + "\n lee:" + cheap("a") + "\nx\x00:" + cheap("a") + "\n")
	for _, want := range []string{"line 2: ", `line 3: user "lee": the hash is Apache's MD5`, "line 4: ", `line 5: user "kim" is there already, in line 1`, "line 6: ", "line 7: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	if strings.Contains(fmt.Sprint(err), "SECRET") || strings.Contains(fmt.Sprint(err), "no colon here") {
		t.Errorf("the error shows what may be a secret: %v", err)
	}
	if _, err := parseHtpasswd(strings.Repeat("x\n", 10_000)); err == nil || len(err.Error()) > 4000 {
		t.Errorf("an error of %d bytes", len(fmt.Sprint(err)))
	}
	if _, err := parseHtpasswd(strings.Repeat("\n", maxFile+1)); err == nil {
		t.Error("a file without end was read")
	}
}

func TestNewHashesAreTakenBack(t *testing.T) {
	for name, make := range map[string]func(string) (string, error){
		"argon2id": Argon2id,
		"bcrypt":   func(password string) (string, error) { return bcryptOf(password, bcrypt.MinCost) },
	} {
		text, err := make("correct horse")
		if err != nil {
			t.Fatal(err)
		}
		h, err := parseHash(text)
		if err != nil || !h.matches("correct horse") || h.matches("correct house") {
			t.Errorf("%s: %s, %v", name, text, err)
		}
		if again, _ := make("correct horse"); again == text {
			t.Errorf("%s: the same salt twice", name)
		}
		for _, bad := range []string{"", "line\nbreak", strings.Repeat("a", 2000)} {
			if _, err := Argon2id(bad); err == nil {
				t.Errorf("argon2id hashes %.20q", bad)
			}
			if _, err := Bcrypt(bad); err == nil {
				t.Errorf("bcrypt hashes %.20q", bad)
			}
		}
		if !IsHash(text) || IsHash("correct horse") || !IsHash("$apr1$x$y") {
			t.Error("IsHash does not tell a hash from a password")
		}
	}
	if text, err := Bcrypt("correct horse"); err != nil || !strings.HasPrefix(text, "$2a$12$") {
		t.Errorf("bcrypt: %s, %v", text, err)
	}
	if _, err := Bcrypt(strings.Repeat("a", 73)); err == nil {
		t.Error("bcrypt would cut the password silently")
	}
}

// The clock is too coarse for a test that never fails by chance, so this looks
// at what is computed: a name that does not exist is checked with the same
// numbers as the costliest that does.
func TestANameThatDoesNotExistCostsAsMuchAsTheCostliest(t *testing.T) {
	users := func(hashes ...string) (list []*entry) {
		for i, text := range hashes {
			h, err := parseHash(text)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, &entry{User: User{Name: fmt.Sprint(i)}, hash: h})
		}
		return list
	}
	table, err := newTable(users(cheap("a"), byApache, cheapBcrypt("b")), nil)
	if err != nil {
		t.Fatal(err)
	}
	d := table.decoy
	if !d.bcrypt || d.cost != 5 {
		t.Errorf("the decoy is %+v, want bcrypt of cost 5", d)
	}
	if cost, err := bcrypt.Cost([]byte(d.text)); err != nil || cost != 5 || d.text == byApache || d.matches("") || d.matches("a") {
		t.Errorf("the decoy %s: %v", d.text, err)
	}
	table, _ = newTable(users(cheap("a")), nil)
	if d := table.decoy; d.bcrypt || d.memory != 8 || d.matches("a") {
		t.Errorf("the decoy is %+v, want argon2id of 8 KiB", d)
	}
	table, _ = newTable(nil, nil)
	if d := table.decoy; d.memory != argonMemory || d.price() < 10*time.Millisecond {
		t.Errorf("without users the decoy is %+v", d)
	}
}

func FuzzHtpasswd(f *testing.F) {
	f.Add("kim:" + cheap("a") + "\n")
	f.Add("kim:" + byApache + ":comment\r\n# x\n\nlee:$apr1$x$y\n")
	f.Add("\ufeffkim:$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAA\n:\n::\n")
	f.Fuzz(func(t *testing.T, text string) {
		lines, err := parseHtpasswd(text)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, l := range lines {
			if CheckName(l.name) != nil || seen[l.name] {
				t.Errorf("%q was taken as a name", l.name)
			}
			seen[l.name] = true
			if s := subject(l.name); len(s) > maxName || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%q has the subject %q", l.name, s)
			}
			if !strings.Contains(text, l.hash.text) {
				t.Errorf("the hash %q stands nowhere", l.hash.text)
			}
			again, err := parseHash(l.hash.text)
			if err != nil || again.price() != l.hash.price() {
				t.Errorf("%q is read in two ways: %v", l.hash.text, err)
			}
			if d := l.hash.decoy(); d.price() != l.hash.price() || d.text == l.hash.text && d.bcrypt {
				t.Errorf("the decoy of %q costs something else", l.hash.text)
			}
		}
	})
}
