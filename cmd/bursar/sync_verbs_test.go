package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"bursar/provider/auth0"
	"bursar/provider/auth0/auth0test"
)

// syncVerbs change what a sync works with.
var syncVerbs = map[string]verb{
	// catalog sets its lines: course-one=Course_One; without any it is empty.
	"catalog": {0, "[PRODUCT=ROLE ...]", func(w *world, _ *testscript.TestScript, args []string) error {
		lines := []map[string]any{}
		names := map[string]bool{}
		for _, a := range args {
			product, role, _ := strings.Cut(a, "=")
			role = strings.ReplaceAll(role, "_", " ")
			names[role] = true
			lines = append(lines, map[string]any{"shop": "gumroad", "product": product, "roles": []string{role}})
		}
		if !names["Course One"] {
			delete(w.settings, "roles") // its scopes: a role that no line gives is a fault
		}
		return w.set("catalog", lines)
	}},
	"replace": {3, "FILE OLD NEW", func(_ *world, ts *testscript.TestScript, args []string) error {
		name := ts.MkAbs(args[0])
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		changed := strings.Replace(string(text), args[1], args[2], 1)
		if changed == string(text) {
			return fmt.Errorf("%s is not in it", args[1])
		}
		return os.WriteFile(name, []byte(changed), 0o600)
	}},
	// duties gives the duties of a sync to clients of their own; read-only takes
	// the others out of the config. The reading client signs, the writing one has
	// a secret.
	"duties": {0, "[read-only]", func(w *world, _ *testscript.TestScript, args []string) error {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return err
		}
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return err
		}
		public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			return err
		}
		read := w.tenant.AddClient(auth0test.Client{Management: auth0.SyncRead.Scopes,
			PublicKeyPEM: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))})
		write := w.tenant.AddClient(auth0test.Client{Management: auth0.SyncWrite.Scopes})
		provider := w.settings["provider"].(map[string]any)
		provider["sync_read"] = map[string]any{"client_id": read.ID,
			"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))}
		provider["sync_write"] = map[string]any{"client_id": write.ID, "client_secret": write.Secret}
		if len(args) > 0 {
			delete(provider, "sync_write")
			delete(provider, "client_id")
			delete(provider, "client_secret")
		}
		w.private = append(w.private, write.Secret)
		return w.write()
	}},
}
