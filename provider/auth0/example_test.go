package auth0_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"bursar/provider"
	"bursar/provider/auth0"
	"bursar/provider/auth0/auth0test"
)

// A purchase by somebody new: look, create, assign, invite.
func Example() {
	tenant, err := auth0test.Start(auth0test.Config{
		Clients: []auth0test.Client{{ID: "bursar", Secret: "a-secret", Management: auth0.Enrol.Scopes}},
		Roles:   []string{"go-course"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer tenant.Close()

	people, err := auth0.New(auth0.Config{Domain: tenant.URL, ClientID: "bursar", ClientSecret: "a-secret"})
	if err != nil {
		log.Fatal(err)
	}
	defer people.Close()
	ctx := context.Background()

	roles, err := people.Roles(ctx)
	if err != nil {
		log.Fatal(err)
	}
	found, err := people.Accounts(ctx, "ada@example.com")
	fmt.Println("accounts before:", len(found), err)

	ada, err := people.Create(ctx, "ada@example.com")
	fmt.Println("created by us:", ada.CreatedByUs, err)
	_, err = people.Create(ctx, "ada@example.com")
	fmt.Println("created again:", errors.Is(err, provider.Exists))

	fmt.Println("assigned:", people.Assign(ctx, ada.ID, []string{roles[0].ID}))
	fmt.Println("invited:", people.Invite(ctx, ada.Email))
	fmt.Println("the tenant says:", tenant.Roles("ada@example.com"), len(tenant.Mailbox("ada@example.com")), "mail")

	// Output:
	// accounts before: 0 <nil>
	// created by us: true <nil>
	// created again: true
	// assigned: <nil>
	// invited: <nil>
	// the tenant says: [go-course] 1 mail
}
