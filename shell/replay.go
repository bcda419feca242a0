package shell

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollsh/rollsh/nodes"
)

// recordLimit is the size of a record in bytes; a longer line is none.
const recordLimit = 8 << 20

// speed is how many times as fast as it was a run is drawn again; 0 is at once.
type speed float64

// String is the speed as it is given.
func (s *speed) String() string {
	if *s == 0 {
		return "max"
	}
	return strconv.FormatFloat(float64(*s), 'g', -1, 64)
}

// Set takes a number over 0, or max.
func (s *speed) Set(text string) error {
	n, err := strconv.ParseFloat(text, 64)
	switch {
	case text == "max":
		*s = 0
		return nil
	case err != nil || n <= 0 || math.IsInf(n, 0) || math.IsNaN(n):
		return errors.New("a number over 0, or max")
	}
	*s = speed(n)
	return nil
}

// Type names it in help.
func (s *speed) Type() string { return "N" }

func (a *app) replayCommand() *cobra.Command {
	by := speed(1)
	c := &cobra.Command{
		Use: "replay [--speed=N|max] FILE.json", Short: "Draw a recorded run again", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if !c.Flags().Changed("speed") && (!isTerminal(a.stderr) || a.json != nil) {
				by = 0
			}
			return a.during(func(ctx context.Context) error { return a.replay(ctx, args[0], by) })
		},
	}
	c.Flags().Var(&by, "speed", "so many times as fast as it was, or max: at once, as it is without a terminal")
	return c
}

// replay draws a run that was recorded with --json again.
func (a *app) replay(ctx context.Context, path string, by speed) error {
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
		if err := a.pause(ctx, by, last, e.Time); err != nil {
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
	case "asked":
		a.screen.line(clean(r.Text) + " " + clean(r.Answer) + " (" + clean(r.By) + ")\n")
	case "finding":
		a.show(r.File + ":" + strconv.Itoa(r.Line) + ": " + r.Text)
	default:
		a.clock.set(e.Time)
		a.sink.Emit(e)
	}
}

// pause waits as long as it was between two records.
func (a *app) pause(ctx context.Context, by speed, from, to time.Time) error {
	if from.IsZero() || by == 0 {
		return ctx.Err()
	}
	t := time.NewTimer(max(0, time.Duration(float64(to.Sub(from))/float64(by))))
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
