package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"bursar/internal/store"
	"bursar/roles"
	"bursar/webhooks/gumroad/gumroadtest"
)

//go:embed try.html
var tryHTML []byte

// tryPage is the page of the embedded default: it plays the seller, the buyer
// and the stranger, and shows what bursar makes of it. It exists only where
// tenant and shop are embedded.
type tryPage struct {
	app *App
}

func newTryPage(a *App) http.Handler {
	t := &tryPage{app: a}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /try/{$}", t.page)
	mux.HandleFunc("GET /try/state", t.state)
	mux.HandleFunc("POST /try/{verb}", t.play)
	// No other site may press these buttons.
	return http.NewCrossOriginProtection().Handler(mux)
}

func (t *tryPage) page(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
	h.Set("X-Content-Type-Options", "nosniff")
	w.Write(tryHTML)
}

// play carries out one button.
func (t *tryPage) play(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	shop, tenant := t.app.embeddedShop, t.app.embeddedTenant
	email, product, sale := strings.TrimSpace(r.FormValue("email")), r.FormValue("product"), r.FormValue("sale")
	switch r.PathValue("verb") {
	case "buy", "buy-silently", "stranger", "forge":
		if _, err := roles.EmailKey(email); err != nil {
			fail(w, errors.New("write the buyer's e-mail address first"))
			return
		}
	}
	var err error
	said := ""
	switch r.PathValue("verb") {
	case "buy":
		_, err = shop.Buy(gumroadtest.BuyOptions{Email: email, Product: product})
		said = "Bought. The shop has sent its ping."
	case "buy-silently":
		shop.SetPingURL("")
		_, err = shop.Buy(gumroadtest.BuyOptions{Email: email, Product: product})
		shop.SetPingURL(t.app.pingURL(shop.name))
		said = "Bought, and the ping is lost. The sweep finds it within a minute, or at once with the button."
	case "sweep":
		for _, s := range t.app.sweepers {
			s.Nudge()
		}
		said = "Sweeping now."
	case "refund":
		err = shop.Refund(sale)
		said = "Refunded."
	case "partial":
		err = shop.RefundPartial(sale, 100)
		said = "A dollar went back. By default a partial refund keeps the course."
	case "chargeback":
		err = shop.Chargeback(sale)
		said = "The bank took the money back."
	case "won":
		err = shop.ChargebackWon(sale)
		said = "The bank decided for the seller."
	case "resend":
		err = shop.ResendPing(sale)
		said = "The shop sent the ping again."
	case "stranger":
		_, err = tenant.SignUp(email, newPassword())
		said = "A stranger has signed up with that address and not verified it. Now buy with it."
	case "forge":
		_, err = t.app.forge(r.Context(), email, product)
		said = "A forged ping was posted. It got its 200, and nobody gets a role."
		if len(t.app.sweepers) == 0 { // without an access token nothing is read back
			said = "A forged ping was posted, and it is believed: that is what an access token at the shop prevents."
		}
	case "provider-down", "provider-up":
		tenant.Down(r.PathValue("verb") == "provider-down")
		said = "The tenant is " + strings.TrimPrefix(r.PathValue("verb"), "provider-") + "."
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, http.StatusOK, map[string]string{"said": said})
}

func fail(w http.ResponseWriter, err error) {
	answer(w, http.StatusUnprocessableEntity, map[string]string{"error": err.Error()})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

// state is everything the page shows, read where it really is: sales in the
// shop, accounts and roles in the tenant, deliveries in our store.
func (t *tryPage) state(w http.ResponseWriter, r *http.Request) {
	type sale struct {
		ID      string    `json:"id"`
		Email   string    `json:"email"`
		Product string    `json:"product"`
		At      time.Time `json:"at"`
		State   string    `json:"state"`
	}
	type account struct {
		Email    string   `json:"email"`
		Verified bool     `json:"verified"`
		Roles    []string `json:"roles"`
		Mail     string   `json:"mail,omitempty"`
		Status   string   `json:"status"`
		Note     string   `json:"note"`
	}
	type delivery struct {
		ID    int64     `json:"id"`
		Kind  string    `json:"kind"`
		From  string    `json:"from"`
		State string    `json:"state"`
		Note  string    `json:"note"`
		At    time.Time `json:"at"`
		Times int       `json:"times"`
	}
	out := struct {
		Products   []map[string]string `json:"products"`
		Sales      []sale              `json:"sales"`
		Accounts   []account           `json:"accounts"`
		Deliveries []delivery          `json:"deliveries"`
	}{[]map[string]string{}, []sale{}, []account{}, []delivery{}}

	names := map[string]string{}
	for _, p := range t.app.embeddedShop.Products() {
		names[p.ID] = p.Name
		out.Products = append(out.Products, map[string]string{"id": p.ID, "name": p.Name})
	}
	for _, s := range slices.Backward(t.app.embeddedShop.Sales()) {
		out.Sales = append(out.Sales, sale{s.ID, s.Email, names[s.ProductID], s.CreatedAt, saleState(s)})
		if len(out.Sales) == 20 {
			break
		}
	}
	for _, u := range slices.Backward(t.app.embeddedTenant.Users()) {
		a := account{Email: u.Email, Verified: u.EmailVerified, Roles: append([]string{}, t.app.embeddedTenant.Roles(u.Email)...)}
		if mails := t.app.embeddedTenant.Mailbox(u.Email); len(mails) > 0 {
			a.Mail = mails[len(mails)-1].Link
		}
		if key, err := roles.EmailKey(u.Email); err == nil {
			if v, err := t.app.store.Ledger().View(r.Context(), key); err == nil {
				a.Status, a.Note = string(v.Status), v.Note
			}
		}
		out.Accounts = append(out.Accounts, a)
		if len(out.Accounts) == 20 {
			break
		}
	}
	list, err := t.app.store.Deliveries(r.Context(), store.Filter{Limit: 20})
	if err != nil {
		fail(w, errors.New("the store cannot be read"))
		return
	}
	for _, d := range list {
		out.Deliveries = append(out.Deliveries, delivery{d.ID, d.Kind, string(d.Source), string(d.State), d.Note, d.LastReceived, d.Deliveries})
	}
	answer(w, http.StatusOK, out)
}

// pingURL is the webhook URL as the shop has it, secret included.
func (a *App) pingURL(shop string) string {
	u := "http://" + a.public.Addr().String() + "/webhooks/" + shop
	if s := a.cfg.Shops[shop].Secret; s != "" {
		u += "/" + string(s)
	}
	return u
}
