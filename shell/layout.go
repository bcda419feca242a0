package shell

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// place is a cell of the terminal: rows down and columns to the right of where
// drawing began.
type place struct{ row, col int }

// row is what is drawn in one row of the terminal.
type row struct {
	text  string // with colours, which end in it
	cells int
	soft  bool // the line goes on in the next row: the terminal breaks it, not we
}

// layout puts text into rows of a width, as the terminal does.
type layout struct {
	width  int
	rows   []row
	now    strings.Builder // the row under way
	cells  int             // of it
	look   string          // the colour that is on; empty for none
	cursor place
}

// layOut lays a text out that may have several lines: first stands before the
// first of them, more before the others. Text and prompts may be coloured; at is
// how many runes of the text, colours not counted, stand before the cursor.
func layOut(first, more, text string, at, width int) (rows []row, cursor place) {
	l := &layout{width: max(2, width)}
	l.put(first, -1)
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			l.end(false)
			l.put(more, -1)
			at-- // the line break
		}
		at -= l.put(line, at)
	}
	l.end(false)
	return l.rows, l.cursor
}

// put adds text without line breaks and gives the number of its runes; the cursor
// is before the rune with the number at, or behind the last.
func (l *layout) put(text string, at int) (n int) {
	for text != "" {
		if text[0] == '\x1b' {
			if loc := escapes().FindStringIndex(text); loc != nil && loc[0] == 0 {
				l.paint(text[:loc[1]])
				text = text[loc[1]:]
				continue
			}
		}
		r, size := utf8.DecodeRuneInString(text)
		text = text[size:]
		l.rune(r, n == at)
		n++
	}
	if l.cells == l.width { // where the terminal puts the next cell is up to that cell: settle it
		l.end(true)
	}
	if n == at {
		l.here()
	}
	return n
}

func (l *layout) here() { l.cursor = place{len(l.rows), l.cells} }

// paint switches a colour on, or all off.
func (l *layout) paint(escape string) {
	l.look = escape
	if strings.HasPrefix(escape, "\x1b[0") {
		l.look = ""
	}
	l.now.WriteString(escape)
}

func (l *layout) rune(r rune, cursor bool) {
	shown, wide := string(r), runewidth.RuneWidth(r)
	switch {
	case r == '\t':
		shown, wide = "  ", 2
	case unicode.IsControl(r):
		shown, wide = "?", 1
	}
	if l.cells+wide > l.width {
		l.end(true)
	}
	if cursor {
		l.here()
	}
	l.now.WriteString(shown)
	l.cells += wide
}

// end ends a row.
func (l *layout) end(soft bool) {
	text := l.now.String()
	if l.look != "" {
		text += "\x1b[0m"
	}
	l.rows = append(l.rows, row{text, l.cells, soft})
	l.now.Reset()
	l.now.WriteString(l.look)
	l.cells = 0
}

// window is the part of the rows that a terminal of a height can show: the last,
// as long as the cursor is among them.
func window(rows []row, cursor place, height int) (shown []row, at place) {
	from := max(0, min(cursor.row, len(rows)-height))
	to := min(len(rows), from+height)
	return rows[from:to], place{cursor.row - from, cursor.col}
}

// above counts the rows over the cursor in a terminal that has become width wide
// since they were drawn, and has broken their lines anew.
func above(drawn []row, cursor place, width int) int {
	n, line := 0, 0
	for _, r := range drawn[:min(cursor.row, len(drawn))] {
		line += r.cells
		if !r.soft {
			n += max(1, (line+width-1)/width)
			line = 0
		}
	}
	return n + (line+cursor.col)/width
}
