package sync

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// One channel of ssh carries a window (2 MB with OpenSSH) a round trip. To a node
// that took farAway to open one and start a command, which are two round trips,
// contents from wideFrom bytes on go over moreWays further channels too.
const (
	farAway  = 80 * time.Millisecond
	wideFrom = 16 << 20
	moreWays = 3
)

// lanes are the channels that the pieces of contents go over in turn: that of the
// agent, and those of the ways that have joined.
type lanes struct {
	main   *line
	joined []*line
	turn   int
	ready  chan joining
	end    context.CancelFunc
}

// joining is a way that is open.
type joining struct {
	l     *line
	index int
}

// send sends one frame over the channel whose turn it is. A way that is ready
// takes its turn after the agent's own channel.
func (n *lanes) send(ctx context.Context, t wire.Type, payload []byte) error {
	l := n.main
	if n.turn > 0 {
		l = n.joined[n.turn-1]
	} else {
		select {
		case j := <-n.ready:
			if err := l.send(ctx, wire.TypeWay, []byte{byte(j.index)}); err != nil {
				j.l.stop()
				return err
			}
			n.joined = append(n.joined, j.l)
		default:
		}
	}
	n.turn = (n.turn + 1) % (1 + len(n.joined))
	return l.send(ctx, t, payload)
}

// widen opens the ways that the agent offers; one that cannot be opened is done
// without.
func (n *lanes) widen(ctx context.Context, j *job, offer []byte) {
	var w wire.Ways
	if offer == nil || n.end != nil || json.Unmarshal(offer, &w) != nil || len(w.FDs) > moreWays {
		return
	}
	n.ready = make(chan joining, len(w.FDs))
	ctx, n.end = context.WithCancel(ctx)
	for i, fd := range w.FDs {
		go func() {
			if l := j.openWay(ctx, w.PID, fd); l != nil {
				n.join(ctx, joining{l, i})
			}
		}()
	}
}

// join hands a way over, unless nothing is sent any more.
func (n *lanes) join(ctx context.Context, j joining) {
	n.ready <- j
	context.AfterFunc(ctx, j.l.stop)
}

// close ends the ways, those that are being opened too.
func (n *lanes) close() {
	if n.end != nil {
		n.end()
	}
}

// openWay starts a relay on the node; nil where that fails.
func (j *job) openWay(ctx context.Context, pid, fd int) *line {
	c, err := j.e.dial(ctx, j.node)
	if err != nil {
		return nil
	}
	l, err := j.e.start(ctx, c, nil, "way", strconv.Itoa(pid), strconv.Itoa(fd))
	if err != nil {
		return nil
	}
	if l.greet(ctx, l.patience) != nil {
		l.stop()
		return nil
	}
	return l
}

// ways is how many more channels a push to the node would use.
func (j *job) ways(l *line) int {
	took := l.opened
	if j.node.Local {
		took = 0 // a busy machine is slow to start a program, and no further away for that
	}
	if j.op != wire.OpStage || j.o.Speed > 0 || took < j.e.far {
		return 0
	}
	if j.src.list.Bytes < wideFrom {
		return 0
	}
	return moreWays
}
