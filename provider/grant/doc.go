// Package grant issues short-lived tokens to whoever proves who they are: our
// own signed JWTs, which provider.Verifier takes as kind GrantToken, and access
// tokens for Twilio.
//
//	keys, err := grant.NewSigningKeys(grant.SigningKeysConfig{Store: marks, Sealer: ring})
//	issuer, err := grant.New(grant.Config{Kinds: kinds, Issuer: "https://school.example", Keys: keys,
//		Password: users.Verify, Prove: whoever.Decide})
//	mux.Handle("POST /auth/token", issuer.Handler())
//	mux.Handle("GET /.well-known/jwks.json", keys.Handler())
//
// What it promises:
//
//   - A token carries only grants that the principal's roles carry at that
//     moment. Asking for another is refused, not left out.
//   - No token lives longer than 24 hours, and none prolongs itself: a grant
//     token proves nothing here.
//   - What the configuration adds to a token never replaces a claim that
//     verifiers act on.
//   - The signing keys are made on first need, kept sealed, shared by all
//     replicas and changed every 90 days. The next one is published a day before
//     it signs, and an old one until its last token is over.
//
// A grant is a word inside a token that we issue, and means something only to
// whom the token is for. It is no role and no scope.
package grant
