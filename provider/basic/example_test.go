package basic_test

import (
	"context"
	"fmt"
	"net/netip"

	"bursar/provider/basic"
)

func Example() {
	users, err := basic.New(basic.Config{Users: []basic.User{
		{Name: "kim", Password: "correct horse battery staple", Roles: []string{"Reports"}},
	}})
	if err != nil {
		panic(err)
	}
	from := netip.MustParseAddr("203.0.113.7")

	p, err := users.Verify(context.Background(), "kim", "correct horse battery staple", from)
	fmt.Println(p.Subject, p.Roles, p.Proof, err)

	_, err = users.Verify(context.Background(), "kim", "a guess", from)
	fmt.Println(err)

	_, err = basic.New(basic.Config{Users: []basic.User{{Name: "lee", Hash: "$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/"}}})
	fmt.Println(err)
	// Output:
	// kim [Reports] basic <nil>
	// provider: user name or password is incorrect
	// basic: user 1: "lee": the hash is Apache's MD5, and only bcrypt and argon2id are taken
}
