package shell

import (
	"slices"
	"strings"

	"github.com/rollsh/rollsh/lua"
)

// kind is what a token of Lua is.
type kind int

const (
	blank kind = iota
	word
	reserved
	quoted // a string; open says whether its end is missing
	numeral
	comment
	sign // an operator or a bracket
)

// token is a piece of Lua as it is typed. All tokens together are the text.
type token struct {
	kind kind
	text string
	open bool // of quoted and comment: no end yet
}

// lex cuts Lua, or the beginning of it, into tokens. It never fails: what is no
// Lua is a sign.
func lex(src string) []token {
	keywords := lua.Keywords()
	var out []token
	for len(src) > 0 {
		t := next(src)
		if t.kind == word && slices.Contains(keywords, t.text) {
			t.kind = reserved
		}
		out = append(out, t)
		src = src[len(t.text):]
	}
	return out
}

func next(src string) token {
	c := src[0]
	switch {
	case strings.HasPrefix(src, "--"):
		return lexComment(src)
	case c == '"' || c == '\'':
		return lexQuoted(src)
	case c == '[' && longBracket(src) >= 0:
		return lexLong(quoted, src, "", longBracket(src))
	case isLetter(c):
		return token{kind: word, text: src[:span(src, func(c byte) bool { return isLetter(c) || isDigit(c) })]}
	case isDigit(c):
		return token{kind: numeral, text: src[:span(src, func(c byte) bool { return isLetter(c) || isDigit(c) || c == '.' })]}
	case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		return token{kind: blank, text: src[:span(src, func(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' })]}
	}
	for _, op := range []string{"...", "..", "==", "~=", "<=", ">=", "::"} {
		if strings.HasPrefix(src, op) {
			return token{kind: sign, text: op}
		}
	}
	for i := range src { // a whole rune
		if i > 0 {
			return token{kind: sign, text: src[:i]}
		}
	}
	return token{kind: sign, text: src}
}

func isLetter(c byte) bool { return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }

func span(s string, in func(byte) bool) int {
	n := 0
	for n < len(s) && in(s[n]) {
		n++
	}
	return n
}

func lexComment(src string) token {
	if level := longBracket(src[2:]); level >= 0 {
		return lexLong(comment, src, "--", level)
	}
	if end := strings.IndexByte(src, '\n'); end >= 0 {
		return token{kind: comment, text: src[:end]}
	}
	return token{kind: comment, text: src, open: true}
}

func lexQuoted(src string) token {
	for i := 1; i < len(src); i++ {
		switch src[i] {
		case '\\':
			i++
		case src[0]:
			return token{kind: quoted, text: src[:i+1]}
		case '\n':
			return token{kind: quoted, text: src[:i], open: true}
		}
	}
	return token{kind: quoted, text: src, open: true}
}

// longBracket is the level of a long bracket that src begins with: 0 for [[, 1
// for [=[; -1 for none.
func longBracket(src string) int {
	if src == "" || src[0] != '[' {
		return -1
	}
	level := span(src[1:], func(c byte) bool { return c == '=' })
	if 1+level < len(src) && src[1+level] == '[' {
		return level
	}
	return -1
}

func lexLong(k kind, src, before string, level int) token {
	closing := "]" + strings.Repeat("=", level) + "]"
	if end := strings.Index(src, closing); end > len(before) {
		return token{kind: k, text: src[:end+len(closing)]}
	}
	return token{kind: k, text: src, open: true}
}

// paintLua colours Lua as it is typed; only zero-width escapes are added.
func paintLua(p *palette, src string) string {
	var b strings.Builder
	for _, t := range lex(src) {
		switch t.kind {
		case reserved:
			b.WriteString(p.as(keyword, t.text))
		case quoted:
			b.WriteString(p.as(literal, t.text))
		case numeral:
			b.WriteString(p.as(number, t.text))
		case comment:
			b.WriteString(p.as(dim, t.text))
		default:
			b.WriteString(t.text)
		}
	}
	return b.String()
}
