package shell

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// view draws what readline edits. readline itself can draw one line, and its
// cursor goes astray in wide characters: what it writes is dropped, and with each
// change it asks its Painter, which is the view, for the line and the cursor. The
// view knows prompts, several lines, and what comes in above them.
type view struct {
	to        io.Writer                  // the terminal
	size      func() (width, height int) // of the terminal
	colour    func(text string) string   // adds colours
	searching func() (inHistory bool)    // whether readline is

	mu          sync.Mutex
	first, more string // prompts: of the first line, and of the others
	text        string // lines end with \n
	at          int    // runes before the cursor
	status      string // below the text: how the search goes
	open        bool   // a line is being typed
	drawn       []row
	cursor      place // in drawn
}

// prompt sets what stands before the first line, and before the others.
func (v *view) prompt(first, more string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.first, v.more = first, more
}

// Paint is called by readline with every change, on its goroutine. A line break
// at the end says that the line is done.
func (v *view) Paint(line []rune, pos int) []rune {
	if slices.ContainsFunc(line, isMark) { // on its way to editing.change
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	text, done := strings.CutSuffix(string(line), "\n") // readline's own, at the end
	v.text, v.at = strings.ReplaceAll(text, string(newline), "\n"), pos
	if !v.searching() {
		v.status = ""
	}
	v.open = !done
	if done {
		v.text = strings.TrimRight(v.text, "\n")
		v.finish()
	} else {
		v.draw("")
	}
	return nil
}

// Write gets what readline draws. Only what Paint is not told is taken from it:
// the bell, and what is searched for.
func (v *view) Write(b []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch _, search, found := bytes.Cut(b, []byte("\x1b[J")); {
	case string(b) == "\a":
		return v.to.Write(b)
	case found && bytes.Contains(search, []byte("-i-search: ")):
		status, _, _ := strings.Cut(string(search), "\x1b")
		v.status = clean(status)
		v.draw("")
	}
	return len(b), nil
}

// aboveView takes whole lines and puts them above what is typed.
type aboveView struct{ *view }

func (a aboveView) Write(b []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.open {
		return a.to.Write(b)
	}
	a.draw(strings.TrimSuffix(string(b), "\n") + "\n")
	return len(b), nil
}

// redraw draws all again, after the terminal's size has changed.
func (v *view) redraw() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.open {
		v.draw("")
	}
}

// clear empties the screen; what is typed is drawn with the next change.
func (v *view) clear() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.drawn, v.cursor = nil, place{}
	_, _ = io.WriteString(v.to, "\x1b[H\x1b[2J") // a failing terminal shows in the next read
}

// draw replaces what is drawn, below text that scrolls away. The lock is held.
func (v *view) draw(above string) {
	width, height := v.size()
	rows, cursor := layOut(v.first, v.more, v.colour(v.text), v.at, width)
	if v.status != "" {
		height--
	}
	rows, cursor = window(rows, cursor, max(1, height))
	if v.status != "" {
		rows = append(slices.Clone(rows), row{text: cut(v.status, width-1), cells: cells(cut(v.status, width-1))})
	}
	out := v.erase(width) + above + strokes(rows)
	if up := len(rows) - 1 - cursor.row; up > 0 {
		out += fmt.Sprintf("\x1b[%dA", up)
	}
	out += "\r"
	if cursor.col > 0 {
		out += fmt.Sprintf("\x1b[%dC", cursor.col)
	}
	v.drawn, v.cursor = rows, cursor
	_, _ = io.WriteString(v.to, out) // a failing terminal shows in the next read
}

// finish leaves the whole text on the screen, and the cursor below it. The lock
// is held.
func (v *view) finish() {
	width, _ := v.size()
	rows, _ := layOut(v.first, v.more, v.colour(v.text), v.at, width)
	_, _ = io.WriteString(v.to, v.erase(width)+strokes(rows)+"\r\n") // as above
	v.drawn, v.cursor = nil, place{}
}

// erase gives the bytes that remove what is drawn. The lock is held.
func (v *view) erase(width int) string {
	out := "\r"
	if up := above(v.drawn, v.cursor, max(1, width)); up > 0 {
		out = fmt.Sprintf("\r\x1b[%dA", up)
	}
	return out + "\x1b[J"
}

// strokes gives the bytes that draw rows. Where a line goes on in the next row,
// the terminal is left to break it: it breaks it anew when its width changes, and
// copies it in one piece.
func strokes(rows []row) string {
	var b strings.Builder
	for i, r := range rows {
		switch {
		case i > 0 && !rows[i-1].soft:
			b.WriteString("\r\n")
		case i > 0 && r.cells == 0: // nothing follows that would make it break
			b.WriteString(" \r")
		}
		b.WriteString(r.text)
	}
	return b.String()
}
