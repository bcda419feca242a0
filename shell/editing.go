package shell

import (
	"slices"
	"strings"
	"sync"

	"github.com/chzyer/readline"
)

// newline stands for a line break inside the line that readline edits: a rune of
// the private use area, which nobody types.
const newline = '\uE00A'

// Marks are keys that readline takes wrongly where there are several lines. It
// puts them into the line as it does with any rune, and editing takes them out
// again and does what they stand for.
const (
	firstMark rune = '\uE010' + iota
	markEnter      // Enter in a chunk that is not whole
	markUp
	markDown
	markStart // of the line
	markEnd
	markKill     // to the end of the line
	markKillBack // to its start
	markYank
	markPaste
	markClear // the screen
	lastMark
)

func isMark(r rune) bool { return firstMark < r && r < lastMark }

// markOf are readline's keys that become marks.
var markOf = map[rune]rune{
	readline.CharPrev: markUp, readline.CharNext: markDown, readline.CharLineStart: markStart, readline.CharLineEnd: markEnd,
	readline.CharKill: markKill, readline.CharCtrlU: markKillBack, readline.CharCtrlY: markYank, readline.CharCtrlL: markClear,
}

// editing makes readline edit several lines. readline calls both of its functions
// on its goroutine, and change from Readline too.
type editing struct {
	whole     func(chunk string) bool // whether a chunk may run as it is
	kick      func()                  // makes readline read on after an Enter that was none
	clear     func()
	pasted    func() string // what the next markPaste stands for
	searching func() bool

	mu      sync.Mutex
	block   block
	past    past
	kill    []rune // what was killed last; nil: readline did it
	goal    int    // the column that up and down try to keep; -1 for the cursor's
	indents bool   // the lines come from Enter
}

// filter sees every key before readline does.
func (e *editing) filter(key rune) (rune, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.searching() {
		return key, true
	}
	switch key {
	case readline.CharEnter, readline.CharCtrlJ:
		if !e.whole(strings.ReplaceAll(string(e.block.text), string(newline), "\n")) {
			e.kick()
			return markEnter, true
		}
	case readline.CharCtrlY:
		if e.kill == nil {
			return key, true
		}
	case readline.CharCtrlW, readline.MetaDelete, readline.MetaBackspace, readline.CharTranspose:
		e.kill = nil
	}
	if mark, ok := markOf[key]; ok {
		return mark, true
	}
	return key, true
}

// change is told by readline of every change. It takes marks out of the line and
// gives what becomes of it.
func (e *editing) change(line []rune, pos int, key rune) (newLine []rune, newPos int, changed bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := block{slices.Clone(line), pos}
	marked := isMark(key) && pos > 0 && line[pos-1] == key
	switch {
	case marked:
		b = e.do(key, block{slices.Delete(b.text, pos-1, pos), pos - 1})
	case e.indents:
		b, changed = b.indented(key)
	}
	if key == newline || key == markEnter { // what is pasted stays as it is
		e.indents = key == markEnter
	}
	if key != markUp && key != markDown {
		e.goal = -1
	}
	if len(b.text) == 0 {
		e.past.leave()
	}
	e.block = b
	return slices.Clone(b.text), b.at, marked || changed
}

// do is what a mark stands for. The lock is held.
func (e *editing) do(key rune, b block) block {
	switch key {
	case markEnter:
		return b.broken()
	case markUp, markDown:
		return e.upDown(key, b)
	case markStart:
		b.at = b.start()
	case markEnd:
		b.at = b.end()
	case markKill:
		b, e.kill = b.without(b.at, max(b.end(), min(b.at+1, len(b.text))))
	case markKillBack:
		b, e.kill = b.without(min(b.start(), max(b.at-1, 0)), b.at)
	case markYank:
		b = b.with(e.kill)
	case markPaste:
		text := []rune(e.pasted())
		if slices.Contains(text, newline) { // it stays as it is
			e.indents = false
		}
		b = b.with(text)
	case markClear:
		e.clear()
	}
	return b
}

// upDown moves between the lines, and from the first and the last into the
// history.
func (e *editing) upDown(key rune, b block) block {
	if e.goal < 0 {
		e.goal = b.at - b.start()
	}
	if key == markUp {
		if start := b.start(); start > 0 {
			return b.to(start-1, e.goal)
		}
		return e.past.back(b)
	}
	if end := b.end(); end < len(b.text) {
		return b.to(end+1, e.goal)
	}
	return e.past.on(b)
}

// remember adds a chunk to the history.
func (e *editing) remember(chunk string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.past.add([]rune(onOneLine(chunk)))
}
