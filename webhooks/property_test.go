package webhooks_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/provider/auth0"
	"bursar/provider/auth0/auth0test"
	"bursar/roles"
	. "bursar/webhooks/gumroad/gumroadtest"

	"github.com/google/go-cmp/cmp"
)

var people = []string{ann, bob, "cyn@example.test"}

// A school is a house with a tenant behind it.
type school struct {
	*house
	tenant *auth0test.Tenant
	rec    *roles.Reconciler
}

func newSchool(t testing.TB, past Past) *school {
	t.Helper()
	s := &school{house: newHouse(t, houseConfig{past: past})}
	s.tenant = auth0test.New(auth0test.Config{Issuer: "http://127.0.0.1:9999/", Now: s.clock,
		Clients: []auth0test.Client{{ID: "bursar", Secret: "not-a-secret", Management: auth0.Enrol.Scopes}}})
	dir, err := auth0.New(auth0.Config{Domain: strings.TrimSuffix(s.tenant.Issuer(), "/"), ClientID: "bursar", ClientSecret: "not-a-secret",
		Now: s.clock, Client: &http.Client{Transport: s.tenant.Transport()}})
	if err != nil {
		t.Fatal(err)
	}
	var cat roles.Catalog
	for _, p := range goods {
		cat.Lines = append(cat.Lines, roles.Line{Shop: "school", Product: productID(p.Name), Roles: []string{s.tenant.AddRole(p.Name)}})
	}
	s.rec, err = roles.NewReconciler(roles.ReconcilerConfig{Ledger: s.st.Ledger(), Directory: dir,
		Catalog: func() roles.Catalog { return cat }, Now: s.clock,
		Accounts: roles.AccountPolicy{Connection: auth0.DefaultConnection, Trusted: []string{auth0.DefaultConnection}}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// look looks once at whoever is due.
func (s *school) look() int {
	claims, err := s.st.Ledger().Claim(s.t.Context(), s.clock(), time.Minute, 100)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range claims {
		s.rec.Look(s.t.Context(), c)
	}
	return len(claims)
}

func (s *school) settle() {
	for range 100 {
		s.workOut()
		if s.look() == 0 {
			return
		}
	}
	s.t.Fatal("somebody is due for ever")
}

// inTheTenant is what everybody holds at the provider.
func (s *school) inTheTenant() map[string][]string {
	held := map[string][]string{}
	for _, p := range people {
		held[p] = s.tenant.Roles(p)
	}
	return held
}

// happen is one step of a story; what is impossible just does not happen. It
// says what it did.
func happen(shop *Shop, rng *rand.Rand) string {
	who, other := people[rng.IntN(3)], people[rng.IntN(3)]
	product := goods[rng.IntN(len(goods))].Name
	var any Sale
	if all := shop.Sales(); len(all) > 0 {
		any = all[rng.IntN(len(all))]
	}
	did := func(what string, err error) string {
		return fmt.Sprintf("%s (%s, %s, %.6s): %v", what, who, product, any.ID, err)
	}
	switch rng.IntN(14) {
	default:
		_, err := shop.Buy(BuyOptions{Email: who, Product: product})
		return did("buy", err)
	case 3:
		_, _, err := shop.BuyGift(BuyOptions{Email: who, Product: product}, other)
		return did("gift to "+other, err)
	case 4:
		_, err := shop.FailPayment(BuyOptions{Email: who, Product: "three"})
		return did("fail", err)
	case 5, 6:
		return did("refund", shop.Refund(any.ID))
	case 7:
		return did("refund in part", shop.RefundPartial(any.ID, 100))
	case 8:
		return did("chargeback", shop.Chargeback(any.ID))
	case 9:
		return did("chargeback won", shop.ChargebackWon(any.ID))
	case 10:
		if any.SubscriptionID != "" || any.BundleID != "" || any.ProductID == productID("both") {
			return did("nothing", nil)
		}
		return did("revoke", shop.RevokeAccess(any.ID))
	case 11:
		return did("end", shop.End(any.SubscriptionID, EndFailedPayment))
	case 12:
		_, err := shop.Renew(any.SubscriptionID)
		return did("renew", err)
	case 13:
		if _, err := shop.Cancel(any.SubscriptionID, ByBuyer); err != nil {
			_, err = shop.Restart(any.SubscriptionID)
			return did("restart", err)
		}
		return did("cancel", nil)
	}
}

// truth is what everybody should hold, by the shop's own books.
func truth(shop *Shop) map[string][]string {
	rows := map[string]Sale{}
	for _, r := range shop.Sales() {
		rows[r.ID] = r
	}
	good := func(id string) bool {
		r, ok := rows[id]
		return !ok || !r.Refunded && (!r.Chargedback || r.DisputeWon) && !r.AccessRevoked
	}
	held := map[string][]string{}
	for _, p := range people {
		held[p] = []string{}
	}
	for _, r := range shop.Sales() {
		switch {
		case r.State != Successful && r.State != Received, r.GiverID == r.ID && r.ID != "":
			continue
		case r.SubscriptionID != "":
			sub := must(shop.Subscription(r.SubscriptionID))
			stands := slices.ContainsFunc(shop.Sales(), func(c Sale) bool {
				return c.SubscriptionID == r.SubscriptionID && c.State == Successful && good(c.ID)
			})
			newest := r
			for _, o := range shop.Sales() {
				if o.SubscriptionID == r.SubscriptionID && o.State == Successful && o.CreatedAt.After(newest.CreatedAt) {
					newest = o
				}
			}
			if !sub.DeactivatedAt.IsZero() || !stands || newest.Chargedback && !newest.DisputeWon {
				continue // over, or every charge of it was given back, or the newest is disputed
			}
		case !good(r.ID) || !good(r.BundleID) || !good(r.GiverID):
			continue
		}
		for _, p := range goods {
			if productID(p.Name) == r.ProductID && !slices.Contains(held[r.Email], p.Name) {
				held[r.Email] = append(held[r.Email], p.Name)
			}
		}
	}
	for _, list := range held {
		slices.Sort(list)
	}
	return held
}

// play tells the story of a seed, and delivers what it sends in the order of
// another: late, early, several times, with work in between or not.
func play(t *testing.T, seed, order uint64) (s *school, story []string) {
	story1, mix := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, order+2))
	s = newSchool(t, Past{ChildrenStayUnflagged: seed%2 == 1})
	sweeper := s.sweeper()
	if _, err := sweeper.Sweep(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	var sent []Delivery // and may come again
	send := func(d Delivery) {
		if n := mix.IntN(4); n == 1 {
			d.Payload = d.Payload.With("retry_count", 1)
		}
		d.JSON = mix.IntN(2) == 0
		s.deliver(d)
		sent = append(sent, d)
	}
	some := func(share float64) {
		pending := s.shop.Pending()
		mix.Shuffle(len(pending), func(i, j int) { pending[i], pending[j] = pending[j], pending[i] })
		for _, d := range pending {
			if mix.Float64() > share {
				continue
			}
			send(d)
			if len(sent) > 0 && mix.IntN(4) == 0 {
				send(sent[mix.IntN(len(sent))])
			}
			switch mix.IntN(6) {
			case 0:
				s.work()
			case 1:
				s.look()
			}
		}
	}
	for range 14 {
		story = append(story, happen(s.shop, story1))
		s.pass(time.Duration(11+story1.IntN(20)) * time.Minute)
		if order > 0 {
			some(0.4)
		}
	}
	some(1)
	s.settle()
	// What no ping tells (a gift's refund, access taken by hand).
	if _, err := sweeper.Sweep(t.Context(), 72*time.Hour); err != nil {
		t.Fatal(err)
	}
	s.settle()
	return s, story
}

// Any permutation and duplication of the same deliveries ends in the same roles,
// and those are the right ones.
func TestAnyOrderOfDeliveriesEndsInTheSameRoles(t *testing.T) {
	seeds := uint64(24)
	if testing.Short() {
		seeds = 6
	}
	t.Parallel()
	some := 0
	for seed := range seeds {
		for order := range uint64(3) {
			s, story := play(t, seed, order)
			got, want := s.inTheTenant(), truth(s.shop)
			for _, list := range want {
				some += len(list)
			}
			s.close()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("seed %d, order %d: the tenant differs from the shop's books (-books +tenant):\n%s\n%s", seed, order, diff, strings.Join(story, "\n"))
				break
			}
		}
	}
	if some == 0 {
		t.Error("in no story did anybody hold anything")
	}
}
