package auth0test

import (
	"encoding/json"
	"net/http"
	"strings"
)

// A problem is an error answer of the Management API. errorCode is often
// absent: that is how Auth0 does it.
type problem struct {
	StatusCode int               `json:"statusCode"`
	Error      string            `json:"error"`
	Message    string            `json:"message"`
	Code       string            `json:"errorCode,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

func fail(w http.ResponseWriter, status int, message, code string) {
	answer(w, status, problem{StatusCode: status, Error: http.StatusText(status), Message: message, Code: code})
}

func unauthorized(w http.ResponseWriter, message string) {
	w.Header().Set("WWW-Authenticate", `Bearer error="`+strings.ReplaceAll(message, `"`, "'")+`"`)
	answer(w, http.StatusUnauthorized, problem{
		StatusCode: http.StatusUnauthorized, Error: "Unauthorized", Message: message,
		Attributes: map[string]string{"error": message},
	})
}

func noUser(w http.ResponseWriter) {
	fail(w, http.StatusNotFound, "The user does not exist.", "inexistent_user")
}

func noRole(w http.ResponseWriter) {
	fail(w, http.StatusNotFound, "The role does not exist.", "") // recorded: no errorCode
}

func invalidBody(w http.ResponseWriter, what string) {
	fail(w, http.StatusBadRequest, "Payload validation error: "+what, "invalid_body")
}

func invalidQuery(w http.ResponseWriter, what string) {
	fail(w, http.StatusBadRequest, "Query validation error: "+what, "invalid_query_string")
}

func tooMany(w http.ResponseWriter) {
	fail(w, http.StatusTooManyRequests, "Global limit has been reached", "too_many_requests")
}

// oauthError is an error answer of /oauth/token.
func oauthError(w http.ResponseWriter, status int, code, description string) {
	answer(w, status, map[string]string{"error": code, "error_description": description})
}

func answer(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		panic("auth0test: answer: " + err.Error()) // our own types; metadata came in as JSON
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if w.Header().Get("Cache-Control") == "" {
		w.Header().Set("Cache-Control", "no-store")
	}
	w.WriteHeader(status)
	w.Write(b)
}
