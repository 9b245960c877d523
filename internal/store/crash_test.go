package store_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"bursar/internal/store"
	"bursar/webhooks"
)

// crashURL in the environment makes this test binary a process that puts
// deliveries, prints each once it is acknowledged, and waits to be killed.
const crashURL = "BURSAR_TEST_CRASH_URL"

func TestMain(m *testing.M) {
	if url := os.Getenv(crashURL); url != "" {
		if err := putForEver(url, os.Getpid()); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func putForEver(url string, process int) error {
	s, err := store.Open(context.Background(), store.Config{URL: url})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for w := range 16 {
		go func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%d-%d-%d", process, w, i)
				if _, _, err := s.Inbox().Put(context.Background(), webhooks.Event{Shop: "gumroad", Kind: "sale", Ref: key, Key: []byte(key)}); err != nil {
					failed <- err
					return
				}
				fmt.Println(key) // one write, so no line is torn
			}
		}()
	}
	return <-failed
}

func TestNothingAcknowledgedIsLostByAKill(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		var acked []string
		for range 4 {
			acked = append(acked, killed(t, url, 300)...)
		}
		s, err := store.Open(t.Context(), store.Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		list, err := s.Deliveries(t.Context(), store.Filter{Limit: 1 << 30})
		if err != nil {
			t.Fatal(err)
		}
		stored := map[string]bool{}
		for _, d := range list {
			stored[d.Ref] = true
		}
		for _, key := range acked {
			if !stored[key] {
				t.Errorf("%s was acknowledged and is lost", key)
			}
		}
		t.Logf("%d acknowledged, %d stored", len(acked), len(stored))
	})
}

// killed lets a process run until it has acknowledged n, and kills it in the
// middle of its work. Other than the kill, the process must not end.
func killed(t *testing.T, url string, n int) (acked []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashURL+"="+url)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var kill sync.Once
	for scan := bufio.NewScanner(out); scan.Scan(); {
		acked = append(acked, scan.Text())
		if len(acked) == n {
			kill.Do(func() { cmd.Process.Kill() })
		}
	}
	cmd.Wait()
	if len(acked) < n {
		t.Fatalf("the process ended by itself after %d: %s", len(acked), complaint.String())
	}
	return acked
}
