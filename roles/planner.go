package roles

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"bursar/provider"
)

// PlannerConfig says what a Planner reads. Census and Catalog are required;
// Roster for audits, and Directory makes those of few people cheaper.
type PlannerConfig struct {
	Census    Census
	Catalog   func() Catalog // the catalog as it is resolved now
	Roster    Roster         // who holds a role
	Directory Directory      // what one account holds; only RolesOf is called
	Accounts  AccountPolicy
	Tenant    string           // whom the plan is about, for people and for World
	Now       func() time.Time // nil means time.Now
	Log       *slog.Logger     // nil means silence
}

// A Planner says what would have to be done so that everybody holds what they
// should. It changes nothing, neither at the provider nor in the ledger. Its
// methods may be called at once.
type Planner struct {
	cfg PlannerConfig
	log *slog.Logger
	now func() time.Time
}

// NewPlanner checks the config and reads nothing.
func NewPlanner(cfg PlannerConfig) (*Planner, error) {
	if cfg.Census == nil || cfg.Catalog == nil {
		return nil, errors.New("roles: a Planner needs a Census and a Catalog")
	}
	p := &Planner{cfg: cfg, log: cmp.Or(cfg.Log, slog.New(slog.DiscardHandler)), now: cfg.Now}
	if p.now == nil {
		p.now = time.Now
	}
	return p, nil
}

// PlanOptions say what is to be planned. The zero value is everybody, as
// believed.
type PlanOptions struct {
	Depth Depth // empty: Believed
	Only  Only
	// Retire are ids of roles that the catalog no longer names and that are to be
	// taken from those to whom we gave them.
	Retire     []string
	OnProgress func(Progress) // told every now and then, never at once; must not block
}

// Progress is how far making or applying a plan has come.
type Progress struct {
	Doing string // "reading who holds Course One"
	Done  int
	Total int // what Done grows to, as far as can be told; 0: cannot
	Calls int // to the provider, so far
}

// ErrNothingSold says that a plan was narrowed to what the catalog gives no role
// for: it would be empty for a reason that is not that all is well.
var ErrNothingSold = errors.New("roles: the catalog has no line for that product")

// Plan writes a plan file to w and returns its foot. If it returns an error,
// what it wrote is not a plan, and [ReadPlan] refuses it. An audit waits for the
// provider as long as ctx lasts; what cannot be read ends it, for half an audit
// would say that the other half is gone.
func (p *Planner) Plan(ctx context.Context, o PlanOptions, w io.Writer) (PlanFoot, error) {
	ctx = provider.WithClass(ctx, provider.Audit)
	m, err := p.begin(o)
	if err != nil {
		return PlanFoot{}, err
	}
	way, err := m.way(ctx)
	if err != nil {
		return PlanFoot{}, err
	}
	m.w = newPlanWriter(w)
	m.total = way.total
	head := PlanHead{
		Format: planFormat, Made: p.now().UTC().Truncate(time.Millisecond), Tenant: p.cfg.Tenant, Depth: m.o.Depth,
		World: World(p.cfg.Tenant, m.cat, p.cfg.Accounts), Only: o.Only, Retire: o.Retire,
	}
	if err := m.w.line(head); err != nil {
		return PlanFoot{}, fmt.Errorf("roles: write a plan: %w", err)
	}
	m.byAccount = way.byAccount
	if m.o.Depth == Audit && !way.byAccount {
		if err := m.readRoles(ctx); err != nil {
			return PlanFoot{}, err
		}
	}
	if err := m.walk(ctx); err != nil {
		return PlanFoot{}, err
	}
	return m.end(ctx, way)
}

// A making is one plan on its way.
type making struct {
	*Planner
	o      PlanOptions
	only   Only // of o, and without the roles that are gone
	cat    Catalog
	covers func(role string) bool

	byAccount bool // the audit reads account by account

	mu    sync.Mutex // guards all below while several roles are read at once
	w     *planWriter
	t     *tally
	seen  map[Email][]sighted
	calls int
	done  int
	total int
}

func (p *Planner) begin(o PlanOptions) (*making, error) {
	switch o.Depth = cmp.Or(o.Depth, Believed); {
	case o.Depth != Believed && o.Depth != Audit:
		return nil, fmt.Errorf("roles: a plan's depth is %q or %q, not %q", Believed, Audit, o.Depth)
	case o.Depth == Audit && p.cfg.Roster == nil:
		return nil, errors.New("roles: an audit needs a Roster")
	}
	o.Only.Except = nil
	m := &making{Planner: p, o: o, only: o.Only, cat: p.cfg.Catalog().Retire(o.Retire), t: newTally(), seen: map[Email][]sighted{}}
	m.covers = m.only.covers(m.cat)
	if o.Only.bought() && len(o.Only.products(m.cat)) == 0 {
		return nil, ErrNothingSold
	}
	return m, nil
}

// walk writes down everybody in the ledger about whom there is something to say.
func (m *making) walk(ctx context.Context) error {
	m.only.Except = m.t.foot.Gone
	m.covers = m.only.covers(m.cat)
	now := m.now()
	err := m.cfg.Census.Walk(ctx, m.only.walk(m.cat), func(s Standing) error {
		seen := m.sightings(s)
		if m.byAccount {
			var err error
			if seen, err = m.readPerson(ctx, s); err != nil {
				return err
			}
		}
		e := PlanOf(s, m.cat, seen, m.only, now)
		m.t.foot.People++
		m.t.ours(s, m.cat, m.covers)
		m.t.lines(e)
		if m.done++; m.done%1024 == 0 {
			m.progress("comparing what was bought with what is held", 0)
		}
		e.Lines = slices.DeleteFunc(e.Lines, func(l PlanLine) bool { return l.Why == "" })
		if len(e.Lines) == 0 {
			return nil
		}
		return m.w.line(e)
	})
	if err != nil {
		return fmt.Errorf("roles: plan everybody in the ledger: %w", err)
	}
	return nil
}

func (m *making) end(ctx context.Context, way way) (PlanFoot, error) {
	many, doubt := false, ""
	if len(m.t.sets) > 0 && m.cfg.Roster != nil {
		var err error
		if many, err = m.cfg.Roster.MayAssignMany(ctx); err != nil {
			m.log.Warn("cannot tell whether roles may be given many at a time; the plan counts with one by one", "err", err)
			doubt = "whether roles may be given many at a time cannot be told now"
		}
	}
	m.t.foot.Read = Cost{m.calls, way.cost.How}
	f := m.t.end(m.only.managed(m.cat), m.cat, many)
	if doubt != "" {
		f.Apply.How += "; " + doubt
	}
	if err := m.w.finish(&f); err != nil {
		return PlanFoot{}, fmt.Errorf("roles: write a plan: %w", err)
	}
	m.total = m.done
	m.progress("planned", 0)
	return f, nil
}

// progress tells of more that is done. While roles are read, mu is held.
func (m *making) progress(doing string, more int) {
	m.done += more
	if m.o.OnProgress == nil {
		return
	}
	total := m.total
	if total > 0 {
		total = max(total, m.done) // there is more than we believed
	}
	m.o.OnProgress(Progress{doing, m.done, total, m.calls})
}
