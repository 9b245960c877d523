package auth0test_test

import (
	"fmt"
	"net/http"
	"net/url"

	"bursar/provider/auth0/auth0test"
)

// A learner is invited, sets a password, and gets a token that names the role.
func Example() {
	const api, rolesClaim = "https://api.school.example", "https://school.example/roles"
	tenant, err := auth0test.Start(auth0test.Config{
		Roles:      []string{"course-go"},
		APIs:       []auth0test.API{{Identifier: api}},
		RolesClaim: rolesClaim,
		Clients: []auth0test.Client{{
			ID: "bursar", Secret: "not-a-secret", Management: []string{"read:users", "create:users"},
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer tenant.Close()

	// Point your program at tenant.URL. Here is what people do meanwhile.
	ann, err := tenant.SignUp("ann@example.com", "Correct-Horse-9")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, mail := range tenant.Mailbox("ann@example.com") {
		fmt.Println("mail:", mail.Subject)
	}
	if err := tenant.AssignRole(ann.ID, "course-go"); err != nil {
		fmt.Println(err)
		return
	}
	token, err := tenant.LearnerToken("ann@example.com", "Correct-Horse-9", api)
	fmt.Println("token:", token != "", err)
	fmt.Println("roles:", tenant.Roles("ann@example.com"))
	fmt.Println("calls:", len(tenant.Calls()))

	// Output:
	// mail: Verify your email
	// token: true <nil>
	// roles: [course-go]
	// calls: 0
}

// A create whose answer is lost has still created the user. Transport
// needs no port, so this also works in a synctest bubble.
func ExampleTenant_Fail() {
	tenant := auth0test.New(auth0test.Config{Issuer: "http://tenant.test/"})
	tenant.Fail("POST /dbconnections/signup", 1, auth0test.DroppedAfterCommit())

	client := &http.Client{Transport: tenant.Transport()}
	signUp := func() {
		resp, err := client.PostForm("http://tenant.test/dbconnections/signup", url.Values{
			"connection": {auth0test.DefaultConnection}, "email": {"ann@example.com"}, "password": {"Correct-Horse-9"},
		})
		if err != nil {
			fmt.Println("no answer; users:", len(tenant.Users()))
			return
		}
		resp.Body.Close()
		fmt.Println(resp.Status+"; users:", len(tenant.Users()))
	}
	signUp()
	signUp()

	// Output:
	// no answer; users: 1
	// 400 Bad Request; users: 1
}
