package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// A benchConn is a keep-alive connection of somebody who delivers. It writes
// prepared bytes and reads as little as can be: the machine is shared with what
// is measured.
type benchConn struct {
	net.Conn
	r *bufio.Reader
}

// benchConnect is for the goroutine of the test alone.
func benchConnect(tb testing.TB, host string) *benchConn {
	tb.Helper()
	c, err := benchDial(host)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	return c
}

func benchDial(host string) (*benchConn, error) {
	c, err := net.Dial("tcp", host)
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(2 * time.Minute))
	return &benchConn{c, bufio.NewReaderSize(c, 1024)}, nil
}

var benchOK = []byte("HTTP/1.1 200 ")

// deliver returns when the 200 is there. Its body is empty, so it ends with
// its head.
func (c *benchConn) deliver(request []byte) error {
	if _, err := c.Write(request); err != nil {
		return err
	}
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, benchOK) {
		return fmt.Errorf("answered %q", line)
	}
	for len(line) > 2 {
		if line, err = c.r.ReadSlice('\n'); err != nil {
			return err
		}
	}
	return nil
}

// benchClosedLoop has so many clients deliver one after the other for so long;
// request appends the next one to buf.
func benchClosedLoop(tb testing.TB, host string, clients int, during time.Duration, request func(buf []byte) []byte) (took []time.Duration, lasted time.Duration) {
	tb.Helper()
	conns := make([]*benchConn, clients)
	for c := range conns {
		conns[c] = benchConnect(tb, host)
	}
	took1 := make([][]time.Duration, clients)
	var wg sync.WaitGroup
	began := time.Now()
	for c, conn := range conns {
		wg.Go(func() {
			var buf []byte
			for time.Since(began) < during {
				buf = request(buf[:0])
				asked := time.Now()
				if err := conn.deliver(buf); err != nil {
					tb.Errorf("delivery: %v", err)
					return
				}
				took1[c] = append(took1[c], time.Since(asked))
			}
		})
	}
	wg.Wait()
	return slices.Concat(took1...), time.Since(began)
}

// benchOpenLoop delivers the requests at a fixed rate, whether or not the
// earlier ones are answered. A latency counts from the moment at which the
// request was to be sent, so neither a slow answer nor a late generator hides
// what it costs those behind. sent is when each was due.
func benchOpenLoop(tb testing.TB, host string, every time.Duration, requests [][]byte) (took []time.Duration, sent []time.Time) {
	tb.Helper()
	const conns = 128
	took, sent = make([]time.Duration, len(requests)), make([]time.Time, len(requests))
	turn := make(chan int, len(requests))
	var wg sync.WaitGroup
	for range conns {
		wg.Go(func() {
			// Dialled at the first turn: the service hangs up on whoever dials and
			// says nothing.
			var conn *benchConn
			for i := range turn {
				var err error
				if conn == nil {
					if conn, err = benchDial(host); err != nil {
						tb.Errorf("dial: %v", err)
						return
					}
					defer conn.Close()
				}
				if err = conn.deliver(requests[i]); err != nil {
					tb.Errorf("delivery: %v", err)
					return
				}
				took[i] = time.Since(sent[i])
			}
		})
	}
	began := time.Now()
	for i := range requests {
		sent[i] = began.Add(time.Duration(i) * every)
		time.Sleep(time.Until(sent[i])) // the schedule is what is measured against
		turn <- i
	}
	close(turn)
	wg.Wait()
	return took, sent
}
