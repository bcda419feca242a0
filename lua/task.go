package lua

import (
	"context"
	"time"

	glua "github.com/yuin/gopher-lua"

	"github.com/rollsh/rollsh/nodes"
)

// task is a thread of Lua with its cleanups.
type task struct {
	where  string // file:line that started it
	defers []*glua.LFunction
}

// task finds the task of a Lua thread, also from coroutines inside it.
func (h *Host) task(L *glua.LState) *task {
	for ; L != nil; L = h.above(L) {
		if t := h.tasks[L]; t != nil {
			return t
		}
	}
	return nil
}

// run calls fn as a task on L, the baton held; its defers run however it ends.
func (h *Host) run(ctx context.Context, L *glua.LState, t *task, fn *glua.LFunction, args ...glua.LValue) (results []glua.LValue, err error) {
	outer, old := h.tasks[L], L.Context()
	h.tasks[L] = t
	L.SetContext(ctx)
	defer func() {
		if outer != nil {
			h.tasks[L] = outer
		} else {
			delete(h.tasks, L)
		}
		L.SetContext(old)
	}()
	results, err = h.pcall(L, fn, args)
	if len(t.defers) > 0 {
		err = h.runDefers(ctx, L, t, err)
	}
	return results, err
}

// runDefers runs the cleanups, last in first out, under a fresh context: the
// task's own may be cancelled, and cleaning up needs time.
func (h *Host) runDefers(ctx context.Context, L *glua.LState, t *task, err error) error {
	clean, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), h.Grace,
		&nodes.Error{Kind: nodes.Timeout, Message: "cleaning up took too long"})
	defer cancel()
	L.SetContext(clean)
	for len(t.defers) > 0 {
		fn := t.defers[len(t.defers)-1]
		t.defers = t.defers[:len(t.defers)-1]
		if _, e := h.pcall(L, fn, nil); e != nil {
			if err == nil {
				err = e
			} else {
				h.warn(L, "in defer: "+e.Error())
			}
		}
	}
	return err
}

// pcall calls fn and turns whatever it throws into an Error.
func (h *Host) pcall(L *glua.LState, fn *glua.LFunction, args []glua.LValue) ([]glua.LValue, error) {
	top := L.GetTop()
	L.Push(fn)
	for _, a := range args {
		L.Push(a)
	}
	err := L.PCall(len(args), glua.MultRet, nil)
	if err != nil {
		L.SetTop(top)
		return nil, h.thrown(L, err)
	}
	results := make([]glua.LValue, 0, L.GetTop()-top)
	for i := top + 1; i <= L.GetTop(); i++ {
		results = append(results, L.Get(i))
	}
	L.SetTop(top)
	return results, nil
}

// thread gives a Lua thread. gopher-lua would register the thread's context
// with the parent's for good, so the parent's is taken off meanwhile.
func (h *Host) thread(L *glua.LState) *glua.LState {
	if n := len(h.idle); n > 0 {
		th := h.idle[n-1]
		h.idle = h.idle[:n-1]
		return th
	}
	old := L.RemoveContext()
	th, _ := L.NewThread()
	if old != nil {
		L.SetContext(old)
	}
	return th
}

// Callback is a Lua function that Go calls, each time as a task of its own.
type Callback struct {
	h  *Host
	fn *glua.LFunction
}

// IsZero reports whether no function was given.
func (cb Callback) IsZero() bool { return cb.fn == nil }

// Call runs the function with the arguments and gives its results as plain Go
// values. It takes the baton, so the caller must not hold it.
func (cb Callback) Call(ctx context.Context, args ...any) ([]any, error) {
	var out []any
	err := cb.enter(ctx, args, func(results []glua.LValue) {
		for _, r := range results {
			out = append(out, cb.h.plain(r))
		}
	})
	return out, err
}

// call is Call with Lua results kept as they are.
func (cb Callback) call(ctx context.Context, args ...any) (any, error) {
	first := any(nil)
	err := cb.enter(ctx, args, func(results []glua.LValue) {
		if len(results) > 0 {
			first = Raw{results[0]}
		}
	})
	return first, err
}

func (cb Callback) enter(ctx context.Context, args []any, took func([]glua.LValue)) error {
	h := cb.h
	if err := ctx.Err(); err != nil {
		return nodes.Stopped(ctx)
	}
	<-h.baton
	defer h.give()
	th := h.thread(h.root)
	h.root.G.CurrentThread = th
	pushed := make([]glua.LValue, len(args))
	for i, a := range args {
		pushed[i] = h.push(a)
	}
	results, err := h.run(bare(ctx), th, &task{where: nodes.CallerOf(ctx).Where}, cb.fn, pushed...)
	if err == nil {
		took(results)
		h.idle = append(h.idle, th)
	}
	return err
}

// bare gives ctx with its Done channel at hand: the VM asks for it at every
// instruction, and a chain of values would make each asking slow.
func bare(ctx context.Context) context.Context {
	if b, ok := ctx.(bareContext); ok {
		return b
	}
	return bareContext{ctx, ctx.Done()}
}

type bareContext struct {
	context.Context
	done <-chan struct{}
}

func (b bareContext) Done() <-chan struct{} { return b.done }

type sleepArgs struct {
	Seconds time.Duration `lua:"seconds,pos" doc:"how long"`
}

// pausing is sleep; a plan does not wait.
func pausing(c *Call, a sleepArgs) (any, error) {
	if c.Host.planning() {
		return None{}, nil
	}
	return block(c, func(ctx context.Context) (None, error) { return sleep(ctx, a) })
}

func sleep(ctx context.Context, a sleepArgs) (None, error) {
	t := time.NewTimer(a.Seconds)
	defer t.Stop()
	select {
	case <-t.C:
		return None{}, nil
	case <-ctx.Done():
		return None{}, nodes.Stopped(ctx)
	}
}

type deferArgs struct {
	Fn Callback `lua:"fn,pos" doc:"the cleanup"`
}

func deferCall(c *Call, a deferArgs) (any, error) {
	t := c.Host.task(c.L)
	if t == nil {
		return nil, usage("not inside a task")
	}
	t.defers = append(t.defers, a.Fn.fn)
	return None{}, nil
}

type timeoutArgs struct {
	Seconds time.Duration `lua:"seconds,pos" doc:"the limit"`
	Fn      Callback      `lua:"fn,pos" doc:"what is limited"`
}

// timeout runs the function under a deadline, as a task of its own, so that its
// defers run when it ends, too late or not; on the caller's thread, so that its
// traceback is whole.
func timeout(c *Call, a timeoutArgs) (any, error) {
	late := &nodes.Error{Kind: nodes.Timeout, Message: "timed out after " + a.Seconds.String()}
	ctx, cancel := context.WithTimeoutCause(c.L.Context(), a.Seconds, late)
	defer cancel()
	results, err := c.Host.run(ctx, c.L, &task{where: c.Where()}, a.Fn.fn)
	if err != nil {
		return nil, err
	}
	many := make(Many, len(results))
	for i, r := range results {
		many[i] = Raw{r}
	}
	return many, nil
}

type parallelArgs struct {
	Fns []Callback `lua:"fns,pos" doc:"the functions"`
}

// parallel runs the functions at once, waits for all, and gives their first
// results in order. A plan runs one after the other, so that plans can be
// compared.
func (h *Host) parallel(ctx context.Context, a parallelArgs) (Many, error) {
	out, errs := make(Many, len(a.Fns)), make([]error, len(a.Fns))
	done := make(chan struct{})
	for i, fn := range a.Fns {
		go func() {
			out[i], errs[i] = fn.call(ctx)
			done <- struct{}{}
		}()
		if h.planning() {
			<-done
		}
	}
	for range a.Fns {
		if !h.planning() {
			<-done
		}
	}
	if ctx.Err() != nil {
		return nil, nodes.Stopped(ctx)
	}
	return out, joinTasks(errs)
}

// joinTasks gives nil, or one Tasks error over all that failed, in order.
func joinTasks(all []error) error {
	var errs []error
	for _, err := range all {
		if err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	msg := ""
	for _, line := range nodes.FoldErrors(errs) {
		msg += "\n  " + line
	}
	return &nodes.Error{Kind: nodes.Tasks, Message: plainCount(len(errs), len(all)) + msg, Errors: errs}
}
