package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

const (
	connections = 4
	rounds      = 9
	turn        = 150 * time.Millisecond // of one handler at full speed
	rate        = 400                    // requests a second, when latency is measured
	latencyTurn = 500 * time.Millisecond
)

// BenchmarkGuarded prints what a guarded handler keeps of the bare handler's
// requests per second over loopback, and its 99th percentile of latency at a
// fixed rate over the bare handler's. The client costs next to nothing: it
// writes the same bytes and looks for the end of the answer.
func BenchmarkGuarded(b *testing.B) {
	i := newIssuer(b, "RS256")
	bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("a lesson")) })
	ways := guards(b, i)
	ways["bare"] = func(h http.Handler) http.Handler { return h }
	names := slices.Sorted(maps.Keys(ways))
	names = slices.DeleteFunc(names, func(n string) bool { return n == "bare" })
	targets := map[string]*target{}
	for name, guard := range ways {
		server := httptest.NewServer(guard(bare))
		b.Cleanup(server.Close)
		targets[name] = newTarget(b, server.Listener.Addr().String(), i.token)
	}

	kept, slower := map[string][]float64{}, map[string][]float64{}
	for range rounds { // whatever -benchtime says; a round is long enough
		for _, name := range names {
			base := targets["bare"].fullSpeed(b)
			kept[name] = append(kept[name], targets[name].fullSpeed(b)/base)
		}
		for _, name := range names {
			base := targets["bare"].p99(b)
			slower[name] = append(slower[name], float64(targets[name].p99(b))/float64(base))
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(kept["bursar guard"]), "rps/bare")
	b.ReportMetric(median(slower["bursar guard"]), "p99/bare")
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	fmt.Fprintf(w, "\n| handler behind\t| requests a second / bare\t| p99 / bare, at %d a second\t|\n|---\t|---\t|---\t|\n", rate)
	for _, name := range names {
		fmt.Fprintf(w, "| %s\t| %.2f\t| %.2f\t|\n", name, median(kept[name]), median(slower[name]))
	}
	w.Flush()
}

// A target is a server with some connections to it.
type target struct {
	request []byte
	conns   []*conn
}

type conn struct {
	net.Conn
	in *bufio.Reader
}

func newTarget(b *testing.B, addr, token string) *target {
	t := &target{request: fmt.Appendf(nil, "GET /lessons/1 HTTP/1.1\r\nHost: api.school.example\r\nAuthorization: Bearer %s\r\n\r\n", token)}
	for range connections {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { c.Close() })
		t.conns = append(t.conns, &conn{c, bufio.NewReader(c)})
	}
	return t
}

// once sends the request and reads the answer: 200, and eight bytes of body.
func (c *conn) once(request []byte) error {
	if _, err := c.Write(request); err != nil {
		return err
	}
	for first := true; ; first = false {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
			return errors.New(strings.TrimSpace(string(line)))
		}
		if len(line) == 2 {
			_, err := c.in.Discard(len("a lesson"))
			return err
		}
	}
}

// fullSpeed is requests a second with all connections busy.
func (t *target) fullSpeed(b *testing.B) float64 {
	var wg sync.WaitGroup
	var mu sync.Mutex // guards total
	total := 0
	began := time.Now()
	for _, c := range t.conns {
		wg.Go(func() {
			n := 0
			for time.Since(began) < turn {
				if err := c.once(t.request); err != nil {
					b.Error(err)
					return
				}
				n++
			}
			mu.Lock()
			total += n
			mu.Unlock()
		})
	}
	wg.Wait()
	return float64(total) / time.Since(began).Seconds()
}

// p99 sends at a fixed rate, whether answers come or not, and measures from
// the moment at which a request was due.
func (t *target) p99(b *testing.B) time.Duration {
	var wg sync.WaitGroup
	var mu sync.Mutex // guards took
	var took []time.Duration
	began := time.Now()
	for k, c := range t.conns {
		wg.Go(func() {
			gap := time.Second * connections / rate
			for due := began.Add(gap * time.Duration(k) / connections); due.Sub(began) < latencyTurn; due = due.Add(gap) {
				time.Sleep(time.Until(due))
				if err := c.once(t.request); err != nil {
					b.Error(err)
					return
				}
				d := time.Since(due)
				mu.Lock()
				took = append(took, d)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(took)
	return took[len(took)*99/100]
}
