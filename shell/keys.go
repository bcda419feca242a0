package shell

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	pasteBegin = "\x1b[200~"
	pasteEnd   = "\x1b[201~"
)

// keys are the sequences of terminals that readline does not know, or takes
// wrongly, and what it is given instead.
var keys = map[string]string{
	"\x1b[1~": "\x01", "\x1b[7~": "\x01", // Home: start of the line
	"\x1b[4~": "\x05", "\x1b[8~": "\x05", // End
	"\x1b[1;5C": "\x1bf", "\x1b[1;3C": "\x1bf", "\x1b[5C": "\x1bf", // Ctrl-Right, Alt-Right: a word on
	"\x1b[1;5D": "\x1bb", "\x1b[1;3D": "\x1bb", "\x1b[5D": "\x1bb",
	"\x1b[2~": "", "\x1b[5~": "", "\x1b[6~": "", // Insert, Page Up, Page Down
}

// allowed are the control bytes that readline may get: Ctrl-S makes it panic
// (its issue 163), NUL is its end of input, Ctrl-Z stops the parent.
const allowed = "\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\x0c\r\x0e\x10\x12\x14\x15\x17\x19\x1b\x7f"

// keyboard is the standard input of readline with its traps taken out: a
// bracketed paste does not run by its line breaks, and comes as one key, for readline
// draws all anew with each; unknown keys and control bytes do not come at all.
type keyboard struct {
	in      io.Reader
	ready   []byte // for readline, not read yet
	pending []byte // the begin of a sequence whose rest has not come
	pasting bool
	breaks  int             // line breaks that were pasted, and nothing after them yet
	paste   strings.Builder // what was pasted, until its end comes
	apart   bool            // the paste comes rune by rune
	typed   atomic.Int64    // runes in the line that is edited
	search  atomic.Bool     // what is typed is searched for: marks are not understood

	mu     sync.Mutex
	pastes []string // those that came as a markPaste and were not taken yet
}

// taken gives what the next markPaste stands for.
func (k *keyboard) taken() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.pastes) == 0 { // the mark was typed
		return ""
	}
	text := k.pastes[0]
	k.pastes = k.pastes[1:]
	return text
}

// pasteEnds gives the key that stands for what was pasted.
func (k *keyboard) pasteEnds() string {
	text := k.paste.String()
	k.pasting = false
	k.paste.Reset()
	if text == "" {
		return ""
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pastes = append(k.pastes, text)
	return string(markPaste)
}

// Close does nothing: standard input is not ours to close.
func (k *keyboard) Close() error { return nil }

// Read gives at least one byte of what was typed, or the error of the input.
func (k *keyboard) Read(b []byte) (int, error) {
	buf := make([]byte, len(b))
	for len(k.ready) == 0 {
		n, err := k.in.Read(buf)
		k.ready = k.filter(buf[:n])
		if len(k.ready) == 0 && err != nil {
			return 0, err
		}
	}
	n := copy(b, k.ready)
	k.ready = k.ready[n:]
	return n, nil
}

func (k *keyboard) filter(in []byte) []byte {
	s := slices.Concat(k.pending, in)
	k.pending = nil
	var out []byte
	for len(s) > 0 {
		used, gives := k.one(s)
		if used == 0 {
			k.pending = bytes.Clone(s)
			break
		}
		out = append(out, gives...)
		s = s[used:]
	}
	return out
}

// one takes the next key off s: how many bytes it was and what readline gets
// for it. 0 bytes: the rest of a sequence has not come yet.
func (k *keyboard) one(s []byte) (used int, gives string) {
	c := s[0]
	switch {
	case c == 0x1b:
		return k.sequence(string(s))
	case k.pasting:
		return k.pasted(s)
	case (c < ' ' || c == 0x7f) && !strings.ContainsRune(allowed, rune(c)):
		return 1, ""
	}
	return 1, string(s[:1])
}

// pasted does the same inside a paste. Line breaks at its end are left away: what
// was copied with its last line break need not show an empty line.
func (k *keyboard) pasted(s []byte) (used int, gives string) {
	c := s[0]
	switch {
	case c == '\r' && len(s) > 1 && s[1] == '\n':
		k.breaks++
		return 2, ""
	case c == '\r' || c == '\n':
		k.breaks++
		return 1, ""
	case c == '\t': // it would start completion
		gives = "  "
	case c < ' ' || c == 0x7f:
		return 1, ""
	default:
		gives = string(s[:1])
	}
	gives = strings.Repeat(string(newline), k.breaks) + gives
	k.breaks = 0
	if k.apart {
		return 1, gives
	}
	k.paste.WriteString(gives)
	return 1, ""
}

func (k *keyboard) sequence(s string) (used int, gives string) {
	switch {
	case strings.HasPrefix(s, pasteBegin):
		k.pasting, k.breaks, k.apart = true, 0, k.search.Load()
		return len(pasteBegin), ""
	case strings.HasPrefix(s, pasteEnd):
		return len(pasteEnd), k.pasteEnds()
	case k.pasting:
		if len(s) < len(pasteEnd) && strings.HasPrefix(pasteEnd, s) {
			return 0, ""
		}
		return 1, ""
	case len(s) > 1 && s[1] == '\r': // Alt-Enter: a line more, even where Enter would run
		return 2, string(markEnter)
	case len(s) == 1 || s[1] != '[':
		return 1, "\x1b"
	}
	end := 2
	for end < len(s) && (s[end] == ';' || isDigit(s[end])) {
		end++
	}
	if end == len(s) {
		if end > 16 { // no key is that long
			return len(s), ""
		}
		return 0, ""
	}
	seq := s[:end+1]
	if seq == "\x1b[3~" && k.typed.Load() == 0 { // Delete: readline takes it for the end of input
		return len(seq), ""
	}
	if other, ok := keys[seq]; ok {
		return len(seq), other
	}
	return len(seq), seq
}
