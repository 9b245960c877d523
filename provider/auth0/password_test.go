package auth0

import (
	"strings"
	"testing"
)

func TestPasswordsPassTheStrictestPolicy(t *testing.T) {
	if len(alphabet) != 64 {
		t.Fatalf("the alphabet has %d letters, want 64: else some would come more often", len(alphabet))
	}
	seen := map[string]bool{}
	for range 2000 {
		p := password("a@example.com")
		if len(p) != 44 {
			t.Fatalf("%d letters, want 44", len(p))
		}
		if !strong(p, "a") || strings.ContainsAny(p, "aA") {
			t.Fatalf("%q does not pass", p)
		}
		if seen[p] {
			t.Fatal("a password came twice")
		}
		seen[p] = true
	}
}

func TestStrong(t *testing.T) {
	for p, want := range map[string]bool{
		"aA1!":        true,
		"aA1*":        true,
		"aaA1!":       true,
		"aaaA1!":      false,
		"A1!":         false,
		"a1!":         false,
		"aA!":         false,
		"aA1":         false,
		"aA1!xADAx":   false,
		"aA1!xAd_a12": true,
	} {
		if got := strong(p, "ada"); got != want {
			t.Errorf("%q: %v, want %v", p, got, want)
		}
	}
}
