package sync

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"os/user"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// Engine syncs trees to nodes in one session. It keeps an agent running on
// each node that it talked to, until Close or the end of the program.
type Engine struct {
	session  *nodes.Session
	life     context.Context //nolint:containedctx // of the agents, not of a call
	end      context.CancelFunc
	programs func() []program
	agentEnv []string      // NAME=VALUE for the agents; the fault tests use it
	far      time.Duration // what starting an agent on a node takes that is far away
	patience time.Duration // with the first words of an agent
	locks    lockTimes     // of locks over SFTP

	mu       sync.Mutex
	channels map[string]*channel
	ids      atomic.Uint64
	recent   *record
	thin     map[string]bool // nodes that were said to be done over SFTP
	scans    map[string]*scan
}

// New makes an engine for a session. Nothing is contacted.
func New(s *nodes.Session) *Engine {
	life, end := context.WithCancel(context.Background())
	return &Engine{
		session: s, life: life, end: end, programs: sync.OnceValue(programs), far: farAway, patience: startWait,
		locks:    lockTimes{wire.LockBeat, wire.StaleThinLock},
		channels: map[string]*channel{}, thin: map[string]bool{}, scans: map[string]*scan{}, recent: newRecord(s.Cache),
	}
}

// Close lets the agents end.
func (e *Engine) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	busy := false
	for _, ch := range e.channels {
		select {
		case <-ch.turn:
			if ch.live != nil {
				ch.live.stop()
				ch.live = nil
			}
			ch.turn <- struct{}{}
		default:
			busy = true
		}
	}
	if busy {
		e.end()
	}
}

func (e *Engine) channel(n *nodes.Node) *channel {
	e.mu.Lock()
	defer e.mu.Unlock()
	key := placeOf(n)
	ch := e.channels[key]
	if ch == nil {
		ch = &channel{node: n, turn: make(chan struct{}, 1)}
		ch.turn <- struct{}{}
		e.channels[key] = ch
	}
	return ch
}

// placeOf tells two logins apart.
func placeOf(n *nodes.Node) string {
	return strings.Join([]string{string(n.Name), n.Endpoint(), n.Key, n.Jump, n.Proxy}, "\x00")
}

// newRoll makes the id of a roll: when, and something that no other has.
func newRoll() string {
	b := make([]byte, 4)
	_, _ = rand.Read(b)
	return time.Now().UTC().Format("20060102-150405-") + hex.EncodeToString(b)
}

func (e *Engine) holder(op string) wire.Holder {
	who := e.session.User
	if who == "" {
		if u, err := user.Current(); err == nil {
			who = u.Username
		}
	}
	return wire.Holder{Who: who, Host: e.session.Host, Why: op}
}

// emitter sends the events of one operation on one node.
type emitter struct {
	e     *Engine
	event nodes.Event
	quiet bool // of progress: nothing was said to have started
}

func (e *Engine) emitter(ctx context.Context, op string, n *nodes.Node) emitter {
	return emitter{e: e, event: nodes.Event{ID: 1<<32 | e.ids.Add(1), Op: called(ctx, op), Node: n.Name, Where: nodes.CallerOf(ctx).Where}}
}

// called is the name by which a recipe called what is under way; where no recipe
// did, it is op.
func called(ctx context.Context, op string) string { return or(nodes.CallerOf(ctx).Op, op) }

func (m emitter) emit(t nodes.EventType, change func(*nodes.Event)) {
	ev := m.event
	ev.Time, ev.Type = time.Now(), t
	change(&ev)
	m.e.session.Events.Emit(ev)
}

func (m emitter) started(text string) {
	m.emit(nodes.Started, func(e *nodes.Event) { e.Text = text })
}

func (m emitter) warn(text string) {
	m.emit(nodes.Warned, func(e *nodes.Event) { e.Text, e.ID = text, 0 })
}

func (m emitter) finished(text string, err error) {
	m.emit(nodes.Finished, func(e *nodes.Event) { e.Text, e.Err = text, nodes.AsError(err, nodes.Internal) })
}

// progress tells bytes and files so far, out of totals that may be 0.
func (m emitter) progress(b wire.Beat, bytes int64, files int) {
	if m.quiet {
		return
	}
	m.emit(nodes.Progress, func(e *nodes.Event) { e.Done, e.Total, e.Unit, e.Text = b.Bytes, bytes, "bytes", b.Step })
	if files > 0 {
		m.emit(nodes.Progress, func(e *nodes.Event) { e.Done, e.Total, e.Unit, e.Text = b.Files, int64(files), "files", b.Step })
	}
}
