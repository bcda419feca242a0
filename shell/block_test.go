package shell_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollsh/rollsh/shell"
)

func TestLayOut(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, text string
		at, width  int
		want       []string
		row, col   int
	}{
		{"nothing typed", "", 0, 20, []string{"ab> "}, 0, 4},
		{"lines", "if x\ny", 6, 20, []string{"ab> if x", ".. y"}, 1, 4},
		{"the cursor at the end of the first line", "if x\ny", 4, 20, []string{"ab> if x", ".. y"}, 0, 8},
		{"the cursor at the start of the second", "if x\ny", 5, 20, []string{"ab> if x", ".. y"}, 1, 3},
		{"broken by the terminal", "12345678", 8, 10, []string{"ab> 123456~", "78"}, 1, 2},
		{"just full", "123456", 6, 10, []string{"ab> 123456~", ""}, 1, 0},
		{"a wide character does not fit", "12345漢6", 5, 10, []string{"ab> 12345~", "漢6"}, 1, 0},
		{"behind a wide character", "漢6", 1, 10, []string{"ab> 漢6"}, 0, 6},
		{"a combining mark takes no cell", "e\u0301x", 2, 10, []string{"ab> e\u0301x"}, 0, 5},
		{"colours take no cell", "\x1b[32m123\x1b[0;39m4567", 4, 10, []string{"ab> 123456~", "7"}, 0, 8},
		{"control characters are not put out", "a\x07\x1bb", 4, 10, []string{"ab> a??b"}, 0, 8},
		{"a prompt wider than the terminal", "x", 1, 3, []string{"ab>~", " x"}, 1, 2},
	} {
		rows, row, col := shell.LayOut("ab> ", ".. ", tc.text, tc.at, tc.width)
		if d := cmp.Diff(tc.want, rows); d != "" || row != tc.row || col != tc.col {
			t.Errorf("%s: cursor %d,%d (-want +got):\n%s", tc.name, row, col, d)
		}
	}
}

// A terminal that has become narrower or wider has broken the lines anew.
func TestRowsAboveTheCursorAfterAResize(t *testing.T) {
	t.Parallel()
	for width, want := range map[int]int{20: 1, 10: 3, 9: 3, 40: 1, 5: 6} {
		if got := shell.Above("ab> ", "123456789012\n345678901234", 25, 20, width); got != want {
			t.Errorf("at %d columns: %d, want %d", width, got, want)
		}
	}
	if got := shell.Above("ab> ", "12345678901234567890", 20, 10, 40); got != 0 {
		t.Errorf("a line that fits again: %d", got)
	}
}

func TestPast(t *testing.T) {
	t.Parallel()
	chunks := []string{"sync.push{}", "say(1)", "svn.log()", "say(1)"}
	for _, tc := range []struct {
		draft, steps string
		want         []string
	}{
		{"", "uuuuud", []string{"say(1)", "svn.log()", "say(1)", "sync.push{}", "sync.push{}", "say(1)"}},
		{"", "ud", []string{"say(1)", ""}},
		{"sy", "uud", []string{"sync.push{}", "sync.push{}", "sy"}},
		{"say", "uu", []string{"say(1)", "say(1)"}},
		{"none", "ud", []string{"none", "none"}},
	} {
		if d := cmp.Diff(tc.want, shell.Past(chunks, tc.draft, tc.steps)); d != "" {
			t.Errorf("%q %s (-want +got):\n%s", tc.draft, tc.steps, d)
		}
	}
}

func TestLinesAreIndented(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		lines []string
		want  string
	}{
		{[]string{"if x then", "y()", "else", "z()", "end"}, "if x then\n  y()\nelse\n  z()\nend"},
		{[]string{"f(function(n)", "endpoint(n)", "end)"}, "f(function(n)\n  endpoint(n)\nend)"},
		{[]string{"t = {", "a = 1,", "}"}, "t = {\n  a = 1,\n}"},
		{[]string{"for _, n in ipairs(w) do", "if n then", "say(n)", "end", "end"}, "for _, n in ipairs(w) do\n  if n then\n    say(n)\n  end\nend"},
		{[]string{"x = [[ do", "end"}, "x = [[ do\nend"},
		{[]string{"repeat -- do", "f() end"}, "repeat -- do\n  f() end"},
		{[]string{"if a then", "elseif b then", "c()"}, "if a then\nelseif b then\n  c()"},
	} {
		if got := shell.Enter(tc.lines...); got != tc.want {
			t.Errorf("%q is\n%s\nwant\n%s", tc.lines, got, tc.want)
		}
	}
}
