package nodes

import (
	"strings"
	"unicode/utf8"
)

// Clean makes text from nodes, repositories and servers safe to show: what is
// left can neither move the cursor nor change, hide or reorder what a terminal
// or a log shows. Escape sequences are taken out whole, in their 7-bit and 8-bit
// forms; other control characters, bidirectional overrides and invisible format
// characters are dropped; bytes that are not UTF-8 become U+FFFD. CR LF becomes
// LF, and a lone CR becomes LF too, so that a line cannot be written over. Tab
// and newline stay. Clean of cleaned text is the same text.
//
// Source of the sequences: ECMA-48 5.4 (CSI) and 5.6 (control strings); of the
// characters: Unicode 15, general category Cf.
func Clean(text string) string {
	if isClean(text) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size == 1 && 0x80 <= text[i] && text[i] <= 0x9f {
			r = rune(text[i]) // a raw C1 byte, which some terminals obey
		}
		switch {
		case r == 0x1b:
			i += escapeLength(text[i:])
			continue
		case r == 0x9b:
			i += size + csiLength(text[i+size:])
			continue
		case opensString(r):
			i += size + stringLength(text[i+size:])
			continue
		case r == '\r':
			if !strings.HasPrefix(text[i+1:], "\n") {
				b.WriteByte('\n')
			}
		case !hostile(r):
			b.WriteRune(r)
		}
		i += size
	}
	return b.String()
}

func isClean(text string) bool {
	for i, r := range text {
		if hostile(r) || r == '\r' {
			return false
		}
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD") {
			return false
		}
	}
	return true
}

// hostile reports whether a terminal may do something else with r than show it.
func hostile(r rune) bool {
	switch {
	case r == '\t' || r == '\n':
		return false
	case r < 0x20 || 0x7f <= r && r <= 0x9f:
		return true
	case 0x200b <= r && r <= 0x200f, 0x2028 <= r && r <= 0x202e, 0x2060 <= r && r <= 0x206f:
		return true // zero width, line and paragraph separators, bidi marks, embeddings, isolates
	case r == 0xad, r == 0x61c, r == 0x180e, r == 0xfeff, 0xfff9 <= r && r <= 0xfffb, 0xe0000 <= r && r <= 0xe007f:
		return true
	}
	return false
}

// opensString tells the 8-bit introducers of control strings: DCS SOS OSC PM APC.
func opensString(r rune) bool {
	return r == 0x90 || r == 0x98 || r == 0x9d || r == 0x9e || r == 0x9f
}

// escapeLength measures the sequence that begins with the ESC at s[0].
func escapeLength(s string) int {
	if len(s) < 2 {
		return 1
	}
	switch s[1] {
	case '[':
		return 2 + csiLength(s[2:])
	case 'P', 'X', ']', '^', '_':
		return 2 + stringLength(s[2:])
	}
	i := 1
	for i < len(s) && 0x20 <= s[i] && s[i] <= 0x2f {
		i++
	}
	if i < len(s) && 0x30 <= s[i] && s[i] <= 0x7e {
		i++
	}
	return i
}

// csiLength measures parameters, intermediates and the final byte; a sequence
// that is broken ends where it breaks.
func csiLength(s string) int {
	i := 0
	for i < len(s) && 0x20 <= s[i] && s[i] <= 0x3f {
		i++
	}
	if i < len(s) && 0x40 <= s[i] && s[i] <= 0x7e {
		i++
	}
	return i
}

// stringLength measures a control string with its end: ST or BEL. One without an
// end goes no further than its line, so that it cannot swallow all that follows.
func stringLength(s string) int {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == 0x07, r == 0x9c, s[i] == 0x9c: // 0x9c as a byte of its own is no UTF-8
			return i + size
		case strings.HasPrefix(s[i:], "\x1b\\"):
			return i + 2
		case r == '\n', r == 0x1b:
			return i
		}
		i += size
	}
	return len(s)
}
