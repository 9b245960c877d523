package gumroadtest

import (
	"fmt"
	"slices"
)

// Refund gives the whole of a sale back: the ping "refund" with refunded=true.
// For a gift (either side may be named) the flags change on both rows and
// nothing is pinged. A bundle's children are flagged, but only the bundle is
// pinged. A subscription goes on, unless its cancellation was pending: then it
// ends now.
func (s *Shop) Refund(saleID string) error {
	defer s.begin()()
	r, err := s.paid(saleID)
	if err != nil {
		return err
	}
	return s.refund(r, r.Price-r.refundedCents())
}

// RefundPartial gives cents back: the ping "refund", which names no amount, with
// refunded=false until everything is back.
func (s *Shop) RefundPartial(saleID string, cents int) error {
	defer s.begin()()
	r, err := s.paid(saleID)
	if err != nil {
		return err
	}
	if cents <= 0 || cents > r.Price-r.refundedCents() {
		return fmt.Errorf("gumroadtest: sale %s: %d cents cannot be refunded of %d", r.ID, cents, r.Price-r.refundedCents())
	}
	return s.refund(r, cents)
}

func (s *Shop) refund(r *Sale, cents int) error {
	if r.Refunded {
		return fmt.Errorf("gumroadtest: sale %s is refunded already", r.ID)
	}
	r.refunds = append(r.refunds, cents)
	s.reflag(r)
	if sub := s.of(r); sub != nil && sub.alive(s.now()) && !sub.CancelledAt.IsZero() {
		sub.CancelledAt = s.second()
		s.deactivate(sub, s.second())
	}
	if !r.giver() {
		s.ping(EventRefund, r, nil)
	}
	return nil
}

// RefundBouncesBack takes the newest refund of a sale back, because the bank
// would not have it. No ping tells.
func (s *Shop) RefundBouncesBack(saleID string) error {
	defer s.begin()()
	r, err := s.paid(saleID)
	if err != nil {
		return err
	}
	if len(r.refunds) == 0 {
		return fmt.Errorf("gumroadtest: sale %s has no refund", r.ID)
	}
	r.refunds = r.refunds[:len(r.refunds)-1]
	s.reflag(r)
	return nil
}

// reflag works out what the refunds make of a sale and of those that hang on it.
func (s *Shop) reflag(r *Sale) {
	full := len(r.refunds) > 0 && r.refundedCents() >= r.Price
	part := len(r.refunds) > 0 && !full
	rows := []*Sale{r}
	if r.giver() {
		rows = append(rows, s.mustSale(r.ReceiverID))
	}
	if !s.past.ChildrenStayUnflagged {
		for _, side := range slices.Clone(rows) {
			rows = append(rows, s.children(side.ID)...)
		}
	}
	for _, row := range rows {
		row.Refunded, row.PartlyRefunded, row.refundedKnown = full, part, true
		if !s.past.LicensesOutliveRefunds {
			row.LicenseDisabled = full
		}
	}
}

// Chargeback is a buyer's dispute with the bank: the ping "dispute". On a gift
// it is the giver's row, which was never pinged before. A membership is also
// cancelled and ended at once.
func (s *Shop) Chargeback(saleID string) error {
	defer s.begin()()
	r, err := s.paid(saleID)
	if err != nil {
		return err
	}
	if r.Chargedback {
		return fmt.Errorf("gumroadtest: sale %s is charged back already", r.ID)
	}
	for _, row := range s.family(r) {
		row.Chargedback = true
	}
	s.ping(EventDispute, r, nil)
	if sub := s.of(r); sub != nil && sub.DeactivatedAt.IsZero() && (!sub.Instalments || s.past.PlansEndByChargeback) {
		s.cancelNow(sub, ByBuyer)
	}
	return nil
}

// ChargebackWon is the bank deciding for the seller: the ping "dispute_won"
// unless the sale was refunded meanwhile, and a membership is restarted.
func (s *Shop) ChargebackWon(saleID string) error {
	defer s.begin()()
	r, err := s.paid(saleID)
	if err != nil {
		return err
	}
	if !r.Chargedback || r.DisputeWon {
		return fmt.Errorf("gumroadtest: sale %s has no open chargeback", r.ID)
	}
	for _, row := range s.family(r) {
		row.DisputeWon = true
	}
	if r.Refunded {
		return nil
	}
	s.ping(EventDisputeWon, r, nil)
	if sub := s.of(r); sub != nil && !sub.DeactivatedAt.IsZero() && sub.EndedAt.IsZero() {
		s.revive(sub)
		s.pingRestarted(sub)
	}
	return nil
}

// ChargebackLost turns a win into a loss, as a bank may later do. No ping
// tells. A chargeback that is lost from the start needs no verb.
func (s *Shop) ChargebackLost(saleID string) error {
	defer s.begin()()
	r, err := s.paid(saleID)
	if err != nil {
		return err
	}
	if !r.Chargedback {
		return fmt.Errorf("gumroadtest: sale %s has no chargeback", r.ID)
	}
	for _, row := range s.family(r) {
		row.DisputeWon = false
	}
	return nil
}

// RevokeAccess and RestoreAccess are the seller's buttons. No ping tells.
func (s *Shop) RevokeAccess(saleID string) error { return s.setAccess(saleID, true) }

// RestoreAccess undoes RevokeAccess.
func (s *Shop) RestoreAccess(saleID string) error { return s.setAccess(saleID, false) }

func (s *Shop) setAccess(saleID string, revoked bool) error {
	defer s.begin()()
	r, err := s.sale(saleID)
	if err != nil {
		return err
	}
	r.AccessRevoked = revoked
	return nil
}

// ChangeEmail is the seller correcting a sale's address. No ping tells.
func (s *Shop) ChangeEmail(saleID, email string) error {
	defer s.begin()()
	r, err := s.sale(saleID)
	if err != nil {
		return err
	}
	if address(email) == "" {
		return errEmail
	}
	r.Email = address(email)
	r.BuyerID = s.buyers[r.Email]
	if r.receiver() {
		r.GifteeEmail = r.Email
		s.mustSale(r.GiverID).GifteeEmail = r.Email
	}
	return nil
}

// ResendPing is the button of the sales page: a sale ping built anew, with the
// flags of now and without the link's parameters.
func (s *Shop) ResendPing(saleID string) error {
	defer s.begin()()
	r, err := s.sale(saleID)
	if err != nil {
		return err
	}
	s.ping(EventSale, r, nil)
	return nil
}

// paid finds the row on which money moves: of a gift the giver's.
func (s *Shop) paid(saleID string) (*Sale, error) {
	r, err := s.sale(saleID)
	if err != nil {
		return nil, err
	}
	if r.receiver() {
		r = s.mustSale(r.GiverID)
	}
	if r.BundleID != "" {
		return nil, fmt.Errorf("gumroadtest: sale %s came with a bundle; name the bundle's sale %s", r.ID, r.BundleID)
	}
	if r.State != Successful {
		return nil, fmt.Errorf("gumroadtest: sale %s is %s: nothing was paid", r.ID, r.State)
	}
	return r, nil
}

// family is a sale with everything that shares its chargeback.
func (s *Shop) family(r *Sale) []*Sale {
	rows := []*Sale{r}
	if r.giver() {
		rows = append(rows, s.mustSale(r.ReceiverID))
	}
	for _, side := range slices.Clone(rows) {
		rows = append(rows, s.children(side.ID)...)
	}
	return rows
}
