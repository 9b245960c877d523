package gate

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/rs/cors"
)

// CORSConfig says which other origins' pages may call us, with credentials.
type CORSConfig struct {
	// Origins are written as browsers send them: "https://app.example", or http
	// on a loopback address. There is no wildcard. Empty means none.
	Origins []string
	Methods []string // beside GET, HEAD and POST; nil means PUT, PATCH and DELETE
	Headers []string // that pages may send, beside Authorization, Content-Type, X-CSRF and the conditional ones
	Expose  []string // that pages may read, beside WWW-Authenticate, Access_token, Retry-After, ETag and Location

	MaxAge time.Duration // how long browsers remember a preflight; zero means 10 minutes
}

// CORS returns what to put around a handler, outside every guard: a preflight
// brings no credentials and is answered there. An origin that is not listed
// gets no CORS headers, and its browser keeps the answer from the page; the
// request itself is for the guard to judge (provider.CheckSameSite). With no
// origins the handler stays as it is. All faults are reported at once.
func CORS(cfg CORSConfig) (func(http.Handler) http.Handler, error) {
	var faults []error
	for _, origin := range cfg.Origins {
		if err := checkOrigin(origin); err != nil {
			faults = append(faults, err)
		}
	}
	for _, name := range slices.Concat(cfg.Methods, cfg.Headers, cfg.Expose) {
		if !isToken(name) || name == "*" {
			faults = append(faults, fmt.Errorf("gate: CORS: %q is no name of a method or header", name))
		}
	}
	if cfg.MaxAge < 0 {
		faults = append(faults, errors.New("gate: CORS: MaxAge is negative"))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if len(cfg.Origins) == 0 { // which the library takes for "all"
		return func(h http.Handler) http.Handler { return h }, nil
	}
	if cfg.Methods == nil {
		cfg.Methods = []string{http.MethodPut, http.MethodPatch, http.MethodDelete}
	}
	if cfg.MaxAge == 0 {
		cfg.MaxAge = 10 * time.Minute
	}
	return cors.New(cors.Options{
		AllowedOrigins:   cfg.Origins,
		AllowedMethods:   append([]string{http.MethodGet, http.MethodHead, http.MethodPost}, cfg.Methods...),
		AllowedHeaders:   append([]string{"Accept", "Authorization", "Content-Type", "If-Match", "If-None-Match", "If-Modified-Since", "Last-Event-ID", "X-CSRF", "X-Requested-With"}, cfg.Headers...),
		ExposedHeaders:   append([]string{"WWW-Authenticate", "Access_token", "Retry-After", "ETag", "Location"}, cfg.Expose...),
		AllowCredentials: true,
		MaxAge:           int(cfg.MaxAge / time.Second),
	}).Handler, nil
}

// checkOrigin takes what a browser would send (RFC 6454 section 7), and only
// where nobody on the way can change the page.
func checkOrigin(origin string) error {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || origin != u.Scheme+"://"+u.Host || !hostSafe(u.Host) {
		return fmt.Errorf(`gate: CORS: the origin %q must be like "https://app.example", in lower case, without a path`, origin)
	}
	for _, c := range origin {
		if 'A' <= c && c <= 'Z' {
			return fmt.Errorf("gate: CORS: the origin %q must be in lower case, as browsers send it", origin)
		}
	}
	if p := u.Port(); u.Scheme == "https" && p == "443" || u.Scheme == "http" && p == "80" {
		return fmt.Errorf("gate: CORS: the origin %q must be without its port, as browsers send it", origin)
	}
	if u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()) {
		return nil
	}
	return fmt.Errorf("gate: CORS: the origin %q must be https, or http on a loopback address", origin)
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
