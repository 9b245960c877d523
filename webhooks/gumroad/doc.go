// Package gumroad is the shop adapter for Gumroad.
//
// Its pings carry no signature, come late, twice, out of order or not at all,
// and some of their fields can be overwritten by a buyer (facts: the ping page
// of Gumroad itself says to use them as a trigger). So a ping is only ever a
// hint: [Shop.Read] asks the v2 API what is true of the sale, and the facts
// come from there. The API's scope that it needs is view_sales, nothing else.
//
// Without an access token nothing can be read back. The shop then runs in the
// mode that is called "unverified pings": it believes what a ping says, so
// whoever learns the webhook URL can give roles away. That mode exists to try
// things out; it says so in the log.
package gumroad
