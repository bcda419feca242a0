package shell

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

const (
	replaySpeed  = 10                     // times as fast as it was
	longestPause = 500 * time.Millisecond // nobody watches a pause
	recordLimit  = 8 << 20                // a longer line is no record
)

// replay draws a run that was recorded with --json again, faster in a terminal
// and at once elsewhere.
func (a *app) replay(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return usage("%s", strings.TrimPrefix(err.Error(), "open "))
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	in.Buffer(make([]byte, 64<<10), recordLimit)
	var last time.Time
	for n := 1; in.Scan(); n++ {
		if strings.TrimSpace(in.Text()) == "" {
			continue
		}
		var r record
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			return usage("%s:%s: no record of --json: %s", path, strconv.Itoa(n), err)
		}
		e, ok := r.event()
		if !ok {
			return usage("%s:%s: no record of --json: it has no time or no type", path, strconv.Itoa(n))
		}
		if err := a.pause(ctx, last, e.Time); err != nil {
			return err
		}
		last = e.Time
		a.again(r, e)
	}
	if err := in.Err(); err != nil {
		return usage("%s: %s", path, err)
	}
	return nil
}

// again shows one record.
func (a *app) again(r record, e nodes.Event) {
	switch r.Type {
	case "printed":
		a.show(r.Text)
	case "error":
		if r.Error != nil {
			a.complain(r.Error.restore())
		}
	case "finding":
		a.show(r.File + ":" + strconv.Itoa(r.Line) + ": " + r.Text)
	default:
		a.clock.set(e.Time)
		a.sink.Emit(e)
	}
}

func (a *app) pause(ctx context.Context, from, to time.Time) error {
	if from.IsZero() || !isTerminal(a.stderr) || a.json != nil {
		return ctx.Err()
	}
	t := time.NewTimer(min(longestPause, max(0, to.Sub(from)/replaySpeed)))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return nodes.Stopped(ctx)
	}
}

// clock is the time by which the grid is drawn: now, or in a replay the time of
// the record that was drawn last.
type clock struct{ replayed atomic.Pointer[time.Time] }

func (c *clock) set(t time.Time) { c.replayed.Store(&t) }

func (c *clock) now() time.Time {
	if t := c.replayed.Load(); t != nil {
		return *t
	}
	return time.Now()
}
