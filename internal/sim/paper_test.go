package sim

import (
	"bytes"
	"encoding/csv"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// draw has all points computed and what is on paper made anew.
var draw = flag.Bool("draw", false, "compute all points and write docs/scaling/*.csv and *.svg")

const paperDir = "../../docs/scaling"

// A sheet is a table that docs/scaling.md quotes. Its first columns, up to and
// with the one named by key, say which point a row is; the others are measured.
type sheet struct {
	name    string
	columns []string
	keys    int
	rows    [][]string
}

func newSheet(name string, keys int, columns ...string) *sheet {
	return &sheet{name: name, columns: columns, keys: keys}
}

func (s *sheet) add(cells ...any) {
	var row []string
	for _, c := range cells {
		switch c := c.(type) {
		case float64:
			row = append(row, number(c))
		default:
			row = append(row, fmt.Sprint(c))
		}
	}
	s.rows = append(s.rows, row)
}

// number keeps three digits that count.
func number(f float64) string {
	if f == 0 || math.IsInf(f, 0) || math.IsNaN(f) {
		return "0"
	}
	digits := max(2-int(math.Floor(math.Log10(math.Abs(f)))), 0)
	text := strconv.FormatFloat(f, 'f', digits, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

func (s *sheet) path() string { return filepath.Join(paperDir, s.name+".csv") }

// settle writes the sheet, or compares each row with the one on paper.
func (s *sheet) settle(t *testing.T) {
	t.Helper()
	if *draw {
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		w.Write(s.columns)
		w.WriteAll(s.rows)
		write(t, s.path(), b.Bytes())
		return
	}
	raw, err := os.ReadFile(s.path())
	if err != nil {
		t.Fatalf("%v; run this test with -draw", err)
	}
	paper, err := csv.NewReader(bytes.NewReader(raw)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(paper[0], ","), strings.Join(s.columns, ","); got != want {
		t.Fatalf("%s has the columns %s, want %s; run this test with -draw", s.path(), got, want)
	}
	known := map[string][]string{}
	for _, row := range paper[1:] {
		known[strings.Join(row[:s.keys], ",")] = row
	}
	for _, row := range s.rows {
		key := strings.Join(row[:s.keys], ",")
		want, ok := known[key]
		if !ok {
			t.Errorf("%s has no row %s; run this test with -draw", s.path(), key)
			continue
		}
		t.Logf("%s, %s", s.name, key)
		for i := s.keys; i < len(row); i++ {
			t.Logf("  %-24s %10s, on paper %s", s.columns[i], row[i], want[i])
			if !near(s.columns[i], row[i], want[i]) {
				t.Errorf("%s, %s: %s is %s now and %s on paper; run this test with -draw", s.name, key, s.columns[i], row[i], want[i])
			}
		}
	}
}

// near allows for what a bubble does not fix: the order of what happens in the
// same moment, and with it the jitter.
func near(column, got, want string) bool {
	g, err1 := strconv.ParseFloat(got, 64)
	w, err2 := strconv.ParseFloat(want, 64)
	if err1 != nil || err2 != nil {
		return got == want
	}
	least := 0.0
	switch {
	case strings.HasSuffix(column, " s"), strings.HasSuffix(column, " min"):
		least = 0.3
	case strings.HasPrefix(column, "waiting"):
		least = 20
	}
	return math.Abs(g-w) <= max(0.15*math.Abs(w), least)
}

func write(t *testing.T, path string, body []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, body, 0o644); err != nil {
		t.Fatal(err)
	}
}
