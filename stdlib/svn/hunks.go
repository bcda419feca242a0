package svn

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"

	"github.com/rollsh/rollsh/nodes"
)

// sheet is a text conflict while it is being resolved: the parts of the merged
// text, and what was chosen for each clash.
type sheet struct {
	parts   []part
	clashes []int      // indexes of parts that are clashes
	chosen  [][]string // by clash; nil: not yet
	done    []bool
	undo    []int // clashes in the order in which they were chosen
	eol     string
}

var keywords = nodes.Pattern(`\$(Id|Header|Rev|Revision|LastChangedRevision|Date|LastChangedDate|Author|LastChangedBy|URL|HeadURL):[^$\n]*\$`)

// plainText is a side with its keywords contracted and its line ends unified.
func plainText(text string) []string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	return splitLines(keywords().ReplaceAllString(text, "$$$1$$"))
}

// newSheet lays out a text conflict; ok is false where a side is missing.
func newSheet(k *Conflict) (s *sheet, ok bool) {
	base, ok0 := k.Side(0)
	mine, ok1 := k.Side(1)
	theirs, ok2 := k.Side(2)
	if !ok0 || !ok1 || !ok2 {
		return nil, false
	}
	s = &sheet{parts: merge3Parts(plainText(base), plainText(mine), plainText(theirs)), eol: "\n"}
	if strings.Contains(mine, "\r\n") {
		s.eol = "\r\n"
	}
	if k.settled != nil && base == "" {
		s.parts = apart(s.parts)
	}
	for i, p := range s.parts {
		if p.clash != nil {
			s.clashes = append(s.clashes, i)
		}
	}
	s.chosen, s.done = make([][]string, len(s.clashes)), make([]bool, len(s.clashes))
	return s, true
}

// fewest is how many lines in a row two texts must share to be taken for the same
// place in both.
const fewest = 3

// apart takes from clashes without a base what both sides have in common.
func apart(parts []part) []part {
	var out []part
	for _, p := range parts {
		if p.clash == nil || len(p.clash.Base) > 0 {
			out = append(out, p)
			continue
		}
		mine, theirs := p.clash.Mine, p.clash.Theirs
		at, atTheirs, shift := 0, 0, 0 // what is handled of each; theirs' line is mine's plus shift
		put := func(lo, hi int) {      // mine's lines lo to hi are common
			if lo > at || lo+shift > atTheirs {
				out = append(out, part{clash: &clash{Mine: mine[at:lo], Theirs: theirs[atTheirs : lo+shift]}})
			}
			if hi > lo {
				out = append(out, part{lines: mine[lo:hi]})
			}
			at, atTheirs = hi, hi+shift
		}
		common := 0 // where the run of common lines began
		for _, h := range diffLines(mine, theirs) {
			if h.lo-common >= fewest || common == 0 && h.lo > 0 {
				put(common, h.lo)
			}
			common, shift = h.hi, shift+len(h.lines)-(h.hi-h.lo)
		}
		put(common, len(mine))
	}
	return out
}

// marked is the merged text with svn's conflict markers around what is not
// settled.
func (s *sheet) marked() []byte {
	m := *s
	m.parts, m.clashes = slices.Clone(s.parts), nil
	for i, p := range m.parts {
		if p.clash == nil {
			continue
		}
		c := p.clash
		m.parts[i] = part{lines: slices.Concat([]string{"<<<<<<< mine\n"}, ended(c.Mine), []string{"||||||| base\n"}, ended(c.Base), []string{"=======\n"}, ended(c.Theirs), []string{">>>>>>> theirs\n"})}
	}
	return m.text()
}

// ended gives the lines with an end after the last one too.
func ended(lines []string) []string {
	if n := len(lines); n > 0 && !strings.HasSuffix(lines[n-1], "\n") {
		return append(slices.Clone(lines[:n-1]), lines[n-1]+"\n")
	}
	return lines
}

// choose settles a clash with lines.
func (s *sheet) choose(i int, lines []string) {
	s.chosen[i], s.done[i] = lines, true
	s.undo = append(slices.DeleteFunc(s.undo, func(n int) bool { return n == i }), i)
}

// back takes the last choice back and gives its clash; -1 for none.
func (s *sheet) back() int {
	if len(s.undo) == 0 {
		return -1
	}
	i := s.undo[len(s.undo)-1]
	s.undo, s.done[i], s.chosen[i] = s.undo[:len(s.undo)-1], false, nil
	return i
}

// next is the first clash from i on that is not settled, searched around; -1
// when all are.
func (s *sheet) next(i int) int {
	for n := range s.done {
		if at := (i + n) % len(s.done); !s.done[at] {
			return at
		}
	}
	return -1
}

func (s *sheet) clash(i int) *clash { return s.parts[s.clashes[i]].clash }

// side gives the lines of a key: o mine, t theirs, b both, B both the other way.
func (s *sheet) side(i int, key string) ([]string, bool) {
	c := s.clash(i)
	switch key {
	case "o", "O":
		return c.Mine, true
	case "t", "T":
		return c.Theirs, true
	case "b":
		return slices.Concat(c.Mine, c.Theirs), true
	case "B":
		return slices.Concat(c.Theirs, c.Mine), true
	}
	return nil, false
}

// text is the merged text with the choices; clashes that are not settled keep
// mine.
func (s *sheet) text() []byte {
	var b strings.Builder
	for i, p := range s.parts {
		lines := p.lines
		if p.clash != nil {
			n := slices.Index(s.clashes, i)
			if lines = s.chosen[n]; !s.done[n] {
				lines = p.clash.Mine
			}
		}
		for _, l := range lines {
			b.WriteString(strings.TrimSuffix(l, "\n"))
			if strings.HasSuffix(l, "\n") {
				b.WriteString(s.eol)
			}
		}
	}
	return []byte(b.String())
}

// around is how many lines of context a clash is shown with.
const around = 3

// show draws a clash for a screen of some columns: context, base, mine, theirs,
// and marks under the words in which a side differs from the base.
func (s *sheet) show(i, columns int) string {
	var b strings.Builder
	at := s.clashes[i]
	if at > 0 {
		l := s.parts[at-1].lines
		drawLines(&b, "", l[max(0, len(l)-around):], nil, columns)
	}
	c := s.clash(i)
	drawLines(&b, "base", c.Base, nil, columns)
	drawLines(&b, "mine", c.Mine, c.Base, columns)
	than := c.Base
	if len(than) == 0 { // both sides added lines: how they differ from each other
		than = c.Mine
	}
	drawLines(&b, "theirs", c.Theirs, than, columns)
	if at+1 < len(s.parts) {
		l := s.parts[at+1].lines
		drawLines(&b, "", l[:min(len(l), around)], nil, columns)
	}
	return strings.TrimRight(b.String(), "\n")
}

// longest is how many lines of a side are shown.
const longest = 40

// drawLines draws the lines of a side, with marks under the words that base has
// not. Lines of a side are broken where the screen ends; context is cut there.
func drawLines(b *strings.Builder, name string, lines, base []string, columns int) {
	if len(lines) == 0 && name != "" {
		fmt.Fprintf(b, "%-7s| (nothing)\n", name)
	}
	width, than := max(10, columns-9), aligned(base, lines)
	for i, l := range lines {
		if i == longest {
			fmt.Fprintf(b, "%-7s| ... %d more lines\n", name, len(lines)-longest)
			return
		}
		text := strings.TrimRight(printable(l), "\n")
		if name == "" {
			fmt.Fprintf(b, "%-7s| %s\n", "", runewidth.Truncate(text, width, ">"))
			continue
		}
		marks := ""
		if than[i] != "" {
			marks = differing(strings.TrimRight(printable(than[i]), "\n"), text)
		}
		drawLine(b, name, text, marks, width)
	}
}

// drawLine draws one line in as many rows as it takes, each with its marks.
func drawLine(b *strings.Builder, name, text, marks string, width int) {
	for {
		row := runewidth.Truncate(text, width, "")
		if row == "" {
			row = text
		}
		fmt.Fprintf(b, "%-7s| %s\n", name, row)
		n := min(runewidth.StringWidth(row), len(marks))
		if m := strings.TrimRight(marks[:n], " "); m != "" {
			fmt.Fprintf(b, "%-7s| %s\n", "", m)
		}
		text, marks, name = text[len(row):], marks[n:], ""
		if text == "" {
			return
		}
	}
}

// aligned gives for each line the one of base that it replaced; empty where it
// replaced none.
func aligned(base, lines []string) []string {
	out := make([]string, len(lines))
	shift := 0
	for _, h := range diffLines(base, lines) {
		for i := range h.lines {
			if h.lo+i < h.hi {
				out[h.lo+shift+i] = base[h.lo+i]
			}
		}
		shift += len(h.lines) - (h.hi - h.lo)
	}
	return out
}

// differing marks the words of a line that the base's line has not, a sign for
// each column; empty where the two have no word in common.
func differing(base, text string) string {
	a, b := words(base), words(text)
	keep := make([]bool, len(b))
	for i := range keep {
		keep[i] = true
	}
	for _, h := range diffLines(b, a) { // what leads from text back to base is what differs
		for i := h.lo; i < h.hi; i++ {
			keep[i] = false
		}
	}
	var out strings.Builder
	common := false
	for i, w := range b {
		mark := " "
		if !keep[i] {
			mark = "^"
		}
		common = common || keep[i] && strings.TrimSpace(w) != ""
		out.WriteString(strings.Repeat(mark, runewidth.StringWidth(w)))
	}
	if !common {
		return ""
	}
	return strings.TrimRight(out.String(), " ")
}

// words cuts a line into words, blanks and single signs.
func words(s string) []string {
	class := func(r rune) int {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '_':
			return 1
		case unicode.IsSpace(r):
			return 2
		}
		return 0
	}
	var out []string
	last := -1
	for _, r := range s {
		if c := class(r); c == last && c != 0 {
			out[len(out)-1] += string(r)
		} else {
			out = append(out, string(r))
			last = c
		}
	}
	return out
}

// hint tells where a side changed nothing but blanks, so that the other one can
// be taken; empty otherwise.
func (s *sheet) hint(i int) string {
	squeeze := func(lines []string) string { return strings.Join(strings.Fields(strings.Join(lines, "")), "") }
	c := s.clash(i)
	base := squeeze(c.Base)
	switch {
	case squeeze(c.Mine) == squeeze(c.Theirs):
		return "both sides differ in blanks only"
	case squeeze(c.Mine) == base:
		return "mine changed blanks only"
	case squeeze(c.Theirs) == base:
		return "theirs changed blanks only"
	}
	return ""
}

// wrap breaks lines between words so that they fit a number of columns; what is
// broken off goes on after an indent.
func wrap(text string, columns int, indent string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		for runewidth.StringWidth(line) > columns {
			cut := len(runewidth.Truncate(line, columns, ""))
			if i := strings.LastIndexByte(line[:cut], ' '); i > len(line)-len(strings.TrimLeft(line, " ")) && i > len(indent) {
				cut = i
			}
			if cut <= len(indent) { // a screen too narrow for anything
				break
			}
			b.WriteString(line[:cut] + "\n")
			line = indent + strings.TrimLeft(line[cut:], " ")
		}
		b.WriteString(line + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// pad makes a text exactly so many columns wide.
func pad(s string, columns int) string {
	return runewidth.FillRight(runewidth.Truncate(strings.TrimRight(printable(s), "\n"), columns, ">"), columns)
}
