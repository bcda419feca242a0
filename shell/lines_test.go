package shell_test

import (
	"strings"
	"testing"
)

// A chunk of several lines is typed, comes back from the history, also of an
// earlier session, and is changed as what it is, in a narrow terminal with wide
// characters.
func TestShellSeveralLines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newScreen(t, dir, 40, 16)
	s.sees("001>")
	s.enter("say 'one'")
	s.sees("\none")
	s.typed("for i = 1, 2 do", "if i == 2 then", "print('漢字漢字漢字漢字漢字漢字漢字', i)", "end", "end")
	loop := []string{"001> for i = 1, 2 do", "...    if i == 2 then", "...      print('漢字漢字漢字漢字漢字漢字", "漢字', i)", "...    end", "...  end"}
	s.sees(strings.Join(loop, "\n") + "\n漢字漢字漢字漢字漢字漢字漢字    2\n")
	s.enter("exit")
	s.ends("0")

	s = newScreen(t, dir, 40, 16)
	s.sees("001>")
	s.press("Up")
	s.sees(strings.Join(loop, "\n"))
	s.at("8", "5")
	s.press("Up", "Up", "Up", "C-e") // inside, to the line with the if
	s.tmux("send-keys", "-l", " -- ü")
	loop[1] += " -- ü"
	s.sees(strings.Join(loop, "\n"))
	s.at("26", "1")
	s.press("Up", "Up") // out of the chunk, to the one before
	s.sees("001> say 'one'")
	s.press("Down")
	s.sees(strings.Join(loop, "\n"))
	s.tmux("resize-window", "-x", "60")
	s.press("C-k")
	loop = []string{loop[0], loop[1], loop[2] + loop[3], loop[4], loop[5]}
	s.sees(strings.Join(loop, "\n"))
	s.press("Enter")
	s.sees("...  end\n漢字漢字漢字漢字漢字漢字漢字    2\n001>")
}

// typed types the lines of a chunk, each as rollsh indents it.
func (s *screen) typed(lines ...string) {
	s.t.Helper()
	for _, line := range lines {
		s.enter(line)
	}
}

// at waits until the cursor is there.
func (s *screen) at(column, row string) {
	s.t.Helper()
	got := ""
	eventually(s.t, "the cursor at "+column+","+row, func() bool {
		got = strings.TrimSpace(s.tmux("display", "-p", "#{cursor_x},#{cursor_y}"))
		return got == column+","+row
	})
}

// A chunk that is taller than the terminal scrolls within it; Alt-Enter makes a
// line more, Ctrl-L, Ctrl-U and Ctrl-Y know lines.
func TestShellTallChunk(t *testing.T) {
	t.Parallel()
	s := newScreen(t, t.TempDir(), 40, 6)
	s.sees("001>")
	s.press("x = 0")
	for i := range 8 {
		s.press("M-Enter", "x = x + "+string(rune('1'+i)))
	}
	s.sees("...  x = x + 3\n...  x = x + 4\n...  x = x + 5\n...  x = x + 6\n...  x = x + 7\n...  x = x + 8")
	s.press("Up", "Up", "Up", "Up", "Up", "Up", "Up", "C-u")
	s.sees("...\n...  x = x + 2\n")
	s.at("5", "0")
	s.press("C-y", "C-l")
	s.sees("...  x = x + 1\n...  x = x + 2\n...  x = x + 3\n...  x = x + 4\n...  x = x + 5\n...  x = x + 6")
	s.press("Enter")
	s.prompted("001>")
	s.enter("x")
	s.sees("\n36")
}
