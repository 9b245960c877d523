package basic

import (
	"testing"

	"bursar/provider"
)

// BenchmarkVerify tells what a login costs the first time, each time after, and
// when it is wrong.
func BenchmarkVerify(b *testing.B) {
	for _, kind := range []struct {
		name string
		make func(string) (string, error)
	}{{"argon2id", Argon2id}, {"bcrypt", Bcrypt}} {
		text, err := kind.make("correct horse")
		if err != nil {
			b.Fatal(err)
		}
		u, err := New(Config{WrongPerUser: 1 << 30, WrongPerAddress: 1 << 30, Users: []User{{Name: "kim", Hash: text, Roles: []string{"Reports"}}}})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(kind.name+"/miss", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				u.verified.cache.InvalidateAll()
				if _, err := u.Verify(b.Context(), "kim", "correct horse", home); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(kind.name+"/wrong", func(b *testing.B) {
			for b.Loop() {
				if _, err := u.Verify(b.Context(), "kim", "correct house", home); why(err) != provider.WrongPassword {
					b.Fatal(err)
				}
			}
		})
		b.Run(kind.name+"/unknown", func(b *testing.B) {
			for b.Loop() {
				if _, err := u.Verify(b.Context(), "nobody", "correct house", home); why(err) != provider.WrongPassword {
					b.Fatal(err)
				}
			}
		})
		b.Run(kind.name+"/hit", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := u.Verify(b.Context(), "kim", "correct horse", home); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
