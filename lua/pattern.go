package lua

import "strings"

// pattern matches a text as Lua 5.1 does, frontiers (%f) included: it is the
// matcher of its lstrlib.c, byte by byte. gopher-lua's own knows no frontiers and
// takes some broken patterns for good ones.
type pattern struct {
	text, pat string
	captures  []capture
	steps     int
	fail      func(message string) // raises: it does not return
	tick      func()               // called now and then; raises when the task is cancelled
}

// capture is where a capture begins, and how long it is, or one of the below.
type capture struct{ start, size int }

const (
	open     = -1 // its end is not known yet
	position = -2 // () captures where it is

	none        = -1 // no match
	maxCaptures = 32
	ticksApart  = 1 << 16
)

// at is the byte of the pattern at p, 0 at its end.
func (m *pattern) at(p int) byte {
	if p < len(m.pat) {
		return m.pat[p]
	}
	return 0
}

// step counts bytes that were looked at.
func (m *pattern) step(n int) {
	if m.steps += n; m.steps > ticksApart {
		m.steps = 0
		m.tick()
	}
}

// match gives the end of what the pattern from p on matches in the text from s
// on, or none.
func (m *pattern) match(s, p int) int {
	for p < len(m.pat) {
		m.step(1)
		switch next := m.at(p + 1); {
		case m.pat[p] == '(':
			return m.begin(s, p)
		case m.pat[p] == ')':
			return m.finish(s, p)
		case m.pat[p] == '$' && p+1 == len(m.pat):
			if s == len(m.text) {
				return s
			}
			return none
		case m.pat[p] == '%' && next == 'b':
			if s = m.balanced(s, p+2); s == none {
				return none
			}
			p += 4
		case m.pat[p] == '%' && next == 'f':
			if p = m.frontier(s, p+2); p == none {
				return none
			}
		case m.pat[p] == '%' && isDigit(next):
			if s = m.again(s, int(next-'1')); s == none {
				return none
			}
			p += 2
		default:
			var done bool
			if s, p, done = m.item(s, p); done {
				return s
			}
		}
	}
	return s
}

// item matches a single class, with what is said of how often, and gives where to
// go on in text and pattern; done says that the first is the end of the match.
func (m *pattern) item(s, p int) (text, pat int, done bool) {
	end := m.classEnd(p)
	fits := s < len(m.text) && m.single(m.text[s], p, end)
	switch m.at(end) {
	case '?':
		if fits {
			if e := m.match(s+1, end+1); e != none {
				return e, 0, true
			}
		}
		return s, end + 1, false
	case '*':
		return m.most(s, p, end), 0, true
	case '+':
		if !fits {
			return none, 0, true
		}
		return m.most(s+1, p, end), 0, true
	case '-':
		return m.least(s, p, end), 0, true
	}
	if !fits {
		return none, 0, true
	}
	return s + 1, end, false
}

// most takes as many as there are, and fewer until the rest matches.
func (m *pattern) most(s, p, end int) int {
	n := s
	for n < len(m.text) && m.single(m.text[n], p, end) {
		n++
	}
	m.step(n - s)
	for ; n >= s; n-- {
		if e := m.match(n, end+1); e != none {
			return e
		}
	}
	return none
}

// least takes none, and more until the rest matches.
func (m *pattern) least(s, p, end int) int {
	for {
		if e := m.match(s, end+1); e != none {
			return e
		}
		if s == len(m.text) || !m.single(m.text[s], p, end) {
			return none
		}
		s++
	}
}

// begin begins a capture.
func (m *pattern) begin(s, p int) int {
	if len(m.captures) == maxCaptures {
		m.fail("too many captures")
	}
	size, next := open, p+1
	if m.at(next) == ')' {
		size, next = position, p+2
	}
	m.captures = append(m.captures, capture{s, size})
	n := len(m.captures)
	e := m.match(s, next)
	if e == none {
		m.captures = m.captures[:n-1]
	}
	return e
}

// finish ends the capture that was begun last and is open.
func (m *pattern) finish(s, p int) int {
	i := len(m.captures) - 1
	for i >= 0 && m.captures[i].size != open {
		i--
	}
	if i < 0 {
		m.fail("invalid pattern capture")
	}
	m.captures[i].size = s - m.captures[i].start
	e := m.match(s, p+1)
	if e == none {
		m.captures[i].size = open
	}
	return e
}

// again matches what a capture holds.
func (m *pattern) again(s, i int) int {
	if i < 0 || i >= len(m.captures) || m.captures[i].size == open {
		m.fail("invalid capture index")
	}
	c := m.captures[i]
	if c.size < 0 || !strings.HasPrefix(m.text[s:], m.text[c.start:c.start+c.size]) {
		return none
	}
	return s + c.size
}

// balanced matches %bxy from x to the y that belongs to it.
func (m *pattern) balanced(s, p int) int {
	if p+1 >= len(m.pat) {
		m.fail("unbalanced pattern")
	}
	if s == len(m.text) || m.text[s] != m.pat[p] {
		return none
	}
	depth := 1
	m.step(len(m.text) - s) // at most
	for i := s + 1; i < len(m.text); i++ {
		switch m.text[i] {
		case m.pat[p+1]:
			if depth--; depth == 0 {
				return i + 1
			}
		case m.pat[p]:
			depth++
		}
	}
	return none
}

// frontier matches the empty text between a byte that is not of a set and one that
// is; the begin and the end of the text count as a 0. It gives where the pattern
// goes on.
func (m *pattern) frontier(s, p int) int {
	if m.at(p) != '[' {
		m.fail("missing '[' after '%f' in pattern")
	}
	end := m.classEnd(p)
	var before, after byte
	if s > 0 {
		before = m.text[s-1]
	}
	if s < len(m.text) {
		after = m.text[s]
	}
	if m.inSet(before, p, end-1) || !m.inSet(after, p, end-1) {
		return none
	}
	return end
}

// classEnd is where the class ends that begins at p: a byte, %x or [set].
func (m *pattern) classEnd(p int) int {
	c := m.pat[p]
	p++
	switch {
	case c == '%' && p == len(m.pat):
		m.fail("malformed pattern (ends with '%')")
	case c == '%':
		return p + 1
	case c != '[':
		return p
	}
	if m.at(p) == '^' {
		p++
	}
	for first := true; first || m.at(p) != ']'; first = false {
		if p >= len(m.pat) {
			m.fail("malformed pattern (missing ']')")
		}
		c = m.pat[p]
		p++
		if c == '%' && p < len(m.pat) {
			p++
		}
	}
	return p + 1
}

// single reports whether a byte is of the class from p to end.
func (m *pattern) single(c byte, p, end int) bool {
	switch m.pat[p] {
	case '.':
		return true
	case '%':
		return inClass(c, m.pat[p+1])
	case '[':
		return m.inSet(c, p, end-1)
	}
	return m.pat[p] == c
}

// inSet reports whether a byte is in the set whose brackets are at p and end.
func (m *pattern) inSet(c byte, p, end int) bool {
	in := true
	if m.pat[p+1] == '^' {
		in = false
		p++
	}
	for p++; p < end; p++ {
		switch {
		case m.pat[p] == '%':
			p++
			if inClass(c, m.pat[p]) {
				return in
			}
		case m.pat[p+1] == '-' && p+2 < end:
			if m.pat[p] <= c && c <= m.pat[p+2] {
				return in
			}
			p += 2
		case m.pat[p] == c:
			return in
		}
	}
	return !in
}

// inClass reports whether a byte is in the class %name; a capital is what the
// small letter is not.
func inClass(c, name byte) bool {
	in := false
	small := name | 0x20
	switch small {
	case 'a':
		in = isAlpha(c)
	case 'c':
		in = c < ' ' || c == 0x7f
	case 'd':
		in = isDigit(c)
	case 'l':
		in = 'a' <= c && c <= 'z'
	case 'p':
		in = ' ' < c && c < 0x7f && !isAlpha(c) && !isDigit(c)
	case 's':
		in = c == ' ' || '\t' <= c && c <= '\r'
	case 'u':
		in = 'A' <= c && c <= 'Z'
	case 'w':
		in = isAlpha(c) || isDigit(c)
	case 'x':
		in = isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f'
	case 'z':
		in = c == 0
	default:
		return name == c
	}
	return in == (name == small)
}

func isAlpha(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
