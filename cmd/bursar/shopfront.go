package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"bursar/roles"
	"bursar/webhooks/gumroad/gumroadtest"
)

// shopfront is what the demo's course site needs of the shop and of the
// learner's mailbox, both of which live in this process. It exists only where
// they do.
type shopfront struct {
	app *App
}

func newShopfront(a *App) http.Handler {
	s := &shopfront{app: a}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /shop/buy", s.buy)
	mux.HandleFunc("POST /shop/refund", s.refund)
	mux.HandleFunc("GET /shop/purchases", s.purchases)
	mux.HandleFunc("GET /shop/mail", s.mail)
	// No other site may buy in the learner's name.
	return http.NewCrossOriginProtection().Handler(mux)
}

// learner is whose session the request has; empty for everybody else.
func (s *shopfront) learner(r *http.Request) string {
	if s.app.sessions == nil {
		return ""
	}
	p, err := s.app.sessions.Prove(r)
	if err != nil {
		return ""
	}
	return p.Email
}

func (s *shopfront) read(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(into); err != nil {
		fail(w, errors.New("the request is no JSON"))
		return false
	}
	return true
}

func (s *shopfront) buy(w http.ResponseWriter, r *http.Request) {
	var order struct{ Product, Email string }
	if !s.read(w, r, &order) {
		return
	}
	if order.Email = strings.TrimSpace(order.Email); order.Email == "" {
		order.Email = s.learner(r)
	}
	if _, err := roles.EmailKey(order.Email); err != nil {
		fail(w, errors.New("which e-mail address is the receipt for?"))
		return
	}
	sale, err := s.app.embeddedShop.Buy(gumroadtest.BuyOptions{Email: order.Email, Product: order.Product})
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, http.StatusOK, map[string]string{"sale": sale.ID})
}

// refund gives back one's own purchase only.
func (s *shopfront) refund(w http.ResponseWriter, r *http.Request) {
	var order struct{ Sale string }
	if !s.read(w, r, &order) {
		return
	}
	mine := s.sales(s.learner(r))
	if !slices.ContainsFunc(mine, func(p purchase) bool { return p.ID == order.Sale }) {
		answer(w, http.StatusForbidden, map[string]string{"error": "that is not your purchase"})
		return
	}
	if err := s.app.embeddedShop.Refund(order.Sale); err != nil {
		fail(w, err)
		return
	}
	answer(w, http.StatusOK, map[string]string{"said": "Refunded."})
}

type purchase struct {
	ID      string    `json:"id"`
	Product string    `json:"product"`
	Name    string    `json:"name"`
	At      time.Time `json:"at"`
	State   string    `json:"state"`
}

func (s *shopfront) purchases(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusOK, s.sales(s.learner(r)))
}

// sales are somebody's, newest first.
func (s *shopfront) sales(email string) []purchase {
	list := []purchase{}
	key, err := roles.EmailKey(email)
	if err != nil {
		return list
	}
	products := map[string]gumroadtest.Product{}
	for _, p := range s.app.embeddedShop.Products() {
		products[p.ID] = p
	}
	for _, sale := range slices.Backward(s.app.embeddedShop.Sales()) {
		if k, err := roles.EmailKey(sale.Email); err != nil || k != key {
			continue
		}
		p := products[sale.ProductID]
		list = append(list, purchase{sale.ID, p.Permalink, p.Name, sale.CreatedAt, saleState(sale)})
	}
	return list
}

// mail is the newest link in somebody's mailbox. Here everybody may look: the
// mailbox is as pretended as the shop.
func (s *shopfront) mail(w http.ResponseWriter, r *http.Request) {
	out := map[string]string{"link": ""}
	if mails := s.app.embeddedTenant.Mailbox(r.FormValue("email")); len(mails) > 0 {
		out["link"] = mails[len(mails)-1].Link
	}
	answer(w, http.StatusOK, out)
}

func saleState(s gumroadtest.Sale) string {
	switch {
	case s.Refunded:
		return "refunded"
	case s.Chargedback && !s.DisputeWon:
		return "disputed"
	case s.PartlyRefunded:
		return "partly refunded"
	}
	return "paid"
}
