package gate

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bursar/provider"
)

func TestTheUpstreamGetsThePathThatWasMatchedAndTheQueryAsItWas(t *testing.T) {
	up := upstream(t, echo)
	base := *up
	base.Path = "/base/"
	srv := serverOf(t, siteOf(t, nil,
		everybody("/app/", Target{Upstream: &base, StripPrefix: "/app"}),
		everybody("/host/", Target{Upstream: up, PreserveHost: true}),
		everybody("/", Target{Upstream: up})))
	for _, tt := range []struct{ target, want, host string }{
		{"/a%20b/%C3%A9?x=%zz&y;z=1&&", "/a%20b/%C3%A9?x=%zz&y;z=1&&", up.Host},
		{"/a%3Fb?", "/a%3Fb?", up.Host},
		{"//x/./y/../z//", "/x/z/", up.Host},
		{"/app/x/../y?q=/../", "/base/y?q=/../", up.Host},
		{"/app", "/base/", up.Host},
		{"/host/x", "/host/x", "school.example"},
		{"http://evil.example/x", "/x", up.Host},
	} {
		status, answer := raw(t, srv, "GET "+tt.target+" HTTP/1.1", "Host: school.example", "Connection: close", "", "")
		if !strings.Contains(answer, "\r\n\r\nGET "+tt.want+"\nHost: "+tt.host+"\n") {
			t.Errorf("%s: want %s on %s\n%s\n%s", tt.target, tt.want, tt.host, status, answer)
		}
	}
}

func TestCredentialsStayHereUnlessAsked(t *testing.T) {
	up := upstream(t, echo)
	var trouble error
	relay := func(*http.Request) (string, error) { return "of-the-provider", trouble }
	g := siteOf(t, nil,
		Rule{Path: "/closed/", Target: Target{Upstream: up}},
		Rule{Path: "/forward/", Target: Target{Upstream: up, ForwardAuthorization: true}},
		Rule{Path: "/relay/", Realm: "school", Target: Target{Upstream: up, Bearer: relay}})
	const cookie, auth = "a=1; __Host-bursar=kim", "Bearer kim"
	for _, tt := range []struct{ path, name, value, want string }{
		{"/closed/", "Authorization", auth, ""},
		{"/closed/", "Cookie", cookie, ""},
		{"/forward/", "Authorization", auth, "Authorization: Bearer kim\n"},
		{"/relay/", "Cookie", cookie, "Authorization: Bearer of-the-provider\n"},
		{"/relay/", "Authorization", auth, ""},
	} {
		body := get(g, tt.path, tt.name, tt.value).Body.String()
		if tt.want == "" && strings.Contains(body, "Authorization") || !strings.Contains(body, tt.want) || strings.Contains(body, "__Host-bursar") || tt.name == "Cookie" && !strings.Contains(body, "Cookie: a=1\n") {
			t.Errorf("%s with %s: want %q\n%s", tt.path, tt.name, tt.want, body)
		}
	}
	trouble = &provider.Refusal{Reason: provider.NoCredentials}
	if w := get(g, "/relay/", "Cookie", cookie); w.Code != 401 || w.Header().Get("WWW-Authenticate") != `Session realm="school"` {
		t.Errorf("a session whose token is gone: %d %v", w.Code, w.Header())
	}
	trouble = errors.New("the provider is down")
	if w := get(g, "/relay/", "Cookie", cookie); w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "down") {
		t.Errorf("no token at the moment: %d %v %s", w.Code, w.Header(), w.Body)
	}
}

func TestAnUpstreamCannotSetOurCookiesNorMakeAGuardedAnswerPublic(t *testing.T) {
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Set-Cookie", "__Host-bursar=evil; Path=/; Secure")
		h.Add("Set-Cookie", "theme=dark")
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Link", "</early>")
		w.WriteHeader(http.StatusEarlyHints)
		if r.URL.Query().Has("public") {
			h.Set("Cache-Control", "public, max-age=60")
		}
		io.WriteString(w, "ok")
	})
	cors, err := CORS(CORSConfig{Origins: []string{"https://app.example"}})
	if err != nil {
		t.Fatal(err)
	}
	srv := serverOf(t, cors(siteOf(t, nil, Rule{Path: "/app/", Target: Target{Upstream: up}}, everybody("/", Target{Upstream: up}))))
	ask := func(path string) *http.Response {
		t.Helper()
		req, err := http.NewRequest("GET", "http://"+srv+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer kim")
		req.Header.Set("Origin", "https://app.example")
		early := 0
		req = req.WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			early++
			if c := http.Header(h)["Set-Cookie"]; len(c) != 1 || c[0] != "theme=dark" {
				t.Errorf("%d sets %q", code, c)
			}
			return nil
		}}))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if early != 1 {
			t.Errorf("%d early hints", early)
		}
		if c := resp.Header["Set-Cookie"]; len(c) != 1 || c[0] != "theme=dark" {
			t.Errorf("%s sets %q", path, c)
		}
		if o := resp.Header["Access-Control-Allow-Origin"]; len(o) != 1 || o[0] != "https://app.example" {
			t.Errorf("%s allows %q", path, o)
		}
		return resp
	}
	if h := ask("/app/").Header; h.Get("Cache-Control") != "private" || strings.Join(h["Vary"], ",") != "Origin,Cookie" {
		t.Errorf("guarded: %v", h)
	}
	// The upstream does not know that there is a guard, and a cache before us
	// may not look at Vary.
	if h := ask("/app/?public").Header; h.Get("Cache-Control") != "private, max-age=60" {
		t.Errorf("an answer for one is for all: %v", h)
	}
	if h := ask("/").Header; h.Get("Cache-Control") != "" || strings.Join(h["Vary"], ",") != "Origin" {
		t.Errorf("public: %v", h)
	}
}

func TestAStreamArrivesPieceByPieceAndOutlivesTheServersTimeouts(t *testing.T) {
	next, gone := make(chan string), make(chan struct{})
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(200)
		http.NewResponseController(w).Flush()
		for {
			select {
			case piece := <-next:
				io.WriteString(w, "data: "+piece+"\n\n")
				http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				close(gone)
				return
			}
		}
	})
	srv := httptest.NewUnstartedServer(siteOf(t, nil, everybody("/", Target{Upstream: up})))
	srv.Config.ReadTimeout, srv.Config.WriteTimeout = 300*time.Millisecond, 300*time.Millisecond
	srv.Start()
	t.Cleanup(srv.Close)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	req, err := http.NewRequestWithContext(ctx, "GET", srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	tick := time.NewTicker(150 * time.Millisecond) // the pace of the upstream, three times the server's timeouts in all
	defer tick.Stop()
	for i := range 6 {
		next <- fmt.Sprint(i)
		for _, want := range []string{fmt.Sprintf("data: %d\n", i), "\n"} {
			if line, err := lines.ReadString('\n'); err != nil || line != want {
				t.Fatalf("piece %d: %q, %v, want %q", i, line, err, want)
			}
		}
		<-tick.C
	}
	leave() // the client goes, and the upstream hears of it
	<-gone
}

func TestASlowUploadOutlivesTheServersTimeouts(t *testing.T) {
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, err)
	})
	srv := httptest.NewUnstartedServer(siteOf(t, nil, everybody("/", Target{Upstream: up})))
	srv.Config.ReadTimeout, srv.Config.WriteTimeout = 300*time.Millisecond, 300*time.Millisecond
	srv.Start()
	t.Cleanup(srv.Close)
	body, send := io.Pipe()
	go func() {
		tick := time.NewTicker(150 * time.Millisecond)
		defer tick.Stop()
		for range 5 {
			send.Write(make([]byte, 1000))
			<-tick.C
		}
		send.Close()
	}()
	resp, err := http.Post(srv.URL, "application/octet-stream", body)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || string(got) != "5000 <nil>" {
		t.Errorf("%d %q", resp.StatusCode, got)
	}
}

func TestBigBodiesPassBothWays(t *testing.T) {
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	srv := serverOf(t, siteOf(t, nil, everybody("/", Target{Upstream: up})))
	big := make([]byte, 20<<20)
	rand.Read(big)
	resp, err := http.Post("http://"+srv+"/", "application/octet-stream", bytes.NewReader(big))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(got, big) {
		t.Errorf("%d of %d bytes came back, %v", len(got), len(big), err)
	}
}

func TestTrailersOfAnAnswerPass(t *testing.T) {
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "body")
		w.Header().Set("X-Sum", "4")
	})
	resp, err := http.Get("http://" + serverOf(t, siteOf(t, nil, everybody("/", Target{Upstream: up}))))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	if resp.Trailer.Get("X-Sum") != "4" {
		t.Errorf("the trailers are %v", resp.Trailer)
	}
}

func TestAnOldClientIsServed(t *testing.T) {
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		io.WriteString(w, "one ")
		http.NewResponseController(w).Flush()
		io.WriteString(w, "two")
	})
	status, answer := raw(t, serverOf(t, siteOf(t, nil, everybody("/", Target{Upstream: up}))), "GET / HTTP/1.0", "", "")
	if status != "HTTP/1.0 200 OK" || !strings.HasSuffix(answer, "\r\n\r\none two") || strings.Contains(answer, "103") {
		t.Errorf("%s\n%s", status, answer)
	}
}

func TestAnUpstreamThatIsDownOrHangs(t *testing.T) {
	closed := httptest.NewServer(nil)
	down, _ := url.Parse(closed.URL)
	closed.Close()
	release := make(chan struct{})
	hanging := upstream(t, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(func() { close(release) }) // before the server closes, which waits
	var calls atomic.Int32
	rude := upstream(t, func(w http.ResponseWriter, r *http.Request) { // takes the request and hangs up
		calls.Add(1)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			conn.Close()
		}
	})
	g := siteOf(t, nil,
		everybody("/down", Target{Upstream: down}),
		everybody("/hangs", Target{Upstream: hanging, Timeout: 50 * time.Millisecond}),
		everybody("/rude", Target{Upstream: rude}),
		Rule{Path: "/plain", Anonymous: true, PlainErrors: true, Target: Target{Upstream: down}})
	for _, tt := range []struct {
		path string
		code int
		body string
	}{
		{"/down", 502, `"error":"bad_gateway"`}, {"/hangs", 504, `"error":"gateway_timeout"`}, {"/rude", 502, `"error":"bad_gateway"`}, {"/plain", 502, "Bad Gateway"},
	} {
		w := get(g, tt.path)
		if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.body) || strings.Contains(w.Body.String(), "127.0.0.1") || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s %v", tt.path, w.Code, w.Body, w.Header())
		}
	}
	// A body that may have been read once is not sent again.
	calls.Store(0)
	r := httptest.NewRequest("POST", "/rude", strings.NewReader("pay 10"))
	w := httptest.NewRecorder()
	if g.ServeHTTP(w, r); w.Code != 502 || calls.Load() != 1 {
		t.Errorf("a POST: %d after %d calls", w.Code, calls.Load())
	}
}

func TestABodyThatTheClientBreaksIsTheClientsFault(t *testing.T) {
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
	srv := serverOf(t, siteOf(t, nil, everybody("/", Target{Upstream: up})))
	status, _ := raw(t, srv, "POST / HTTP/1.1", "Host: school.example", "Transfer-Encoding: chunked", "", "zzz", "", "")
	if status != "HTTP/1.1 400 Bad Request" {
		t.Errorf("a malformed chunk: %s", status)
	}
	limited := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 10)
		siteOf(t, nil, everybody("/", Target{Upstream: up})).ServeHTTP(w, r)
	})
	resp, err := http.Post("http://"+serverOf(t, limited), "text/plain", io.LimitReader(rand.Reader, 1000))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 413 {
		t.Errorf("too large a body: %d", resp.StatusCode)
	}
}

func TestAWebsocketPassesAndOtherTunnelsDoNot(t *testing.T) {
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" || r.Header.Get("Connection") != "Upgrade" {
			echo(w, r)
			return
		}
		sum := sha1.Sum([]byte(r.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\nSet-Cookie: __Host-bursar=evil\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
		rw.Flush()
		for {
			text, err := readFrame(rw.Reader)
			if err != nil {
				return
			}
			writeFrame(rw, r.Header.Get(remoteUser)+" says "+text, false)
			rw.Flush()
		}
	})
	srv := httptest.NewUnstartedServer(siteOf(t, nil, Rule{Path: "/ws", Target: Target{Upstream: up}}))
	srv.Config.ReadTimeout, srv.Config.WriteTimeout = 300*time.Millisecond, 300*time.Millisecond
	srv.Start()
	t.Cleanup(srv.Close)
	dial := func(lines ...string) (*bufio.ReadWriter, *http.Response) {
		t.Helper()
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		rw := bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn))
		rw.WriteString("GET /ws HTTP/1.1\r\nHost: school.example\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n")
		rw.Flush()
		resp, err := http.ReadResponse(rw.Reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		return rw, resp
	}
	const upgrade, key = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
	rw, resp := dial(upgrade, key, "Cookie: __Host-bursar=kim", "Origin: https://school.example", "Sec-Fetch-Site: same-origin")
	if resp.StatusCode != 101 || resp.Header.Get("Sec-Websocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" || resp.Header.Get("Set-Cookie") != "" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	tick := time.NewTicker(200 * time.Millisecond) // outlives the server's timeouts
	defer tick.Stop()
	for i := range 4 {
		writeFrame(rw, fmt.Sprint("hello ", i), true)
		rw.Flush()
		if text, err := readFrame(rw.Reader); err != nil || text != fmt.Sprint("auth0|kim says hello ", i) {
			t.Fatalf("%q, %v", text, err)
		}
		<-tick.C
	}

	for name, lines := range map[string][]string{
		"nobody":                 {upgrade, key},
		"a page of another site": {upgrade, key, "Cookie: __Host-bursar=kim", "Origin: https://evil.example"},
		"a page of another site that lies about the fetch": {upgrade, key, "Cookie: __Host-bursar=kim", "Origin: https://evil.example", "X-CSRF: 1"},
	} {
		if _, resp := dial(lines...); resp.StatusCode != 401 && resp.StatusCode != 403 {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
	_, resp = dial("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__", "Authorization: Bearer kim")
	body, _ := io.ReadAll(io.LimitReader(resp.Body, resp.ContentLength))
	if resp.StatusCode != 200 || strings.Contains(string(body), "Upgrade") || strings.Contains(string(body), "Http2-Settings") {
		t.Errorf("h2c: %d\n%s", resp.StatusCode, body)
	}
}

// readFrame and writeFrame are the little of RFC 6455 section 5 that short
// texts need.
func readFrame(r *bufio.Reader) (string, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", err
	}
	var mask [4]byte
	if head[1]&0x80 != 0 {
		if _, err := io.ReadFull(r, mask[:]); err != nil {
			return "", err
		}
	}
	text := make([]byte, head[1]&0x7f)
	if _, err := io.ReadFull(r, text); err != nil {
		return "", err
	}
	for i := range text {
		text[i] ^= mask[i%4]
	}
	return string(text), nil
}

func writeFrame(w io.Writer, text string, masked bool) {
	frame := []byte{0x81, byte(len(text))}
	mask := [4]byte{}
	if masked {
		mask = [4]byte{1, 2, 3, 4}
		frame[1] |= 0x80
		frame = append(frame, mask[:]...)
	}
	for i := range len(text) {
		frame = append(frame, text[i]^mask[i%4])
	}
	w.Write(frame)
}

func TestTraceIsNotHandedOn(t *testing.T) {
	g := siteOf(t, nil, everybody("/", Target{Upstream: upstream(t, echo)}))
	if w := do(g, http.MethodTrace, "/"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("TRACE: %d", w.Code)
	}
}
