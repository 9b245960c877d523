package sim

import (
	"encoding/xml"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"
)

// A chart is a few lines over one another. It brings its own background, so that
// it reads the same on a light page and on a dark one, is no wider than a phone
// needs, and its text is text.
type chart struct {
	name, title string
	x, y        axis
	lines       []line
	note        string // what dashed lines are, which the legend leaves out
}

type axis struct {
	title string
	log   bool
	ticks []float64          // in order; the first and the last are the ends
	word  map[float64]string // for ticks that are not written as numbers
}

type line struct {
	name   string
	colour string
	dashed bool
	points [][2]float64
}

// Colours that people with any colour sight tell apart, dark enough on white.
const (
	blue   = "#0060b0"
	orange = "#b85000"
	green  = "#007a5a"
)

const (
	width, height           = 400, 320
	left, right, top, floor = 68, 24, 36, 246
)

// at is where a value lies between the ends, from 0 to 1.
func (a axis) at(v float64) float64 {
	lo, hi := a.ticks[0], a.ticks[len(a.ticks)-1]
	if a.log {
		lo, hi, v = math.Log(lo), math.Log(hi), math.Log(max(v, lo))
	}
	return min(max((v-lo)/(hi-lo), 0), 1)
}

func (a axis) text(v float64) string {
	if w, ok := a.word[v]; ok {
		return w
	}
	return number(v)
}

func (c chart) place(p [2]float64) (x, y float64) {
	return left + c.x.at(p[0])*(width-left-right), floor - c.y.at(p[1])*(floor-top)
}

func (c chart) svg() string {
	var b strings.Builder
	out := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	out(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" font-family="system-ui, sans-serif" font-size="12" fill="#1b1b1b">`, width, height)
	out(`<title>%s</title>`, escape(c.title))
	out(`<rect width="%d" height="%d" rx="8" fill="#ffffff"/>`, width, height)
	out(`<text x="12" y="20" font-size="13" font-weight="600">%s</text>`, escape(c.title))
	for _, v := range c.y.ticks {
		_, y := c.place([2]float64{c.x.ticks[0], v})
		out(`<path d="M%d %.1fH%d" stroke="#d5d5d5"/>`, left, y, width-right)
		out(`<text x="%d" y="%.1f" text-anchor="end">%s</text>`, left-6, y+4, escape(c.y.text(v)))
	}
	for _, v := range c.x.ticks {
		x, _ := c.place([2]float64{v, c.y.ticks[0]})
		out(`<path d="M%.1f %dv4" stroke="#767676"/>`, x, floor)
		out(`<text x="%.1f" y="%d" text-anchor="middle">%s</text>`, x, floor+17, escape(c.x.text(v)))
	}
	out(`<path d="M%d %dV%dH%d" fill="none" stroke="#767676"/>`, left, top, floor, width-right)
	out(`<text x="%d" y="%d" text-anchor="middle">%s</text>`, (left+width-right)/2, floor+34, escape(c.x.title))
	out(`<text transform="translate(13 %d) rotate(-90)" text-anchor="middle">%s</text>`, (top+floor)/2, escape(c.y.title))
	named := 0
	for _, l := range c.lines {
		dash := ""
		if l.dashed {
			dash = ` stroke-dasharray="5 4"`
		}
		var path strings.Builder
		for j, p := range l.points {
			x, y := c.place(p)
			fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(j, 1)], x, y)
		}
		out(`<path d="%s" fill="none" stroke="%s" stroke-width="2"%s><title>%s</title></path>`, path.String(), l.colour, dash, escape(l.name))
		if l.dashed {
			continue
		}
		x, y := 12+named*128, floor+52
		named++
		out(`<path d="M%d %dh18" stroke="%s" stroke-width="2"/>`, x, y-4, l.colour)
		out(`<text x="%d" y="%d">%s</text>`, x+24, y, escape(l.name))
	}
	out(`<text x="12" y="%d" font-size="11">%s</text>`, floor+68, escape(c.note))
	out(`</svg>`)
	return b.String()
}

func escape(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s))
	return b.String()
}

// draw writes the chart, if charts are drawn.
func (c chart) draw(t *testing.T) {
	t.Helper()
	if *draw {
		write(t, filepath.Join(paperDir, c.name+".svg"), []byte(c.svg()))
	}
}

func TestAChartIsXMLAndItsLinesStayInside(t *testing.T) {
	c := chart{title: "a < b & c", x: axis{title: "x", ticks: []float64{0, 1}}, y: axis{title: "y", log: true, ticks: []float64{1, 10}},
		lines: []line{{name: "wild", colour: blue, points: [][2]float64{{-5, 0}, {5, 1e9}}}}}
	if err := xml.Unmarshal([]byte(c.svg()), new(struct{})); err != nil {
		t.Error(err)
	}
	for _, p := range c.lines[0].points {
		if x, y := c.place(p); x < left || x > width-right || y < top || y > floor {
			t.Errorf("%v lies at %v, %v", p, x, y)
		}
	}
}
