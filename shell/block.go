package shell

import (
	"slices"
	"strings"
)

// indentStep is how far a block is indented.
const indentStep = 2

// block is a text of one or more lines with a cursor; newline ends each line but
// the last. at is how many runes stand before the cursor.
type block struct {
	text []rune
	at   int
}

// start is where the line with the cursor begins.
func (b block) start() int {
	for i := b.at; i > 0; i-- {
		if b.text[i-1] == newline {
			return i
		}
	}
	return 0
}

// end is where the line with the cursor ends.
func (b block) end() int {
	if i := slices.Index(b.text[b.at:], newline); i >= 0 {
		return b.at + i
	}
	return len(b.text)
}

// to moves the cursor to a column of the line that a place is in, or to its end.
func (b block) to(place, column int) block {
	b.at = place
	b.at = min(b.start()+column, b.end())
	return b
}

// with puts text in at the cursor.
func (b block) with(text []rune) block {
	return block{slices.Insert(slices.Clone(b.text), b.at, text...), b.at + len(text)}
}

// without takes out what is from one place to another, and gives it.
func (b block) without(from, to int) (block, []rune) {
	out := slices.Clone(b.text[from:to])
	return block{slices.Delete(slices.Clone(b.text), from, to), from}, out
}

// broken breaks the line at the cursor; the new line is indented as the one
// before, and more when that opens a block.
func (b block) broken() block {
	indent := 0
	if !inText(b.text[:b.at]) {
		indent = innerIndent(string(b.text[b.start():b.at]))
	}
	return b.with([]rune(string(newline) + strings.Repeat(" ", indent)))
}

// innerIndent is how far the line after a line is indented.
func innerIndent(line string) int {
	if opens(line) > 0 {
		return indentOf(line) + indentStep
	}
	return indentOf(line)
}

// inText reports whether the end of a text is inside a string or a long comment.
func inText(text []rune) bool {
	tokens := lex(strings.ReplaceAll(string(text), string(newline), "\n"))
	if len(tokens) == 0 {
		return false
	}
	last := tokens[len(tokens)-1]
	return last.open && (last.kind == quoted || strings.HasPrefix(last.text, "--["))
}

// indented moves a line back that a key has just made begin with the end of a
// block, such as end or }, and forth again when the word turns out to be another.
func (b block) indented(key rune) (block, bool) {
	start := b.start()
	if start == 0 || b.at == start || key != b.text[b.at-1] || b.at != b.end() || inText(b.text[:start]) {
		return b, false
	}
	line := string(b.text[start:b.at])
	before := block{b.text, start - 1}
	inner := innerIndent(string(b.text[before.start() : start-1]))
	indent, word := indentOf(line), strings.TrimLeft(line, " ")
	switch {
	case closes(word) && indent == inner && indent >= indentStep:
		b, _ = b.without(start, start+indentStep)
	case indent == inner-indentStep && isWordAfterClosing(word):
		b = block{b.text, start}.with([]rune(strings.Repeat(" ", indentStep)))
	default:
		return b, false
	}
	b.at = b.end()
	return b, true
}

// isWordAfterClosing reports whether a word is a closing word and one letter.
func isWordAfterClosing(word string) bool {
	n := len(word) - 1
	return n > 0 && isLetter(word[n]) && closes(word[:n]) && !closes(word)
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// blockWords are what opens and closes blocks of Lua: by how many.
var blockWords = map[string]int{
	"do": 1, "then": 1, "repeat": 1, "function": 1, "{": 1, "(": 1, "else": 1,
	"end": -1, "until": -1, "}": -1, ")": -1, "elseif": -1,
}

// opens is how many blocks a line leaves open; less than 0 when it closes more.
func opens(line string) int {
	n := 0
	for i, t := range solid(lex(line)) {
		by := blockWords[t.text]
		if i == 0 && by < 0 { // it closes what was open before
			by = 0
		}
		n += by
	}
	return n
}

// closes reports whether a line is only the word that ends a block.
func closes(word string) bool { return blockWords[word] < 0 || word == "else" }

// past are the chunks that were typed, and the place in them that up and down
// have come to.
type past struct {
	chunks [][]rune      // the oldest first
	at     int           // len(chunks) for none of them
	draft  block         // what was typed before the walk
	prefix []rune        // only chunks that begin so are walked through
	edited map[int]block // chunks as they were changed on the walk
}

func (p *past) add(chunk []rune) {
	if len(p.chunks) == 0 || !slices.Equal(p.chunks[len(p.chunks)-1], chunk) {
		p.chunks = append(p.chunks, chunk)
	}
	p.leave()
}

// leave ends the walk, and forgets what was changed on it.
func (p *past) leave() { p.at, p.edited = len(p.chunks), map[int]block{} }

// keep notes what was typed or changed, to come back to. What was typed before the
// walk, in one line, is looked for.
func (p *past) keep(b block) {
	if p.at < len(p.chunks) {
		p.edited[p.at] = b
		return
	}
	p.draft, p.prefix = b, nil
	if b.at == len(b.text) && !slices.Contains(b.text, newline) {
		p.prefix = b.text
	}
}

// back gives the chunk before.
func (p *past) back(b block) block {
	p.keep(b)
	for i := min(p.at, len(p.chunks)) - 1; i >= 0; i-- {
		if p.fits(i, b) {
			return p.visit(i)
		}
	}
	return b
}

// on gives the chunk after, and behind the last the draft.
func (p *past) on(b block) block {
	if p.at >= len(p.chunks) {
		return b
	}
	p.keep(b)
	for i := p.at + 1; i < len(p.chunks); i++ {
		if p.fits(i, b) {
			return p.visit(i)
		}
	}
	p.leave()
	return p.draft
}

// visit gives a chunk as it was left, with the cursor at its end.
func (p *past) visit(i int) block {
	p.at = i
	text := p.chunks[i]
	if b, ok := p.edited[i]; ok {
		text = b.text
	}
	return block{slices.Clone(text), len(text)}
}

// fits reports whether a chunk begins as it shall, and is not what is there already.
func (p *past) fits(i int, b block) bool {
	c := p.chunks[i]
	return len(c) >= len(p.prefix) && slices.Equal(c[:len(p.prefix)], p.prefix) && !slices.Equal(c, b.text)
}
