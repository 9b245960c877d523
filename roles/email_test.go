package roles_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"bursar/roles"
)

func ExampleEmailKey() {
	key, err := roles.EmailKey("  Ada.Lovelace+Course@Example.TEST ")
	fmt.Println(string(key), err)
	fmt.Println(key.Masked())
	// Output:
	// ada.lovelace+course@example.test <nil>
	// a***@example.test
}

func TestEmailKeyJoinsWhatIsOneAddressAndRefusesWhatIsNone(t *testing.T) {
	composed, err1 := roles.EmailKey("jos\u00e9@example.test")
	decomposed, err2 := roles.EmailKey("jose\u0301@example.test")
	if err1 != nil || err2 != nil || composed != decomposed {
		t.Errorf("two spellings of one address are two people: %q, %q (%v, %v)", composed, decomposed, err1, err2)
	}
	for _, bad := range []string{"", "ada", "@example.test", "ada@", "a@b@c", "ada @example.test", "ada@exa\x00mple.test", "ada@\ufffd.test", strings.Repeat("a", 250) + "@example.test"} {
		if key, err := roles.EmailKey(bad); err == nil {
			t.Errorf("EmailKey(%q) = %q, want an error", bad, key)
		}
	}
}

func TestAnEmailMasksItselfInTheLog(t *testing.T) {
	var b strings.Builder
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "principal", roles.Email("ada@example.test"))
	if strings.Contains(b.String(), "ada@") || !strings.Contains(b.String(), "a***@example.test") {
		t.Errorf("the log line is %s", b.String())
	}
}
