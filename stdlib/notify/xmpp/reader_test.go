package xmpp_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/notify/xmpp"
)

// python is Debian's own, which sees Debian's modules.
const python = "/usr/bin/python3"

// heard is one line of testdata/reader.py.
type heard struct {
	Nick, Body, Here, Gone, Error string
	Joined, Did                   bool
}

// reader is a second client, written by others, in the room of a config.
type reader struct {
	in  io.WriteCloser
	mu  sync.Mutex
	all []heard
	end chan struct{}
}

// listen starts a reader and waits until it is in the room.
func listen(t *testing.T, cfg xmpp.Config) *reader {
	t.Helper()
	if exec.Command(python, "-c", "import slixmpp").Run() != nil {
		nodetest.Need(t, "python3-slixmpp")
	}
	host, port, err := net.SplitHostPort(cfg.Server)
	if err != nil {
		t.Fatal(err)
	}
	nick := cfg.Nick
	if nick == "" {
		nick, _, _ = strings.Cut(cfg.JID, "@")
	}
	cmd := exec.Command(python, "testdata/reader.py", host, port, cfg.JID, cfg.Password.Reveal(), cfg.Room, nick)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := &reader{in: in, end: make(chan struct{})}
	go r.read(out)
	t.Cleanup(func() {
		_ = in.Close()
		select {
		case <-r.end:
		case <-time.After(3 * time.Second):
			_ = cmd.Process.Kill()
		}
		_ = cmd.Wait()
	})
	r.until(t, "joined", func(h heard) bool { return h.Joined })
	return r
}

func (r *reader) read(out io.Reader) {
	defer close(r.end)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var h heard
		if err := json.Unmarshal(lines.Bytes(), &h); err != nil {
			h.Error = "not json: " + lines.Text()
		}
		r.mu.Lock()
		r.all = append(r.all, h)
		r.mu.Unlock()
	}
}

// until waits for a line that fits, takes it and those before it away.
func (r *reader) until(t *testing.T, what string, fits func(heard) bool) heard {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); <-tick.C {
		r.mu.Lock()
		for i, h := range r.all {
			if h.Error != "" {
				r.mu.Unlock()
				t.Fatalf("waiting for %s, the second client says: %s", what, h.Error)
			}
			if fits(h) {
				r.all = append(r.all[:i:i], r.all[i+1:]...)
				r.mu.Unlock()
				return h
			}
		}
		r.mu.Unlock()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	t.Fatalf("the second client never saw: %s; it saw %+v", what, r.all)
	return heard{}
}

// wait waits for a message that begins with start.
func (r *reader) wait(t *testing.T, start string) heard {
	t.Helper()
	return r.until(t, start, func(h heard) bool { return h.Nick != "" && strings.HasPrefix(h.Body, start) })
}

func (r *reader) waitHere(t *testing.T, nick string) {
	t.Helper()
	r.until(t, nick+" here", func(h heard) bool { return h.Here == nick })
}

func (r *reader) waitGone(t *testing.T, nick string) {
	t.Helper()
	r.until(t, nick+" gone", func(h heard) bool { return h.Gone == nick })
}

// configure sets fields of the room's form: name, value, name, value.
func (r *reader) configure(t *testing.T, fields ...string) {
	t.Helper()
	m := map[string]string{}
	for i := 0; i < len(fields); i += 2 {
		m[fields[i]] = fields[i+1]
	}
	r.do(t, map[string]any{"do": "configure", "fields": m})
}

func (r *reader) kick(t *testing.T, nick string) {
	t.Helper()
	r.do(t, map[string]any{"do": "kick", "nick": nick})
}

func (r *reader) do(t *testing.T, command map[string]any) {
	t.Helper()
	line, err := json.Marshal(command)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.in.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	r.until(t, "the command done", func(h heard) bool { return h.Did })
}
