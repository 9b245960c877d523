package grant

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twilio/twilio-go/client/jwt"
)

// What a Twilio token can carry.
const (
	video         = "video"
	voice         = "voice"
	chat          = "chat"
	conversations = "conversations"
	synchronize   = "sync"
)

var twilioGrants = []string{video, voice, chat, conversations, synchronize}

func (a *TwilioAccount) check(grants []string) error {
	var faults []error
	for _, f := range []struct{ name, value, prefix string }{
		{"AccountSID", a.AccountSID, "AC"}, {"KeySID", a.KeySID, "SK"},
	} {
		if !strings.HasPrefix(f.value, f.prefix) {
			faults = append(faults, fmt.Errorf("TwilioAccount: %s is required, and begins with %s", f.name, f.prefix))
		}
	}
	if a.KeySecret == "" {
		faults = append(faults, errors.New("TwilioAccount: KeySecret is required"))
	}
	for _, g := range grants {
		if !slices.Contains(twilioGrants, g) {
			faults = append(faults, fmt.Errorf("the grant %q is none of Twilio's: %s", g, strings.Join(twilioGrants, " ")))
		} else if !a.offers(g) {
			faults = append(faults, fmt.Errorf("the grant %q lacks its service or application in TwilioAccount", g))
		}
	}
	return errors.Join(faults...)
}

// offers reports whether the account has what the grant needs.
func (a *TwilioAccount) offers(grant string) bool {
	switch grant {
	case video:
		return true
	case voice:
		return a.VoiceApplicationSID != "" || a.VoiceIncoming
	case chat:
		return a.ChatServiceSID != ""
	case conversations:
		return a.ChatServiceSID != "" || a.ConversationsProfileSID != ""
	case synchronize:
		return a.SyncServiceSID != ""
	}
	return false
}

// token writes Twilio's access token. exp is given as a moment: the library
// lets no lifetime below an hour stand.
func (a *TwilioAccount) token(identity, room string, grants []string, issued, expires time.Time) (string, error) {
	t := jwt.CreateAccessToken(jwt.AccessTokenParams{
		AccountSid: a.AccountSID, SigningKeySid: a.KeySID, Secret: string(a.KeySecret), Identity: identity,
		Nbf: float64(issued.Unix()), ValidUntil: float64(expires.Unix()),
	})
	for _, g := range grants {
		switch g {
		case video:
			t.AddGrant(&jwt.VideoGrant{Room: room})
		case voice:
			t.AddGrant(&jwt.VoiceGrant{Incoming: jwt.Incoming{Allow: a.VoiceIncoming}, Outgoing: jwt.Outgoing{ApplicationSid: a.VoiceApplicationSID}})
		case chat:
			t.AddGrant(&jwt.ChatGrant{ServiceSid: a.ChatServiceSID})
		case conversations:
			// Today's clients look for the chat grant, those of before for rtc.
			if a.ChatServiceSID != "" {
				t.AddGrant(&jwt.ChatGrant{ServiceSid: a.ChatServiceSID})
			}
			if a.ConversationsProfileSID != "" {
				t.AddGrant(&jwt.ConversationsGrant{ConfigurationProfileSid: a.ConversationsProfileSID})
			}
		case synchronize:
			t.AddGrant(&jwt.SyncGrant{ServiceSid: a.SyncServiceSID})
		}
	}
	signed, err := t.ToJwt()
	if err != nil {
		return "", fmt.Errorf("grant: twilio: %w", err)
	}
	return signed, nil
}
