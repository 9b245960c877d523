package main

import (
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// One replica is far from its database, or shares its network with a backup:
// whatever it says and hears takes its time. The other must not suffer by it.
func TestASlowReplicaHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	const each = 150 * time.Millisecond
	f := openFleet(t, fleetPlan{replicas: 2, adjust: func(i int, w *world) {
		if i == 1 {
			w.settings["store"] = map[string]any{"url": slowed(t, w.url, each)}
		}
	}})
	f.start()
	buyers := f.crowd(4, 400*time.Millisecond, seed(t))
	f.pass(8 * time.Second)
	lists := buyers.end()
	ended := time.Now()
	f.settled()
	took := time.Since(ended)
	t.Logf("all was done %v after the last purchase", took.Round(time.Millisecond))
	if took > time.Minute {
		t.Errorf("all was done only %v after the last purchase: that is more than what the slow one had in hand", took)
	}
	f.audit(t, lists)
}

// slowed is the way to a database on which every packet takes that long.
func slowed(t *testing.T, database string, each time.Duration) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	to := q.Get("host") + "/.s.PGSQL.5432"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("unix", to)
			if err != nil {
				in.Close()
				continue
			}
			wg.Go(func() { late(in, out, each) })
			wg.Go(func() { late(out, in, each) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait() // bursar is gone by now, and with it its connections
	})
	host, port, _ := net.SplitHostPort(l.Addr().String())
	q.Set("host", host)
	q.Set("port", port)
	q.Set("sslmode", "disable")
	u.RawQuery = q.Encode()
	return u.String()
}

// late carries what comes from one side to the other, each packet so much later.
func late(from, to net.Conn, each time.Duration) {
	type packet struct {
		at   time.Time
		body []byte
	}
	way := make(chan packet, 1024)
	var wg sync.WaitGroup
	wg.Go(func() {
		for p := range way {
			<-time.After(time.Until(p.at))
			to.Write(p.body) // to nobody, if that side is gone
		}
		to.Close()
	})
	for {
		buffer := make([]byte, 32<<10)
		n, err := from.Read(buffer)
		if n > 0 {
			way <- packet{time.Now().Add(each), buffer[:n]}
		}
		if err != nil {
			break
		}
	}
	close(way)
	wg.Wait()
	from.Close()
}
