package grant

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"bursar/provider"
)

// Format is how a token is written.
type Format string

const (
	JWT    Format = "jwt"    // ours: ES256, header typ provider.GrantType
	Twilio Format = "twilio" // Twilio's access token: HS256, header cty twilio-fpa;v=1
)

// Body is what an answer has in its body.
type Body string

const (
	JSON Body = "json" // the token and what belongs to it
	OK   Body = "ok"   // the word OK; the token is in the header alone
)

// MaxTTL is the longest that any token lives.
const MaxTTL = 24 * time.Hour

// A Kind is one sort of token that can be asked for, by its name. Name is
// required, and Audience for JWT, and TwilioAccount for Twilio.
type Kind struct {
	Name   string
	Format Format // empty means JWT

	// Audience is who a JWT is for: the claim aud.
	Audience []string
	TTL      time.Duration // zero means 1 h, or MaxTTL if that is shorter
	MaxTTL   time.Duration // that can be asked for; zero means 24 h, which is the most

	// Roles are those of which one is needed to get the token at all; nil means
	// that everybody gets one who proves to be somebody.
	Roles []string
	// Grants are what everybody's token carries; Config.RoleGrants adds to it. A
	// Twilio token carries only those of video, voice, chat, conversations and
	// sync for which the account has what they need.
	Grants []string

	// Identity and Room are templates over the principal: {{.Subject}},
	// {{.Email}}, {{.Name}}, {{.Issuer}}, {{.Roles}}. Who lacks something that
	// the template names gets no token; {{.Email}} is lacking also if it is not
	// verified. An empty Identity means {{.Subject}}. An empty Room means every
	// room in Twilio's video grant, and whoever asks may choose one; in a JWT it
	// means none.
	Identity, Room string

	// Claims are added to each JWT as they stand.
	Claims map[string]any

	Header      string // of the answer, which carries the token too; empty means none
	Body        Body   // empty means JSON; OK needs a Header
	PlainErrors bool   // refusals are text/plain instead of JSON

	TwilioAccount *TwilioAccount
}

// TwilioAccount is on whose behalf Twilio tokens are issued. The first three
// are required. Grants that lack what they need here are not carried.
type TwilioAccount struct {
	AccountSID string // AC...
	KeySID     string // SK..., of an API key
	KeySecret  provider.Secret

	ChatServiceSID          string // IS..., for chat and for conversations
	ConversationsProfileSID string // CP..., for the rtc grant of older conversations clients
	SyncServiceSID          string // IS..., for sync
	VoiceApplicationSID     string // AP..., for outgoing calls
	VoiceIncoming           bool   // voice may take calls
}

// kind is a Kind that New has looked at.
type kind struct {
	Kind
	identity, room *template
}

// reserved are the claims that verifiers, ours or others', act on.
var reserved = []string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "typ",
	"roles", "scope", "permissions", "groups", "entitlements", "grants", "identity", "room",
	"auth_time", "acr", "amr", "name", "email", "email_verified", "subject_issuer",
	"client_id", "azp", "gty", "sub_profile", "act", "may_act", "cnf",
	"nonce", "at_hash", "c_hash", "s_hash", "events", "sid", "htm", "htu", "ath",
}

func (k Kind) completed(signs bool) (*kind, error) {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("kind %q: %w", k.Name, fmt.Errorf(format, args...)))
	}
	if k.Name == "" {
		fault("it has no name")
	}
	k.Format, k.Body = cmp.Or(k.Format, JWT), cmp.Or(k.Body, JSON)
	switch k.Format {
	case JWT:
		if len(k.Audience) == 0 || slices.Contains(k.Audience, "") {
			fault("Audience is required, none of it empty")
		}
		if !signs {
			fault("signing keys and an issuer are required")
		}
		if k.TwilioAccount != nil {
			fault("it has a Twilio account, and is no Twilio token")
		}
	case Twilio:
		if k.TwilioAccount == nil {
			fault("TwilioAccount is required")
		} else if err := k.TwilioAccount.check(k.Grants); err != nil {
			fault("%w", err)
		}
		if len(k.Claims) > 0 || len(k.Audience) > 0 {
			fault("Twilio's tokens have no place for Claims or Audience")
		}
	default:
		fault("format %q is not known", k.Format)
	}
	if k.Body != JSON && k.Body != OK {
		fault("body %q is not known", k.Body)
	}
	if k.Body == OK && k.Header == "" {
		fault("the token would be nowhere: the body is OK, and there is no header")
	}
	if k.Header != "" && !fitHeader(k.Header) {
		fault("%q is no name for the token's header", k.Header)
	}
	k.MaxTTL = cmp.Or(k.MaxTTL, MaxTTL)
	k.TTL = cmp.Or(k.TTL, min(time.Hour, k.MaxTTL))
	switch {
	case k.MaxTTL < time.Second || k.MaxTTL > MaxTTL:
		fault("MaxTTL is %v, and must be between 1s and %v", k.MaxTTL, MaxTTL)
	case k.TTL < time.Second || k.TTL > k.MaxTTL:
		fault("TTL is %v, and must be between 1s and MaxTTL, %v", k.TTL, k.MaxTTL)
	}
	if k.Roles != nil && len(k.Roles) == 0 {
		fault("Roles is an empty list; leave it out to ask for none")
	}
	if slices.Contains(slices.Concat(k.Roles, k.Grants), "") {
		fault("a role or a grant has no name")
	}
	for _, name := range slices.Sorted(maps.Keys(k.Claims)) {
		if name == "" || slices.Contains(reserved, name) {
			fault("the claim %q is not for the configuration to set", name)
		} else if _, err := json.Marshal(k.Claims[name]); err != nil {
			fault("the claim %q: %w", name, err)
		}
	}
	out := &kind{Kind: k}
	var err error
	if out.identity, err = newTemplate("identity", cmp.Or(k.Identity, "{{.Subject}}")); err != nil {
		fault("%w", err)
	}
	if out.room, err = newTemplate("room", k.Room); err != nil {
		fault("%w", err)
	}
	return out, errors.Join(faults...)
}

// fitHeader: a token, and not one of the headers that mean something else.
func fitHeader(name string) bool {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
		return false
	}
	switch http.CanonicalHeaderKey(name) {
	case "Set-Cookie", "Content-Type", "Content-Length", "Cache-Control", "Location", "Www-Authenticate",
		"Connection", "Transfer-Encoding", "Trailer", "Upgrade", "Retry-After", "Date", "Vary":
		return false
	}
	return true
}

// carries are the grants that p's token may have, sorted.
func (k *kind) carries(p *provider.Principal, roleGrants map[string][]string) []string {
	list := slices.Clone(k.Grants)
	for _, role := range p.Roles {
		list = append(list, roleGrants[role]...)
	}
	slices.Sort(list)
	list = slices.Compact(list)
	if k.Format == Twilio {
		list = slices.DeleteFunc(list, func(g string) bool { return !k.TwilioAccount.offers(g) })
	}
	return list
}
