package ssh

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestHeader(t *testing.T) {
	for _, c := range []struct {
		before, line, after, want string
		pid                       int
		shell                     string
	}{
		{"", "123\n", "", "", 123, ""},
		{"", "123\r\n", "text\n", "text\n", 123, ""},
		{"", "123 bash\r\n", "text\n", "text\n", 123, "bash"},
		{"", "123 \n", "", "", 123, ""},
		{"", "", "other text", "other text", 0, ""},
		{"x", "123\n", "y", "x#123\ny", 0, ""},
		{"", "12", "", "#12", 0, ""},
		{"", "abc\n", "z", "#abc\nz", 0, ""},
		{"", "-5\n", "", "#-5\n", 0, ""},
		{"", "1 bash\n", "", "#1 bash\n", 0, ""},
		{"", strings.Repeat("9", 5000) + "\n", "", "#" + strings.Repeat("9", 5000) + "\n", 0, ""},
	} {
		for _, slow := range []bool{false, true} {
			shell := ""
			h := newHeader(func(name string) { shell = name })
			text := c.before + c.after
			if c.line != "" {
				text = c.before + string(h.mark) + c.line + c.after
			}
			h.from = strings.NewReader(text)
			if slow {
				h.from = iotest.OneByteReader(h.from)
			}
			got, err := io.ReadAll(h)
			want := strings.ReplaceAll(c.want, "#", string(h.mark))
			if err != nil || string(got) != want || h.process() != c.pid || shell != c.shell {
				t.Errorf("%q (slow %v): got %q pid %d of %q %v, want %q pid %d of %q", text, slow, got, h.process(), shell, err, want, c.pid, c.shell)
			}
		}
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte("rollsh-"), []byte("12\nx"))
	f.Fuzz(func(t *testing.T, before, after []byte) {
		h := newHeader(func(string) {})
		text := append(bytes.Clone(before), after...)
		h.from = iotest.HalfReader(bytes.NewReader(text))
		got, err := io.ReadAll(h)
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("a stream without the line was changed: %q to %q, %v", text, got, err)
		}
	})
}

func FuzzTail(f *testing.F) {
	f.Add([]byte("abcdefghij"), 3)
	f.Fuzz(func(t *testing.T, text []byte, step int) {
		k := newTail(8)
		for rest := text; len(rest) > 0; {
			n := min(len(rest), max(1, step%7))
			k.Write(rest[:n])
			rest = rest[n:]
		}
		got := k.bytes()
		if len(text) <= 8 && !bytes.Equal(got, text) {
			t.Errorf("%q became %q", text, got)
		}
		if len(text) > 8 && (!bytes.HasPrefix(got, text[:4]) || !bytes.HasSuffix(got, text[len(text)-4:])) {
			t.Errorf("%q became %q", text, got)
		}
	})
}

func FuzzSplitWords(f *testing.F) {
	f.Add(`a "b c" 'd' \"e # f`)
	f.Fuzz(func(t *testing.T, s string) {
		words, _ := splitWords(s)
		total := 0
		for _, w := range words {
			total += len(w)
		}
		if total > len(s) {
			t.Errorf("%q gave %q", s, words)
		}
	})
}
