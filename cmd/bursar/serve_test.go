package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestServingEndsOnlyWhenTheLastRequestHasItsAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	inside, goOn := make(chan struct{}), make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- serveHTTP(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(inside)
			<-goOn
			w.WriteHeader(http.StatusOK)
		}))
	}()
	answered := make(chan int, 1)
	go func() {
		resp, err := http.Post("http://"+l.Addr().String(), "text/plain", strings.NewReader("a delivery"))
		if err != nil {
			answered <- 0
			return
		}
		resp.Body.Close()
		answered <- resp.StatusCode
	}()
	<-inside
	stop()
	// The listener is closed at once; the request under way goes on.
	if err := until(t.Context(), "the listener to close", func() bool {
		c, err := net.Dial("tcp", l.Addr().String())
		if err == nil {
			c.Close()
		}
		return err != nil
	}); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		t.Fatalf("serveHTTP ended (%v) while a delivery was being taken", err)
	default:
	}
	close(goOn)
	if got := <-answered; got != http.StatusOK {
		t.Errorf("the delivery under way was answered %d, want 200", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("serveHTTP returned %v", err)
	}
}

func TestAnEmptySecretFileIsAFaultAndNotAnOpenDoor(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := parseConfig("[shops.gumroad]\napi_url = \"https://api.gumroad.com/v2\"\nsecret = \"a-long-enough-secret\"\naccess_token = \"file:" + empty + "\"\n")
	if err == nil || !strings.Contains(err.Error(), "shops.gumroad.access_token: the file "+empty+" is empty") {
		t.Errorf("parseConfig said %v", err)
	}
}

func TestAConfigThatTrustsNobodyServesNobody(t *testing.T) {
	cfg := demoConfig(t.TempDir(), false, false)
	cfg.Issuers, cfg.Logins, cfg.Tokens, cfg.Routes = nil, nil, nil, nil
	app, err := newApp(t.Context(), cfg, logger(LogConfig{Level: "error", Format: "text"}), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	for _, token := range []string{"", "Bearer a.b.c"} {
		r, _ := http.NewRequest(http.MethodGet, "/auth/session", nil)
		if token != "" {
			r.Header.Set("Authorization", token)
		}
		w := httptest.NewRecorder()
		app.handler.ServeHTTP(w, r)
		if w.Code != http.StatusNotFound {
			t.Errorf("/auth/session with %q was answered %d, want 404", token, w.Code)
		}
	}
}

func TestADatabaseFromTryingOutIsNotGoneOnWithForReal(t *testing.T) {
	cfg := demoConfig(t.TempDir(), false, false)
	cfg.Issuers, cfg.Logins, cfg.Tokens, cfg.Routes = nil, nil, nil, nil
	quiet := logger(LogConfig{Level: "error", Format: "text"})
	app, err := newApp(t.Context(), cfg, quiet, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Close(); err != nil {
		t.Fatal(err)
	}
	forReal := cfg
	forReal.Issuers = nil
	forReal.Provider.Domain, forReal.Provider.ClientID, forReal.Provider.ClientSecret = "school.eu.auth0.com", "id", "secret"
	shop := cfg.Shops["gumroad"]
	shop.APIURL, shop.AccessToken = "https://api.gumroad.com/v2", "token"
	forReal.Shops = map[string]ShopConfig{"gumroad": shop}
	if _, err := newApp(t.Context(), forReal, quiet, nil); err == nil || !strings.Contains(err.Error(), "was made with an embedded provider or shop") {
		t.Errorf("newApp on the database of a trial said %v", err)
	}
}
