package ssh

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
)

// header finds the line in which the node's shell tells its process id, at the
// beginning of a stream, and takes it out. The line carries a random word, so
// that nothing else can pass for it. A stream that begins otherwise (the node
// ran something else than what was asked) is passed on untouched.
type header struct {
	from io.Reader
	mark []byte

	reading sync.Mutex // held while from is read
	mu      sync.Mutex
	held    []byte // read, not yet given out
	err     error
	shell   func(name string) // told the name of the login shell's program, where the node says it
	over    bool              // the line was found, or is not there
	known   chan struct{}     // closed when over
	pid     int               // 0: not known
}

func newHeader(shell func(name string)) *header {
	return &header{mark: []byte("rollsh-" + rand.Text() + ":"), shell: shell, known: make(chan struct{})}
}

// wrap puts the telling of the process id before a command. The command stands
// on lines of its own, so the shell treats it as if it were alone. A login shell
// that is known to be one of posixShells tells itself; else a child does, in
// words that every shell passes on, and says which it is: fish does not read a
// command that has $$ in it, and says that it went well; to csh >&2 is a file.
func (h *header) wrap(line string, posix bool) string {
	tell := `printf '%s%%s\n' "$$" >&2`
	if !posix {
		tell = `sh -c '{ read c </proc/$PPID/comm; } 2>/dev/null; printf "%s%%s %%s\n" "$PPID" "$c" >&2'`
	}
	return fmt.Sprintf(tell, h.mark) + "\n" + line
}

// posixShells are the programs that read a command as POSIX has it.
var posixShells = []string{"sh", "bash", "dash", "zsh", "ksh", "ksh93", "mksh", "ash", "busybox", "yash"}

// Read gives the stream without the line.
func (h *header) Read(p []byte) (int, error) {
	h.reading.Lock()
	defer h.reading.Unlock()
	for {
		h.mu.Lock()
		over := h.over
		if over && len(h.held) > 0 {
			n := copy(p, h.held)
			h.held = h.held[n:]
			h.mu.Unlock()
			return n, nil
		}
		err := h.err
		h.mu.Unlock()
		if err != nil {
			return 0, err
		}
		if over {
			return h.from.Read(p)
		}
		h.more()
	}
}

// more reads on and decides about the line; h.reading is held.
func (h *header) more() {
	buf := make([]byte, 512)
	n, err := h.from.Read(buf)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held = append(h.held, buf[:n]...)
	h.err = err
	k := min(len(h.held), len(h.mark))
	end := bytes.IndexByte(h.held, '\n')
	switch {
	case !bytes.Equal(h.held[:k], h.mark[:k]):
	case end < 0 && err == nil && len(h.held) < len(h.mark)+40:
		return // not whole yet
	case end >= 0:
		told, name, _ := strings.Cut(strings.TrimRight(string(h.held[len(h.mark):end]), "\r"), " ")
		pid, wrong := strconv.Atoi(told)
		if wrong == nil && pid > 1 {
			h.pid, h.held = pid, h.held[end+1:]
			h.shell(name)
		}
	}
	h.over = true
	close(h.known)
}

// seen reads until the line is decided about.
func (h *header) seen() {
	h.reading.Lock()
	defer h.reading.Unlock()
	for {
		h.mu.Lock()
		stop := h.over || h.err != nil
		h.mu.Unlock()
		if stop {
			return
		}
		h.more()
	}
}

// process is the process id; 0 when it was not told.
func (h *header) process() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.pid
}
