package ssh

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"strings"
	"sync"

	"github.com/rollsh/rollsh/nodes"
)

// sudoGate watches the stream that sudo talks on until the command begins. It
// answers sudo's question for a password, takes questions and marks out of the
// stream, and holds back the command's input until the command is there to read
// it. The marks carry a random word, so that nothing else can pass for them.
type sudoGate struct {
	ask, begun string
	from       io.Reader
	input      io.WriteCloser
	answer     func() (string, error)

	reading sync.Mutex
	held    []byte // given out next
	line    []byte // not decided about
	err     error
	asked   bool

	mu     sync.Mutex
	ran    bool          // the command began
	failed error         // why no password was given
	over   chan struct{} // closed when there is nothing more to watch
}

func newSudoGate() *sudoGate {
	word := rand.Text()
	return &sudoGate{ask: "rollsh-" + word + "-ask:", begun: "rollsh-" + word + "-run", over: make(chan struct{})}
}

// Read gives the stream without the questions and the mark.
func (g *sudoGate) Read(p []byte) (int, error) {
	g.reading.Lock()
	defer g.reading.Unlock()
	for {
		if len(g.held) > 0 {
			n := copy(p, g.held)
			g.held = g.held[n:]
			return n, nil
		}
		if g.err != nil {
			return 0, g.err
		}
		if endsWithin(g.over, 0) {
			return g.from.Read(p)
		}
		g.more()
	}
}

// more reads on and decides about whole lines and questions.
func (g *sudoGate) more() {
	buf := make([]byte, 4096)
	n, err := g.from.Read(buf)
	g.line = append(g.line, buf[:n]...)
	g.err = err
	for !endsWithin(g.over, 0) {
		at := bytes.IndexByte(g.line, '\n')
		if question := bytes.Index(g.line, []byte(g.ask)); question >= 0 && (at < 0 || question < at) {
			g.held = append(g.held, g.line[:question]...)
			g.line = g.line[question+len(g.ask):]
			g.reply()
			continue
		}
		if at < 0 {
			break
		}
		if line := bytes.TrimSuffix(g.line[:at], []byte("\r")); bytes.HasSuffix(line, []byte(g.begun)) {
			g.held = append(g.held, line[:len(line)-len(g.begun)]...)
			g.end(true, nil)
		} else {
			g.held = append(g.held, g.line[:at+1]...)
		}
		g.line = g.line[at+1:]
	}
	if err != nil {
		g.end(false, nil)
	}
	if endsWithin(g.over, 0) || len(g.line) > longLine {
		g.held = append(g.held, g.line...)
		g.line = nil
	}
}

// reply gives sudo the password, or the end of its input where there is none.
func (g *sudoGate) reply() {
	g.asked = true
	password, err := g.answer()
	if err == nil {
		_, err = io.WriteString(g.input, password+"\n")
	}
	if err != nil {
		g.input.Close()
		g.end(false, err)
	}
}

func (g *sudoGate) end(ran bool, failed error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.over:
	default:
		g.ran, g.failed = ran, failed
		close(g.over)
	}
}

// state tells whether the command began, and why no password was given.
func (g *sudoGate) state() (ran bool, failed error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ran, g.failed
}

// gated is the input of a command behind sudo.
type gated struct {
	io.WriteCloser
	gate *sudoGate
}

func (w *gated) Write(p []byte) (int, error) {
	<-w.gate.over
	return w.WriteCloser.Write(p)
}

func (w *gated) Close() error {
	<-w.gate.over
	return w.WriteCloser.Close()
}

// gate prepares a command for a sudo that may ask: it gives the line to run and
// the gate, which is nil without sudo.
func gate(cmd nodes.Cmd) (string, *sudoGate, error) {
	if cmd.Sudo == "" {
		line, err := cmd.Shell()
		return line, nil, err
	}
	g := newSudoGate()
	line, err := cmd.ShellAsking(g.ask, g.begun)
	return line, g, err
}

// stand puts the gate between the command's streams and the caller.
func (g *sudoGate) stand(said io.Reader, input io.WriteCloser, answer func() (string, error)) (io.Reader, io.WriteCloser) {
	g.from, g.input, g.answer = said, input, answer
	return g, &gated{input, g}
}

// passwords are what sudo was given, so that each is asked for once.
type passwords struct {
	asking sync.Mutex
	mu     sync.Mutex
	given  map[string]string // by account, and by account and machine
}

// find gives the password of an account on a machine: one that was given and
// is not the one that sudo has just refused, else what the person says. The
// first password serves all machines; one that refuses it gets its own.
func (p *passwords) find(ctx context.Context, person nodes.Person, account, machine, refused string) (string, error) {
	p.asking.Lock()
	defer p.asking.Unlock()
	own := account + "@" + machine
	for _, key := range []string{own, account} {
		if text, ok := p.recall(key); ok && text != refused {
			return text, nil
		}
	}
	if person == nil {
		return "", &nodes.Error{Kind: nodes.Refused, Message: "nobody is there to give the password of sudo"}
	}
	text := "sudo password of " + own
	if refused != "" {
		text = "sudo refused that; " + text
	}
	password, err := person.Ask(ctx, nodes.Question{Text: text, Secret: true})
	if err != nil {
		return "", err
	}
	p.keep(own, password)
	if shared, ok := p.recall(account); !ok || shared == refused {
		p.keep(account, password)
	}
	return password, nil
}

// answerer answers one sudo.
func (p *passwords) answerer(ctx context.Context, person nodes.Person, account, machine string) func() (string, error) {
	last := ""
	return func() (string, error) {
		password, err := p.find(ctx, person, account, machine, last)
		last = password
		return password, err
	}
}

func (p *passwords) keep(key, password string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.given == nil {
		p.given = map[string]string{}
	}
	p.given[key] = password
}

func (p *passwords) recall(key string) (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text, ok := p.given[key]
	return text, ok
}

// known gives the password that sudo took on a machine; none for one that never
// asked.
func (p *passwords) known(account, machine string) (string, bool) {
	if text, ok := p.recall(account + "@" + machine); ok {
		return text, true
	}
	return p.recall(account)
}

// sudoDenied is the error of a sudo that did not run the command; nil when it
// did.
func sudoDenied(g *sudoGate, c nodes.Cmd, res nodes.Result) error {
	if g == nil {
		return nil
	}
	said := res.Stderr
	if c.Pty {
		said = res.Stdout
	}
	ran, failed := g.state()
	if ran || res.OK() || res.Signal != "" || (!g.asked && !bytes.Contains(said, []byte("sudo"))) {
		return nil
	}
	e := &nodes.Error{Kind: nodes.Permission, Message: sudoSaid(said, c), Stderr: string(res.Stderr)}
	switch nodes.KindOf(failed) {
	case "":
		e.Hint = "sudoers on the node decides: sudo -l there lists what is allowed"
	case nodes.Cancelled, nodes.Timeout:
		return failed
	default:
		e.Message = "sudo wants a password, and nobody could be asked for it"
		e.Hint = "run rollsh at a terminal, or allow it in sudoers with NOPASSWD"
		e.Cause = failed
	}
	return e
}

// sudoSaid is sudo's own reason.
func sudoSaid(said []byte, c nodes.Cmd) string {
	last := ""
	for line := range strings.Lines(string(said)) {
		if line = strings.TrimSpace(line); line != "" {
			last = nodes.Clean(line)
		}
		if strings.HasPrefix(line, "sudo: ") {
			break
		}
	}
	if last == "" {
		return "sudo did not run the command as " + c.Sudo
	}
	if !strings.HasPrefix(last, "sudo") {
		last = "sudo: " + last
	}
	return last
}
