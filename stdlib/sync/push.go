package sync

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// Staged is what waits on the disks of nodes to be switched. It needs no open
// connection.
type Staged struct {
	Roll string
	e    *Engine
	o    Options
	src  *source // closed, but its entries stay
	all  nodes.Set
	// foreseen is set in a plan of a recipe: nothing is staged.
	foreseen *Plan

	mu   sync.Mutex
	jobs map[nodes.Name]*staged
}

// staged is the stage on one node.
type staged struct {
	job     *job
	rep     *wire.Report
	err     error
	done    bool // switched, dropped, or nothing to switch
	dropped bool
	began   time.Time
	took    time.Duration
	thin    *thinStage // over SFTP; nil with the agent
	ended   bool       // the events of the staging are complete
	events  emitter
}

// Push stages a tree on all nodes and, when all are staged, switches all. The
// results are given with an error too, when any node failed.
func (e *Engine) Push(ctx context.Context, set nodes.Set, o Options) (*nodes.Results, error) {
	return e.push(ctx, set, o, nil)
}

func (e *Engine) push(ctx context.Context, set nodes.Set, o Options, plan *Plan) (*nodes.Results, error) {
	op := called(ctx, "sync.push")
	st, err := e.stage(ctx, op, set, o, plan, true)
	if err != nil {
		return nil, unswitched(ctx, err)
	}
	if res := st.results(op); res.Err() != nil {
		st.giveUp()
		for i, o := range res.List {
			res.List[i].Err = unswitched(ctx, o.Err)
		}
		return res, alike(res)
	}
	res := st.change(ctx, op, set)
	return res, alike(res)
}

// unswitched adds to the error of a push that was cancelled, or ran out of time,
// before its first switch that it changed nothing.
func unswitched(ctx context.Context, err error) error {
	return stopped(ctx, err, "nothing of this push was switched")
}

// unstaged adds to the error of a stage that was cancelled, or ran out of time, what
// became of what had come to the node.
func unstaged(ctx context.Context, err error) error {
	return stopped(ctx, err, "its tree is as it was, and what had come of the stage is thrown away")
}

// stopped adds what is known to the error of a call that was cancelled or ran out of
// time.
func stopped(ctx context.Context, err error, known string) error {
	kind := nodes.KindOf(err)
	if ctx.Err() == nil || kind != nodes.Cancelled && kind != nodes.Timeout {
		return err
	}
	e := *nodes.AsError(err, nodes.Internal)
	e.Message += "; " + known
	return &e
}

// Stage brings a tree onto the disks of all nodes, beside the live ones. When
// a node fails, the stages on the others are dropped: all or none.
func (e *Engine) Stage(ctx context.Context, set nodes.Set, o Options) (*Staged, error) {
	op := called(ctx, "sync.stage")
	st, err := e.stage(ctx, op, set, o, nil, false)
	if err != nil {
		return nil, stopped(ctx, err, "nothing was staged")
	}
	if res := st.results(op); res.Err() != nil {
		st.giveUp()
		for i, o := range res.List {
			res.List[i].Err = unstaged(ctx, o.Err)
		}
		return nil, alike(res)
	}
	for _, n := range set.Nodes {
		s := st.jobs[n.Name]
		s.events.finished("staged", nil)
		s.ended = true
		s.thin.leave()
	}
	return st, nil
}

// stage scans and stages; what failed on single nodes is in the Staged. A
// source that changed meanwhile is read once more.
func (e *Engine) stage(ctx context.Context, op string, set nodes.Set, o Options, plan *Plan, hold bool) (*Staged, error) {
	o, err := o.with()
	if err != nil {
		return nil, nodes.At(err, op, "")
	}
	if o.Why == "" {
		o.Why = op
	}
	for try := 0; ; try++ {
		st, err := e.stageOnce(ctx, op, set, o, plan, hold)
		var changed *changedSource
		if err == nil {
			for _, n := range set.Nodes {
				if errors.As(st.jobs[n.Name].err, &changed) {
					break
				}
			}
		} else {
			errors.As(err, &changed)
		}
		switch {
		case changed == nil:
			return st, nodes.At(err, op, "")
		case try > 0:
			if st != nil {
				st.giveUp()
			}
			return nil, nodes.At(changedTwice(changed), op, "")
		case st != nil:
			st.giveUp()
		}
	}
}

func (e *Engine) stageOnce(ctx context.Context, op string, set nodes.Set, o Options, plan *Plan, hold bool) (*Staged, error) {
	st := &Staged{Roll: nodes.RollOf(ctx, newRoll), e: e, o: o, all: set, jobs: map[nodes.Name]*staged{}}
	opened := e.warmUp(ctx, set)
	src, release, err := e.scanShared(ctx, &o)
	if err != nil {
		return nil, err
	}
	defer release()
	st.src = src
	if plan != nil && plan.source != src.list.Digest {
		return nil, &nodes.Error{Kind: nodes.Changed, Message: src.root + " is not as it was when the plan was made", Hint: "plan again"}
	}
	each(set, func(n *nodes.Node) {
		s := &staged{began: time.Now(), events: e.emitter(ctx, op, n)}
		s.events.started("staging " + src.root)
		s.err = st.stageNode(ctx, s, n, opened[n], plan, hold)
		s.took = time.Since(s.began)
		if s.err != nil {
			s.events.finished("", s.err)
		}
		st.mu.Lock()
		defer st.mu.Unlock()
		st.jobs[n.Name] = s
	})
	return st, nil
}

// each runs f for all nodes at once and waits for all.
func each(set nodes.Set, f func(*nodes.Node)) {
	var wg sync.WaitGroup
	for _, n := range set.Nodes {
		wg.Go(func() { f(n) })
	}
	wg.Wait()
}

func (st *Staged) stageNode(ctx context.Context, s *staged, n *nodes.Node, opened *opening, plan *Plan, hold bool) error {
	path, err := st.o.pathOn(n)
	if err != nil {
		return err
	}
	s.job = &job{
		e: st.e, o: &st.o, src: st.src, node: n, opened: opened, path: path, roll: st.Roll, op: wire.OpStage,
		lists: !hold, hold: hold, events: s.events, by: st.e.holder(st.o.Why),
	}
	if plan != nil {
		s.job.expect = plan.expect(n)
	}
	s.rep, err = s.job.run(ctx)
	if noAgent(err) {
		s.thin, s.rep, err = st.e.thinStage(ctx, s.job, why(err))
	}
	if err != nil {
		return plainError(err)
	}
	s.events.notes(s.rep)
	if s.rep.Nothing {
		s.done = true
		s.job.switched()
	}
	return nil
}

// noAgent reports that no agent can run on a node, or no program at all.
func noAgent(err error) bool {
	var none *noAgentError
	return errors.As(err, &none) || nodes.KindOf(err) == nodes.Permission && !agentSaid(err)
}

// agentSaid tells an error that the agent gave from one on the way to it.
func agentSaid(err error) bool {
	var ref *refusal
	return errors.As(err, &ref)
}

func why(err error) string { return nodes.AsError(err, nodes.Failed).Message }

// plainError takes the channel's own wrapping away.
func plainError(err error) error {
	var ref *refusal
	if errors.As(err, &ref) {
		return ref.err
	}
	var none *noAgentError
	if errors.As(err, &none) {
		return &nodes.Error{Kind: nodes.Failed, Message: none.why}
	}
	return err
}

// notes says aloud what a person should know of a stage that went well.
func (m emitter) notes(rep *wire.Report) {
	if rep.Settled != "" {
		m.warn("a roll that was cut short was " + rep.Settled + " first")
	}
	if rep.First && rep.Extra > 0 {
		m.warn(`first roll to this tree: ` + nodes.Count(rep.Extra, "file") + ` there that the source does not have, left as they are (adopt="all" takes them)`)
	}
	for _, f := range rep.Drift {
		if f.Yield {
			m.warn("replaces " + f.Text())
		} else {
			m.warn("leaves " + f.Text())
		}
	}
	for _, w := range rep.Warnings {
		m.warn(w)
	}
}

// results tells how the staging went.
func (st *Staged) results(op string) *nodes.Results {
	res := &nodes.Results{Op: op, RollID: st.Roll}
	failed := false
	for _, n := range st.all.Nodes {
		failed = failed || st.jobs[n.Name].err != nil
	}
	for _, n := range st.all.Nodes {
		s := st.jobs[n.Name]
		out := nodes.Outcome{Node: n, Err: s.err, Elapsed: s.took, State: nodes.StateOf(s.err)}
		if failed && s.err == nil {
			out.State = nodes.NotAttempted
		}
		res.List = append(res.List, out)
	}
	return res
}

// giveUp drops what was staged, after a failure elsewhere, even when the
// caller was cancelled. It does not wait long.
func (st *Staged) giveUp() {
	ctx, cancel := context.WithTimeout(context.Background(), 800*time.Millisecond)
	defer cancel()
	for _, n := range st.all.Nodes {
		if s := st.jobs[n.Name]; s.err == nil && s.job != nil {
			s.events.finished("", &nodes.Error{Kind: nodes.Cancelled, Message: "not switched: another node failed"})
		}
	}
	_ = st.drop(ctx)
}

// Drop throws the stage away on all nodes that have not been switched.
func (st *Staged) Drop(ctx context.Context) error {
	return st.drop(ctx)
}

func (st *Staged) drop(ctx context.Context) error {
	var mu sync.Mutex
	var first error
	each(st.all, func(n *nodes.Node) {
		s := st.jobs[n.Name]
		if s.err != nil || s.done || s.job == nil {
			return
		}
		s.done, s.dropped = true, true
		err := st.dropNode(ctx, s, n)
		mu.Lock()
		defer mu.Unlock()
		if err != nil && first == nil {
			first = nodes.At(plainError(err), called(ctx, "staged:drop"), n.Name)
		}
	})
	return first
}

func (st *Staged) dropNode(ctx context.Context, s *staged, n *nodes.Node) error {
	if s.thin != nil {
		return s.thin.drop(ctx)
	}
	_, err := st.e.ask(ctx, n, wire.Request{Op: wire.OpDrop, Root: []byte(s.job.path), Roll: st.Roll, By: s.job.by})
	return err
}
