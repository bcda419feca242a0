package sync

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

// Switch puts the stage in place on the nodes of set. A node that moved on
// since it was staged gives an error of kind changed.
func (st *Staged) Switch(ctx context.Context, set nodes.Set) (*nodes.Results, error) {
	op := called(ctx, "staged:switch")
	for _, n := range set.Nodes {
		if st.jobs[n.Name] == nil {
			return nil, nodes.At(usage("nothing is staged there"), op, n.Name)
		}
	}
	res := st.change(ctx, op, set)
	return res, alike(res)
}

func (st *Staged) change(ctx context.Context, op string, set nodes.Set) *nodes.Results {
	res := &nodes.Results{Op: op, RollID: st.Roll, List: make([]nodes.Outcome, len(set.Nodes))}
	var wg sync.WaitGroup
	for i, n := range set.Nodes {
		wg.Go(func() {
			s := st.jobs[n.Name]
			if s.ended {
				s.events = st.e.emitter(ctx, op, n)
				s.events.started("switching " + string(s.job.path))
			}
			began := time.Now()
			value, err := st.switchNode(ctx, s, n)
			value.Seconds = (s.took + time.Since(began)).Seconds()
			out := nodes.Outcome{Node: n, State: nodes.StateOf(err), Err: err, Elapsed: s.took + time.Since(began)}
			if err == nil {
				out.Value = value
			}
			res.List[i] = out
			s.events.finished(summary(value), err)
		})
	}
	wg.Wait()
	st.e.tellBurst(ctx, res)
	return res
}

// tellBurst tells the person for how long readers of the nodes that changed may
// have seen both revisions; in a step of a roll, which tells of each node, the
// roll does that.
func (e *Engine) tellBurst(ctx context.Context, res *nodes.Results) {
	var changed nodes.Set
	var shortest, longest float64
	step := nodes.BurstsOf(ctx)
	for _, o := range res.List {
		v, ok := o.Value.(Stats)
		if !ok || v.Burst == 0 || v.Added+v.Changed+v.Deleted == 0 {
			continue
		}
		if step != nil {
			step.Add(o.Node.Name, time.Duration(v.Burst*float64(time.Second)))
			continue
		}
		if len(changed.Nodes) == 0 || v.Burst < shortest {
			shortest = v.Burst
		}
		longest = max(longest, v.Burst)
		changed.Nodes = append(changed.Nodes, o.Node)
	}
	if len(changed.Nodes) == 0 {
		return
	}
	from, to := fmt.Sprintf("%.1f", shortest*1000), fmt.Sprintf("%.1f", longest*1000)
	if from != to {
		to = from + " to " + to
	}
	e.session.Events.Emit(nodes.Event{
		Time: time.Now(), Type: nodes.Said, Op: called(ctx, res.Op), Where: nodes.CallerOf(ctx).Where, Text: changed.Fold() + ": switched in " + to + " ms",
	})
}

// summary is what a person reads when a node is done.
func summary(v Stats) string {
	if v.Added+v.Changed+v.Deleted == 0 {
		return "unchanged"
	}
	return fmt.Sprintf("%d added, %d changed, %d deleted, switched in %.1f ms", v.Added, v.Changed, v.Deleted, v.Burst*1000)
}

func (st *Staged) switchNode(ctx context.Context, s *staged, n *nodes.Node) (Stats, error) {
	if s.dropped {
		return Stats{}, usage("nothing is staged there any more: it was dropped")
	}
	v := stats(s.rep)
	v.Roll = st.Roll
	if s.done {
		return v, nil
	}
	if ctx.Err() != nil {
		s.thin.leave()
		return v, unswitched(ctx, nodes.Stopped(ctx))
	}
	st.e.session.Service.Switched(n.Name)
	rep, err := st.commit(ctx, s, n)
	if err != nil {
		return v, plainError(err)
	}
	s.done = true
	s.job.switched()
	v.Burst = rep.Burst.Seconds()
	return v, nil
}

// commit orders the switch. When the answer is lost, the node is asked what it
// has; it is never guessed.
func (st *Staged) commit(ctx context.Context, s *staged, n *nodes.Node) (*wire.Report, error) {
	if s.thin != nil {
		return s.thin.change(ctx)
	}
	req := wire.Request{Op: wire.OpSwitch, Root: []byte(s.job.path), Roll: st.Roll, By: s.job.by, Keep: st.o.Undo}
	patient, cancel := afterword(ctx)
	defer cancel()
	rep, err := st.e.ask(patient, n, req)
	if err == nil || agentSaid(err) || ctx.Err() != nil && nodes.KindOf(err) != nodes.Cancelled {
		return rep, err
	}
	if ctx.Err() != nil {
		return nil, &nodes.Error{
			Kind: nodes.Cancelled, Cause: err,
			Message: "cancelled while it was switched; the next push or undo finds out how that ended",
		}
	}
	rep, again := st.e.ask(ctx, n, req) // says so when it was done before
	if again == nil || agentSaid(again) {
		return rep, again
	}
	return nil, &nodes.Error{
		Kind: nodes.Lost, Message: "the connection was lost in the switch, and whether it was done is not known: " + why(err),
		Hint: "push again when the node can be reached: what is half done is finished or undone first", Cause: again,
	}
}

// afterword gives a context that lives a moment longer than ctx: a switch that
// is under way takes milliseconds, and its outcome is worth knowing.
func afterword(ctx context.Context) (context.Context, context.CancelFunc) {
	return outlive(ctx, lastWords)
}
