package emulator

import (
	"net/http"
	"strings"
	"testing"
)

func TestCloseEndsAlsoTheCallsThatHang(t *testing.T) {
	l, url, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(url, "http://127.0.0.1:") || strings.HasSuffix(url, "/") {
		t.Errorf("it listens at %q", url)
	}
	arrived, gone := make(chan struct{}), make(chan struct{})
	s := Serve(l, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
		close(gone)
	}))
	failed := make(chan error, 1)
	go func() {
		_, err := http.Get(url)
		failed <- err
	}()
	<-arrived
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	<-gone
	if err := <-failed; err == nil {
		t.Error("the hanging call was answered")
	}
	if _, err := http.Get(url); err == nil {
		t.Error("it still answers after Close")
	}
}

func TestAnAddressThatIsTakenIsAnError(t *testing.T) {
	l, url, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, _, err := Listen(strings.TrimPrefix(url, "http://")); err == nil {
		t.Errorf("%s was given out twice", url)
	}
}

func TestAPortThatMeansEverywhereGivesAnAddressThatCanBeDialled(t *testing.T) {
	for in, want := range map[string]string{
		"0.0.0.0:80":     "127.0.0.1:80",
		"[::]:80":        "127.0.0.1:80",
		"127.0.0.1:8081": "127.0.0.1:8081",
	} {
		if got := reachable(in); got != want {
			t.Errorf("reachable(%q) = %q, want %q", in, got, want)
		}
	}
}
