package sync_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// delayLine is a line to a node on which a round trip takes so long. Bytes are held
// back, not packets: what TCP itself does is not delayed.
type delayLine struct {
	roundTrip atomic.Int64
	underWay  atomic.Int64 // pieces, both ways
	trips     atomic.Int64 // see serve
	mu        sync.Mutex
	ends      []net.Conn
	still     sync.RWMutex // nothing arrives while it is locked
}

// farAway puts such a line before node i of the rig. It has no delay yet.
func (r *rig) farAway(i int) *delayLine {
	r.Helper()
	d := &delayLine{}
	near, err := net.Listen("tcp", "127.0.0.1:0")
	must(r.T, err)
	r.Cleanup(func() { _ = near.Close() })
	n := r.set.Nodes[i]
	_, port, err := net.SplitHostPort(near.Addr().String())
	must(r.T, err)
	go d.serve(near, net.JoinHostPort(n.Host, strconv.Itoa(n.Port)))
	known, err := os.ReadFile(r.bed.KnownHosts)
	must(r.T, err)
	var text strings.Builder
	for line := range strings.Lines(string(known)) {
		text.WriteString(line + strings.Replace(line, "]:"+strconv.Itoa(n.Port)+" ", "]:"+port+" ", 1))
	}
	must(r.T, os.WriteFile(r.bed.KnownHosts, []byte(text.String()), 0o600))
	n.Port, err = strconv.Atoi(port)
	must(r.T, err)
	return d
}

// cut ends all connections, with all that is under way.
func (d *delayLine) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.ends {
		_ = c.Close()
	}
	d.ends = nil
}

func (d *delayLine) takes(t time.Duration) { d.roundTrip.Store(int64(t)) }

// serve carries connections to an address. What is sent there while nothing is under
// way, neither there nor back, begins a round trip, and is counted: its sender has
// waited for all answers. How long that took is no matter.
func (d *delayLine) serve(near net.Listener, to string) {
	for {
		c, err := near.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", to)
		if err != nil {
			_ = c.Close()
			continue
		}
		d.mu.Lock()
		d.ends = append(d.ends, c, far)
		d.mu.Unlock()
		go d.carry(far, c, &d.trips)
		go d.carry(c, far, new(atomic.Int64))
	}
}

// carry copies a stream; everything arrives half a round trip after it was sent.
// What finds nothing under way is counted.
func (d *delayLine) carry(to, from net.Conn, alone *atomic.Int64) {
	type piece struct {
		b  []byte
		at time.Time
	}
	line := make(chan piece, 1<<12)
	go func() {
		defer to.Close()
		for p := range line {
			time.Sleep(time.Until(p.at))
			d.still.RLock()
			d.still.RUnlock()  //nolint:staticcheck // it waits
			d.underWay.Add(-1) // before who waits for it can answer
			if _, err := to.Write(p.b); err != nil {
				_ = from.Close()
			}
		}
	}()
	defer close(line)
	for {
		b := make([]byte, 32<<10)
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if d.underWay.Add(1) == 1 {
			alone.Add(1)
		}
		line <- piece{b[:n], time.Now().Add(time.Duration(d.roundTrip.Load() / 2))}
	}
}

// far is the longest round trip for which there is time to clear away what was
// cancelled.
const far = 300 * time.Millisecond

// nothingInTheWay fails the test where a push that was cancelled left on node i what
// keeps others out, or what the next push does not sweep.
func (r *rig) nothingInTheWay(i int) {
	r.Helper()
	if got := strings.Join(r.state(i), " "); strings.Contains(got, "lock-") || strings.Contains(" "+got, " stage-") {
		r.Errorf("left behind: %s", got)
	}
	r.push()
	r.equal(i)
	for _, name := range r.state(i) {
		if name != "marker" && !strings.HasPrefix(name, "undo-") {
			r.Errorf("not swept: %s", name)
		}
	}
}

// awaitStages waits until so many complete stages lie on node i.
func (r *rig) awaitStages(i, n int) {
	r.Helper()
	waitFor(r.T, func() bool {
		held, err := filepath.Glob(r.stateFile(i, "stage-*/plan"))
		return err == nil && len(held) == n
	})
}

// A push over SFTP to a node far away that is cancelled while files are sent gives
// its lock back and takes its stage out of the way before it ends.
func TestCancelledFarAway(t *testing.T) {
	r := newRig(t, 1, nodetest.SFTPOnly(0))
	line := r.farAway(0)
	for i := range 100 {
		r.file(strconv.Itoa(i), noise(10_000, int64(i)))
	}
	r.wholeSeconds()
	ctx, cancel := context.WithCancel(r.ctx())
	pushed := make(chan error, 1)
	go func() {
		o := r.options()
		o.Speed = 200_000
		_, err := r.engine.Push(ctx, r.set, o)
		pushed <- err
	}()
	waitFor(t, func() bool {
		sent, err := filepath.Glob(r.stateFile(0, "stage-*/s/*"))
		return err == nil && len(sent) > 20
	})
	line.takes(far)
	cancel()
	began := time.Now()
	wantKind(t, <-pushed, nodes.Cancelled)
	if took := time.Since(began); took > 2*time.Second { // 1.0 at most on a machine at rest
		t.Errorf("took %v", took)
	}
	line.takes(0)
	r.nothingInTheWay(0)
}

// Where one node keeps a push waiting that is then cancelled, what was staged on
// another one, far away, is dropped, and its lock given back.
func TestGivenUpFarAway(t *testing.T) {
	r := newRig(t, 2, nodetest.SFTPOnly())
	line := r.farAway(0)
	r.file("a", "1")
	r.wholeSeconds()
	r.push()
	for i := range 300 {
		r.file(strconv.Itoa(i), noise(100, int64(i)))
	}
	r.wholeSeconds()
	r.bed.Freeze(1)
	defer r.bed.Thaw(1)
	ctx, cancel := context.WithCancel(r.ctx())
	pushed := make(chan error, 1)
	go func() {
		_, err := r.engine.Push(ctx, r.set, r.options())
		pushed <- err
	}()
	r.awaitStages(0, 1)
	line.takes(far)
	cancel()
	began := time.Now()
	wantKind(t, <-pushed, nodes.Cancelled)
	if took := time.Since(began); took > 3*time.Second { // 1.5
		t.Errorf("took %v", took)
	}
	line.takes(0)
	r.bed.Thaw(1)
	r.nothingInTheWay(0)
}

// A burst over SFTP takes some round trips for each part of its order, not one for
// each file.
func TestBurstFarAway(t *testing.T) {
	r := newRig(t, 1, nodetest.SFTPOnly())
	line := r.farAway(0)
	for i := range 100 {
		r.file("d/changed"+strconv.Itoa(i), "1")
		r.file("gone/deep/"+strconv.Itoa(i), "1")
	}
	r.wholeSeconds()
	r.push()
	r.remove("gone")
	for i := range 100 {
		r.file("d/changed"+strconv.Itoa(i), "22")
		r.file("new/deep/"+strconv.Itoa(i), "2")
	}
	r.wholeSeconds()
	hold, pushed := make(chan struct{}), make(chan error, 1)
	go func() { pushed <- r.engine.HoldStage(r.ctx(), r.set, r.options(), hold) }()
	r.awaitStages(0, 1)
	line.takes(20 * time.Millisecond)
	before := line.trips.Load()
	close(hold)
	must(t, <-pushed)
	if trips := line.trips.Load() - before; trips > 120 { // some 30, however busy the machine is; 730 one by one
		t.Errorf("%d round trips", trips)
	}
	line.takes(0)
	r.equal(0)
}

// A push over SFTP that is cancelled in its burst, and cannot end it in time, says
// so and gives its lock back; the next one ends it.
func TestCancelledInABurstFarAway(t *testing.T) {
	r := newRig(t, 1, nodetest.SFTPOnly())
	line := r.farAway(0)
	r.file("a", "1")
	r.file("gone/deep/b", "1")
	r.wholeSeconds()
	r.push()
	r.remove("gone")
	r.file("a", "22")
	r.file("new/deep/c", "2")
	r.wholeSeconds()
	ctx, cancel := context.WithCancel(r.ctx())
	hold, pushed := make(chan struct{}), make(chan error, 1)
	go func() { pushed <- r.engine.HoldStage(ctx, r.set, r.options(), hold) }()
	r.awaitStages(0, 1)
	line.takes(far)
	close(hold)
	waitFor(t, func() bool {
		begun, err := filepath.Glob(r.stateFile(0, "stage-*/COMMIT"))
		return err == nil && len(begun) == 1
	})
	cancel()
	began := time.Now()
	wantKind(t, <-pushed, nodes.Cancelled, "some files may be switched and some not")
	if took := time.Since(began); took > 2*time.Second { // 1.0 at most on a machine at rest
		t.Errorf("took %v", took)
	}
	line.takes(0)
	if got := r.state(0); slices.Contains(got, "lock-sftp") {
		t.Errorf("left behind: %v", got)
	}
	r.push()
	if text := r.events.Text(nodes.Warned); !strings.Contains(text, "a roll that was cut short was finished first") {
		t.Errorf("said: %q", text)
	}
	r.equal(0)
}

// An undo over SFTP that is cancelled in its burst, and cannot end it in time, says
// so and gives its lock back; the next undo, or push, ends it, and that undo is not
// one more.
func TestUndoCancelledInItsBurstFarAway(t *testing.T) {
	r := newRig(t, 1, nodetest.SFTPOnly())
	line := r.farAway(0)
	r.file("a", "1")
	r.file("b", "1")
	r.file("gone/deep/b", "1")
	r.wholeSeconds()
	r.push()
	before := snapshot(t, r.live(0))
	r.remove("gone")
	r.file("a", "22")
	r.file("new/deep/c", "2")
	r.wholeSeconds()
	r.push()
	for n, next := range []string{"undo", "push"} {
		roll := r.undoCancelledInItsBurst(line)
		if next == "undo" {
			res, err := r.engine.Undo(r.ctx(), r.set, "", "", false)
			must(t, err)
			if got := r.stats(res, 0).Roll; got != roll {
				t.Errorf("undone: %q, not %q", got, roll)
			}
			if d := mapDifference(before, snapshot(t, r.live(0))); d != "" {
				t.Errorf("undone: %s", d)
			}
		}
		r.push()
		if text := r.events.Text(nodes.Warned); strings.Count(text, "a roll that was cut short was finished first") != n+1 {
			t.Errorf("%s said: %q", next, text)
		}
		r.equal(0)
		if got := strings.Join(r.state(0), " "); strings.Contains(got, "stage-") || strings.Contains(got, "lock-") {
			t.Errorf("left behind: %s", got)
		}
	}
}

// undoCancelledInItsBurst undoes the last roll over a line that gets long when all
// is ready for the burst, cancels that in it, and gives the roll.
func (r *rig) undoCancelledInItsBurst(line *delayLine) string {
	r.Helper()
	undos, err := filepath.Glob(r.stateFile(0, "undo-*"))
	must(r.T, err)
	slices.Sort(undos)
	roll := wire.RollOf(filepath.Base(undos[len(undos)-1]))
	ctx, cancel := context.WithCancel(r.ctx())
	undone := make(chan error, 1)
	line.takes(5 * time.Millisecond)
	go func() {
		_, err := r.engine.Undo(ctx, r.set, "", "", false)
		undone <- err
	}()
	r.awaitStages(0, 1)
	line.takes(far)
	waitFor(r.T, func() bool {
		begun, err := filepath.Glob(r.stateFile(0, "stage-*/COMMIT"))
		return err == nil && len(begun) == 1
	})
	cancel()
	began := time.Now()
	wantKind(r.T, <-undone, nodes.Cancelled, "some files may be switched and some not")
	if took := time.Since(began); took > 2*time.Second { // 1.0 at most on a machine at rest
		r.Errorf("took %v", took)
	}
	line.takes(0)
	if got := r.state(0); slices.Contains(got, "lock-sftp") {
		r.Errorf("left behind: %v", got)
	}
	return roll
}
