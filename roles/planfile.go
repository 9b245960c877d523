package roles

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"time"
)

// The kinds of error by which [ReadPlan] refuses a file: none of it is to be
// used then.
var (
	ErrNotAPlan    = errors.New("roles: this is not a plan of bursar")
	ErrNewerPlan   = errors.New("roles: the plan was made by a newer bursar")
	ErrCutPlan     = errors.New("roles: the plan is cut off: it was not made to the end, or not copied whole")
	ErrChangedPlan = errors.New("roles: the plan was changed after it was made")
)

const (
	planFormat = 1
	// planLine bounds one line: a person with a hundred thousand purchases.
	planLine = 32 << 20
)

// ReadPlan reads all of a plan and checks that it is whole and unchanged. It
// keeps head and foot; the entries are read from the file each time, so that they
// need no memory, and end with ErrChangedPlan if it is another file by then. An
// *os.File and a *bytes.Reader are both an io.ReaderAt; it must stay open while
// entries are read.
func ReadPlan(file io.ReaderAt) (SavedPlan, error) {
	p, err := pass(file, "", nil)
	if err != nil {
		return SavedPlan{}, err
	}
	p.Entries = func(yield func(PlanEntry, error) bool) {
		_, err := pass(file, p.Foot.Fingerprint, func(e PlanEntry) bool { return yield(e, nil) })
		if err != nil && !errors.Is(err, errEnough) {
			yield(PlanEntry{}, err)
		}
	}
	return p, nil
}

// Of is [PlanOf] for one of the plan's people under the plan's own terms: what it
// was narrowed to, what was retired, and what the audit saw according to e.
func (p SavedPlan) Of(s Standing, cat Catalog, e PlanEntry, now time.Time) PlanEntry {
	only := p.Head.Only
	only.Except = p.Foot.Gone
	return PlanOf(s, cat.Retire(p.Head.Retire), e.Sightings(), only, now)
}

var errEnough = errors.New("no more entries are wanted")

// pass goes once through a plan. With each nil it only checks; print, if not
// empty, is the fingerprint that it must have.
func pass(file io.ReaderAt, print string, each func(PlanEntry) bool) (SavedPlan, error) {
	var p SavedPlan
	r := bufio.NewReaderSize(io.NewSectionReader(file, 0, math.MaxInt64), 64<<10)
	sum := sha256.New()
	line, err := readLine(r)
	if err != nil {
		return p, err
	}
	if p.Head, err = readHead(line); err != nil {
		return p, err
	}
	for {
		sum.Write(line)
		if line, err = readLine(r); err != nil {
			return p, err
		}
		if bytes.HasPrefix(line, footMark) {
			break
		}
		// The first pass does not look into an entry: the fingerprint says whether it
		// is what a Planner wrote.
		if each == nil {
			continue
		}
		var e PlanEntry
		if err := json.Unmarshal(line, &e); err != nil {
			return p, fmt.Errorf("%w: %w", ErrChangedPlan, err)
		}
		if !each(e) {
			return p, errEnough
		}
	}
	if p.Foot, err = readFoot(line, sum); err != nil {
		return p, err
	}
	if _, err := r.ReadByte(); err != io.EOF {
		return p, fmt.Errorf("%w: something follows its end", ErrChangedPlan)
	}
	if print != "" && print != p.Foot.Fingerprint {
		return p, fmt.Errorf("%w: another plan stands in its place", ErrChangedPlan)
	}
	return p, nil
}

// readLine returns a line with its end. A file that ends before its foot is cut
// off, wherever.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if err == nil && line == nil {
			return part, nil
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case len(line) > planLine:
			return nil, fmt.Errorf("%w: a line is longer than any of a plan", ErrNotAPlan)
		case err == io.EOF:
			return nil, cut(line)
		case err != bufio.ErrBufferFull:
			return nil, fmt.Errorf("roles: read a plan: %w", err)
		}
	}
}

// cut tells the rest of a plan from something else without an end of line.
func cut(rest []byte) error {
	if len(rest) > 0 && rest[0] != '{' {
		return ErrNotAPlan
	}
	return ErrCutPlan
}

func readHead(line []byte) (PlanHead, error) {
	var format struct {
		Format int `json:"bursar_plan"`
	}
	if json.Unmarshal(line, &format) != nil || format.Format < 1 {
		return PlanHead{}, ErrNotAPlan
	}
	if format.Format > planFormat {
		return PlanHead{}, fmt.Errorf("%w: it has format %d, and this one reads %d", ErrNewerPlan, format.Format, planFormat)
	}
	var h PlanHead
	if err := json.Unmarshal(line, &h); err != nil {
		return h, fmt.Errorf("%w: %w", ErrNotAPlan, err)
	}
	return h, nil
}

// The foot's first field tells it from an entry, and its last one is the
// fingerprint of all bytes before that.
var (
	footMark = []byte(`{"people":`)
	footEnd  = []byte("\"}\n")
)

func readFoot(line []byte, sum hash.Hash) (PlanFoot, error) {
	var f PlanFoot
	at := len(line) - len(footEnd) - hex.EncodedLen(sha256.Size)
	if at < 0 || !bytes.HasSuffix(line, footEnd) {
		return f, ErrChangedPlan
	}
	sum.Write(line[:at])
	print := hex.EncodeToString(sum.Sum(nil))
	if subtle.ConstantTimeCompare([]byte(print), line[at:at+len(print)]) == 0 {
		return f, ErrChangedPlan
	}
	if err := json.Unmarshal(line, &f); err != nil || f.Fingerprint != print {
		return f, ErrChangedPlan
	}
	return f, nil
}

// A planWriter writes a plan line by line. The first fault is kept and returned
// by finish.
type planWriter struct {
	w   *bufio.Writer
	sum hash.Hash
	err error
}

func newPlanWriter(w io.Writer) *planWriter {
	return &planWriter{w: bufio.NewWriterSize(w, 64<<10), sum: sha256.New()}
}

// line writes v as a line of JSON.
func (p *planWriter) line(v any) error {
	if p.err == nil {
		var b []byte
		if b, p.err = json.Marshal(v); p.err == nil {
			p.write(append(b, '\n'))
		}
	}
	return p.err
}

func (p *planWriter) write(b []byte) {
	p.sum.Write(b)
	_, p.err = p.w.Write(b)
}

// finish writes the foot with the fingerprint in it.
func (p *planWriter) finish(f *PlanFoot) error {
	f.Fingerprint = ""
	b, err := json.Marshal(f)
	if p.err = errors.Join(p.err, err); p.err != nil {
		return p.err
	}
	p.write(b[:len(b)-len(footEnd)+1]) // up to the opening quote
	f.Fingerprint = hex.EncodeToString(p.sum.Sum(nil))
	if p.err == nil {
		p.write([]byte(f.Fingerprint + string(footEnd)))
	}
	if p.err == nil {
		p.err = p.w.Flush()
	}
	return p.err
}
