package nodes_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rollsh/rollsh/nodes"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain ü ✜ 漢\ttab\nline":                   "plain ü ✜ 漢\ttab\nline",
		"\x1b[31mred\x1b[0m":                       "red",
		"\x1b[2J\x1b[1;1Hx":                        "x",
		"\x1b]0;title\x07x":                        "x",
		"\x1b]8;;http://e\x1b\\link\x1b]8;;\x1b\\": "link",
		"\x1bP1$r\x1b\\x":                          "x",
		"\x1b(Bx\x1bcy\x1b":                        "xy",
		"\x9b31mx":                                 "x",
		"\u009b31mx":                               "x",
		"\u009d0;t\u009cx":                         "x",
		"\x9d0;t\x9cx":                             "x",
		"\x1b]0;\u2713 ✜\x07x":                     "x",
		"\x1b]0;no end\nnext":                      "\nnext",
		"\x1b]0;cut\x1b[1mx":                       "x",
		"100%\rok":                                 "100%\nok",
		"a\r\nb":                                   "a\nb",
		"a\bb\x7fc\x00d\x07":                       "abcd",
		"\u202eevil\u2066\u200f":                   "evil",
		"a\u200bb\ufeffc\u00add":                   "abcd",
		"bad \xff\xc3(":                            "bad \ufffd\ufffd(",
		"\ufffd":                                   "\ufffd",
		"\U000e0041x":                              "x",
		"\x1b[31":                                  "",
		"\x1b[3\x1b[1mx":                           "x",
	} {
		if got := nodes.Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}

// FuzzClean holds what Clean promises of every text.
func FuzzClean(f *testing.F) {
	for _, s := range []string{"\x1b[31mred", "a\r\nb", "\x1b]0;t\x07", "\u202e", "\x9bm", "\xc2", "\x1b\x1b[", "✜"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		out := nodes.Clean(in)
		if !utf8.ValidString(out) || nodes.Clean(out) != out {
			t.Fatalf("%q gives %q, cleaned again %q", in, out, nodes.Clean(out))
		}
		for _, r := range out {
			if r < 0x20 && r != '\t' && r != '\n' || 0x7f <= r && r <= 0x9f || 0x202a <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069 {
				t.Fatalf("%q leaves %U", in, r)
			}
		}
		plain := strings.Map(func(r rune) rune {
			if 0x20 <= r && r < 0x7f || r == '\n' {
				return r
			}
			return -1
		}, in)
		if nodes.Clean(plain) != plain {
			t.Fatalf("plain %q became %q", plain, nodes.Clean(plain))
		}
	})
}
