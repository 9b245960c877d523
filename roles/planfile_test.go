package roles_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"bursar/roles"
)

// savedPlan is a small plan of a school: one to add, one to remove.
func savedPlan(t *testing.T) []byte {
	t.Helper()
	s := newSchool(t)
	s.tell(sale("s1"), sale("e1", person("eve@example.test")))
	s.settle()
	s.tell(sale("s1", state(roles.Refunded), at(noon.Add(1))), sale("n1", person("new@example.test")))
	file, _ := s.plan(roles.PlanOptions{})
	return file
}

func TestAPlanThatIsNotWholeOrWasChangedIsRefused(t *testing.T) {
	whole := savedPlan(t)
	lines := bytes.SplitAfter(whole, []byte("\n"))
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	swap := func(old, with string) []byte {
		t.Helper()
		out := bytes.Replace(whole, []byte(old), []byte(with), 1)
		if bytes.Equal(out, whole) {
			t.Fatalf("%q is not in the plan:\n%s", old, whole)
		}
		return out
	}
	for _, tt := range []struct {
		name string
		file []byte
		want error
	}{
		{"whole", whole, nil},
		{"nothing", nil, roles.ErrCutPlan},
		{"a text", []byte("hello\nworld\n"), roles.ErrNotAPlan},
		{"a text without an end of line", []byte("hello"), roles.ErrNotAPlan},
		{"some other JSON", []byte(`{"a":1}` + "\n"), roles.ErrNotAPlan},
		{"one of tomorrow", swap(`{"bursar_plan":1,`, `{"bursar_plan":2,"more":[],`), roles.ErrNewerPlan},
		{"only a head", lines[0], roles.ErrCutPlan},
		{"without its foot", join(lines[:len(lines)-2]...), roles.ErrCutPlan},
		{"cut in the middle of its foot", whole[:len(whole)-30], roles.ErrCutPlan},
		{"without its last byte", whole[:len(whole)-1], roles.ErrCutPlan},
		{"a person taken out", join(append([][]byte{lines[0]}, lines[2:]...)...), roles.ErrChangedPlan},
		{"a head changed", swap(`"depth":"believed"`, `"depth":"audit"`), roles.ErrChangedPlan},
		{"a line changed", swap(`"op":"remove"`, `"op":"assign"`), roles.ErrChangedPlan},
		{"a count in the foot changed", swap(`"removals":1`, `"removals":0`), roles.ErrChangedPlan},
		{"another fingerprint", swap(`"fingerprint":"`, `"fingerprint":"0`), roles.ErrChangedPlan},
		{"something after it", append(bytes.Clone(whole), '\n'), roles.ErrChangedPlan},
		{"twice", append(bytes.Clone(whole), whole...), roles.ErrChangedPlan},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := roles.ReadPlan(bytes.NewReader(tt.file))
			if !errors.Is(err, tt.want) || err == nil != (tt.want == nil) {
				t.Fatalf("reading it says %v, want %v", err, tt.want)
			}
			if err == nil && (p.Head.Depth != roles.Believed || p.Foot.Removals != 1 || p.Foot.Adds != 1) {
				t.Errorf("read head %+v and foot %+v", p.Head, p.Foot)
			}
		})
	}
	for cut := range whole {
		if _, err := roles.ReadPlan(bytes.NewReader(whole[:cut])); err == nil {
			t.Fatalf("the first %d of %d bytes pass for a plan", cut, len(whole))
		}
	}
	for i := range whole {
		changed := bytes.Clone(whole)
		changed[i] ^= 0x20
		if _, err := roles.ReadPlan(bytes.NewReader(changed)); err == nil {
			t.Fatalf("nobody sees that byte %d was changed", i)
		}
	}
}

func TestEntriesCanBeReadAgainAndAgain(t *testing.T) {
	p, err := roles.ReadPlan(bytes.NewReader(savedPlan(t)))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		var people []string
		for e, err := range p.Entries {
			if err != nil {
				t.Fatal(err)
			}
			people = append(people, string(e.Person))
		}
		if got := strings.Join(people, " "); got != "ada@example.test new@example.test" {
			t.Errorf("the entries are about %q", got)
		}
		for range p.Entries {
			break // whoever stops early hurts nobody
		}
	}
}

// swapped is a file that is replaced by another after a while.
type swapped struct{ bytes.Reader }

func TestAFileThatIsReplacedWhileItIsReadIsNoticed(t *testing.T) {
	file := bytes.NewReader(savedPlan(t))
	shelf := &swapped{*file}
	p, err := roles.ReadPlan(shelf)
	if err != nil {
		t.Fatal(err)
	}
	s := newSchool(t)
	other, _ := s.plan(roles.PlanOptions{})
	shelf.Reader = *bytes.NewReader(other)
	var last error
	for _, err := range p.Entries {
		last = err
	}
	if !errors.Is(last, roles.ErrChangedPlan) {
		t.Errorf("the entries of another plan end with %v", last)
	}
}

func FuzzReadPlan(f *testing.F) {
	f.Add([]byte("{\"bursar_plan\":1}\n{\"people\":1,\"fingerprint\":\"00\"}\n"))
	f.Add([]byte(`{"bursar_plan":1`))
	f.Add(fmt.Appendf(nil, "{\"bursar_plan\":1}\n{\"people\":0,\"fingerprint\":\"%064d\"}\n", 0))
	f.Fuzz(func(t *testing.T, file []byte) {
		p, err := roles.ReadPlan(bytes.NewReader(file))
		if err != nil {
			return
		}
		for _, err := range p.Entries {
			if err != nil {
				return
			}
		}
	})
}
