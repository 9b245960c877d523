package gumroadtest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"bursar/internal/emulator"
)

// A Server is a shop with a listener of its own.
type Server struct {
	*Shop
	// URL is where it listens, without a slash at the end.
	URL string
	// APIURL is the base of the v2 API: URL + "/v2".
	APIURL string

	serving *emulator.Server
}

// Start serves a shop on a free loopback port. Close must be called. It sends
// no ping by itself: call Deliver, or let Run run.
func Start(cfg Config) (*Server, error) { return StartAt("127.0.0.1:0", cfg) }

// StartAt serves a shop on that address. Keep it on loopback: it is a stand-in,
// whose tokens protect nothing real.
func StartAt(addr string, cfg Config) (*Server, error) {
	shop, err := newShop(cfg)
	if err != nil {
		return nil, err
	}
	l, url, err := emulator.Listen(addr)
	if err != nil {
		return nil, fmt.Errorf("gumroadtest: %w", err)
	}
	return &Server{Shop: shop, URL: url, APIURL: url + "/v2", serving: emulator.Serve(l, shop.Handler())}, nil
}

// Close closes the listener and every connection, also those on which a call
// hangs, and returns when nothing serves any more. Calling it twice is fine.
func (s *Server) Close() error { return s.serving.Close() }

// Transport answers API calls without any network, for clients inside a
// synctest bubble. Every host is the shop.
func (s *Shop) Transport() http.RoundTripper { return transport{s.mux} }

type transport struct{ h http.Handler }

func (t transport) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if r.Body == nil {
		r = r.Clone(r.Context())
		r.Body = http.NoBody
	}
	defer r.Body.Close()
	defer func() {
		if p := recover(); p == http.ErrAbortHandler {
			if err = r.Context().Err(); err == nil {
				err = io.ErrUnexpectedEOF
			}
		} else if p != nil {
			panic(p)
		}
	}()
	rec := &recorder{header: http.Header{}}
	t.h.ServeHTTP(rec, r.Clone(r.Context()))
	if rec.status == 0 {
		rec.status = http.StatusOK
	}
	return &http.Response{
		Status: strconv.Itoa(rec.status) + " " + http.StatusText(rec.status), StatusCode: rec.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: rec.header, Body: io.NopCloser(&rec.body), ContentLength: int64(rec.body.Len()), Request: r,
	}, nil
}

// A recorder keeps an answer. It cannot be hijacked: a dropped connection is a
// panic that RoundTrip turns into an error.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(b)
}
