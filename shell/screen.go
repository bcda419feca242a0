package shell

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/rollsh/rollsh/nodes"
)

// screen puts lines, results and the live grid on the streams so that none
// tears another: the grid is always last, and everything else scrolls above it.
type screen struct {
	mu      sync.Mutex
	writer  *writer
	size    func() (width, height int)
	live    []string // the grid as it is drawn now
	drawn   []int    // the cells each of its lines took
	hidden  int      // how many prompts are open: nothing is drawn under them
	waiting []chunk  // what came in meanwhile
	above   io.Writer
	outTTY  bool           // results share the terminal with the grid
	secrets *nodes.Secrets // are put out nowhere
}

func newScreen(w *writer, size func() (int, int), outTTY bool) *screen {
	return &screen{writer: w, size: size, outTTY: outTTY}
}

// line puts diagnostics above the grid. Text ends with a newline.
func (s *screen) line(text string) {
	s.put(chunk{s.writer.err, []byte(s.secrets.Hide(text))})
}

// result puts text on standard output, above the grid where both share a
// terminal.
func (s *screen) result(text string) {
	s.put(chunk{s.writer.out, []byte(s.secrets.Hide(text))})
}

func (s *screen) put(c chunk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.hidden > 0:
		s.waiting = append(s.waiting, c)
	case s.above != nil && (c.to == s.writer.err || s.outTTY):
		// A failing terminal shows in the next read of the prompt.
		_, _ = s.above.Write(c.data)
	default:
		s.write(c)
	}
}

// write sends one chunk past the grid; the lock is held.
func (s *screen) write(c chunk) {
	toTerminal := c.to == s.writer.err || s.outTTY
	if toTerminal && len(s.live) > 0 {
		s.writer.diagnostic([]byte(s.erase()))
	}
	if c.to == s.writer.out {
		s.writer.result(c.data)
	} else {
		s.writer.diagnostic(c.data)
	}
	if toTerminal && len(s.live) > 0 {
		s.writer.diagnostic([]byte(s.paint()))
	}
}

// draw replaces the grid, after text that scrolls above it, in one write. No
// lines: the grid goes away. Lines are at most as wide as the terminal.
func (s *screen) draw(text string, lines []string) {
	text = s.secrets.Hide(text)
	for i := range lines {
		lines[i] = s.secrets.Hide(lines[i])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.hidden > 0:
		if text != "" {
			s.waiting = append(s.waiting, chunk{s.writer.err, []byte(text)})
		}
		return
	case s.above != nil:
		_, _ = s.above.Write([]byte(text))
		return
	}
	out := s.erase() + text
	s.live = lines
	out += s.paint()
	s.writer.diagnostic([]byte(out))
}

// erase gives the bytes that remove the grid; the lock is held.
func (s *screen) erase() string {
	if len(s.drawn) == 0 {
		return ""
	}
	width, _ := s.size()
	rows := 0
	for _, w := range s.drawn { // a narrowed terminal has wrapped them
		rows += 1 + max(0, w-1)/max(1, width)
	}
	s.drawn = nil
	return fmt.Sprintf("\r\x1b[%dA\x1b[J", rows)
}

// paint gives the bytes that draw the grid; the lock is held.
func (s *screen) paint() string {
	var b bytes.Buffer
	for _, l := range s.live {
		b.WriteString(l)
		b.WriteString("\x1b[K\n")
		s.drawn = append(s.drawn, cells(l))
	}
	return b.String()
}

// afterEcho goes on below the ^C that a terminal shows for Ctrl-C; a grid is drawn
// over it.
func (s *screen) afterEcho() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.drawn) == 0 && s.hidden == 0 {
		s.writer.diagnostic([]byte("\n"))
	}
}

// hide takes the grid away and keeps everything back while a person is asked.
// It returns when the streams are quiet.
func (s *screen) hide() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hidden++
	if s.hidden == 1 {
		s.writer.diagnostic([]byte(s.erase()))
		s.live = nil
	}
	s.writer.flush()
}

// show ends hide.
func (s *screen) show() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hidden--
	if s.hidden > 0 {
		return
	}
	for _, c := range s.waiting {
		s.write(c)
	}
	s.waiting = nil
}

// prompt writes to the terminal while the screen is hidden.
func (s *screen) prompt(text string) {
	s.writer.diagnostic([]byte(text))
	s.writer.flush()
}

// under makes whole lines go through w, which draws them above the line that is
// being typed; nil ends that.
func (s *screen) under(w io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writer.flush()
	s.above = w
}
