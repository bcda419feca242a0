package lua

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	glua "github.com/yuin/gopher-lua"

	"github.com/rollsh/rollsh/nodes"
)

// errorFields are the names that an error object answers to.
var errorFields = []string{"kind", "message", "where", "node", "op", "code", "signal", "stdout", "stderr", "hint", "cause", "errors", "traceback"}

// raise throws err as an error object; it does not return.
func (h *Host) raise(L *glua.LState, op string, err error) {
	e := *nodes.AsError(err, nodes.Internal)
	if e.Where == "" { // else it comes from Lua or a file, and says already what it is about
		e.Where = h.where(L)
		if e.Op == "" {
			e.Op = op
		}
		e.Errors = placed(e.Errors, e.Where)
	}
	L.Error(h.errorObject(&e), 0)
}

// placed gives the errors of single nodes the line of the call that they are
// of, where they have none of their own.
func placed(errs []error, where string) []error {
	out := slices.Clone(errs)
	for i, err := range out {
		if e := *nodes.AsError(err, nodes.Internal); e.Where == "" {
			e.Where = where
			out[i] = &e
		}
	}
	return out
}

// placeOutcomes gives the errors in Results the line and the name of the call that
// they are of, where they have none of their own. What a Lua function threw stays as
// it was thrown.
func (c *Call) placeOutcomes(r *nodes.Results) {
	for i := range r.List {
		e := nodes.AsError(r.List[i].Err, nodes.Internal)
		if e == nil || e.Where != "" || e.Trace != "" {
			continue
		}
		own := *e
		own.Where, own.Op = c.Where(), cmp.Or(own.Op, c.Name)
		r.List[i].Err = &own
	}
}

// errorObject makes the table that recipes see. Its metatable keeps the Go
// error, so that nothing is lost on the way back.
func (h *Host) errorObject(e *nodes.Error) *glua.LTable {
	L := h.root
	t := L.NewTable()
	for name, v := range map[string]string{
		"kind": string(e.Kind), "message": e.Message, "where": e.Where, "node": string(e.Node), "op": e.Op,
		"signal": e.Signal, "stdout": e.Stdout, "stderr": e.Stderr, "hint": e.Hint, "traceback": e.Trace,
	} {
		if v != "" {
			t.RawSetString(name, glua.LString(v))
		}
	}
	if n, err := strconv.Atoi(e.Code); err == nil {
		t.RawSetString("code", glua.LNumber(n))
	} else if e.Code != "" {
		t.RawSetString("code", glua.LString(e.Code))
	}
	if e.Kind == nodes.Exit {
		t.RawSetString("stdout", glua.LString(e.Stdout))
		t.RawSetString("stderr", glua.LString(e.Stderr))
	}
	if e.Errors != nil {
		list := L.NewTable()
		for _, err := range e.Errors {
			list.Append(h.errorObject(nodes.AsError(err, nodes.Internal)))
		}
		t.RawSetString("errors", list)
	}
	if thrown := (thrownValue{}); errors.As(e.Cause, &thrown) {
		t.RawSetString("cause", thrown.v)
	} else if own := (*nodes.Error)(nil); errors.As(e.Cause, &own) {
		t.RawSetString("cause", h.errorObject(nodes.AsError(e.Cause, nodes.Internal)))
	} else if e.Cause != nil {
		t.RawSetString("cause", glua.LString(e.Cause.Error()))
	}
	t.Metatable = h.errorMeta(e)
	return t
}

func (h *Host) errorMeta(e *nodes.Error) *glua.LTable {
	mt := h.root.NewTable()
	ud := h.root.NewUserData()
	ud.Value = e
	mt.RawSetString("__error", ud)
	mt.RawSetString("__metatable", glua.LString("locked"))
	for name, fn := range h.files.errorMethods(h) {
		mt.RawSetString(name, fn)
	}
	return mt
}

// errorMethods are shared by all error objects.
func (f *files) errorMethods(h *Host) map[string]*glua.LFunction {
	if f.errMethods == nil {
		f.errMethods = map[string]*glua.LFunction{
			"__tostring": h.root.NewFunction(errorToString),
			"__concat":   h.root.NewFunction(h.errorConcat),
			"__index":    h.root.NewFunction(h.errorIndex),
		}
	}
	return f.errMethods
}

func errorToString(L *glua.LState) int {
	L.Push(glua.LString(textOf(L.Get(1))))
	return 1
}

func (h *Host) errorConcat(L *glua.LState) int {
	L.Push(glua.LString(h.text(L.Get(1)) + h.text(L.Get(2))))
	return 1
}

// errorIndex answers nil for a known field that is not set, gives the methods
// of strings over the whole line, and refuses anything else.
func (h *Host) errorIndex(L *glua.LState) int {
	name := L.Get(2).String()
	if slices.Contains(errorFields, name) {
		L.Push(glua.LNil)
		return 1
	}
	if str, ok := L.GetGlobal("string").(*glua.LTable); ok {
		if fn, ok := str.RawGetString(name).(*glua.LFunction); ok {
			L.Push(L.NewFunction(func(L *glua.LState) int { return callWithText(L, fn) }))
			return 1
		}
	}
	h.raise(L, "", usage("an error has no field '%s'%s", name, didYouMean(name, errorFields)))
	return 0
}

// callWithText calls a function of the string library on the error's line.
func callWithText(L *glua.LState, fn *glua.LFunction) int {
	n := L.GetTop()
	L.Push(fn)
	L.Push(glua.LString(textOf(L.Get(1))))
	for i := 2; i <= n; i++ {
		L.Push(L.Get(i))
	}
	L.Call(n, glua.MultRet)
	return L.GetTop() - n
}

// textOf is the whole line of an error object, and the text of anything else.
func textOf(v glua.LValue) string {
	if e := errorOf(v); e != nil {
		return e.Error()
	}
	if n, ok := v.(glua.LNumber); ok {
		return numberText(n)
	}
	return v.String()
}

// errorOf gives the Go error inside an error object; nil for anything else.
func errorOf(v glua.LValue) *nodes.Error {
	t, ok := v.(*glua.LTable)
	if !ok {
		return nil
	}
	mt, ok := t.Metatable.(*glua.LTable)
	if !ok {
		return nil
	}
	ud, ok := mt.RawGetString("__error").(*glua.LUserData)
	if !ok {
		return nil
	}
	e, _ := ud.Value.(*nodes.Error)
	return e
}

// positioned is a message of the VM or of error "text", with its place.
var positioned = nodes.Pattern(`^([^\n]+?:\d+): ((?s).*)$`)

// thrown turns what a PCall caught into an Error. The end of a context comes
// first: it is why the VM stopped, whatever the text.
func (h *Host) thrown(L *glua.LState, err error) error {
	var api *glua.ApiError
	if !errors.As(err, &api) {
		return nodes.AsError(err, nodes.Internal)
	}
	if overflow := stackOverflow(api); overflow != nil {
		return overflow
	}
	if api.Type == glua.ApiErrorPanic {
		return &nodes.Error{Kind: nodes.Internal, Message: "defect of rollsh: " + api.Error(), Trace: api.StackTrace}
	}
	if e := errorOf(api.Object); e != nil {
		withTrace := *e
		if withTrace.Trace == "" {
			withTrace.Trace = api.StackTrace
		}
		return &withTrace
	}
	e := h.failure(api.Object)
	e.Trace = api.StackTrace
	if e.Where != "" && embedded(e.Where) {
		e.Where = calledFrom(e.Trace)
	}
	if ctx := L.Context(); ctx != nil && ctx.Err() != nil && strings.Contains(e.Message, ctx.Err().Error()) {
		stopped := *nodes.AsError(nodes.Stopped(ctx), nodes.Cancelled)
		if stopped.Where == "" {
			stopped.Where = e.Where
		}
		stopped.Trace = e.Trace
		return &stopped
	}
	if api.Type == glua.ApiErrorSyntax {
		e.Kind = nodes.Usage
	}
	return e
}

// stackOverflow finds the VM's panic for calls that nest too deep.
func stackOverflow(api *glua.ApiError) error {
	text := api.Error()
	if !strings.Contains(text, "callstack overflow") && !strings.Contains(text, "registry overflow") {
		return nil
	}
	return &nodes.Error{
		Kind: nodes.Failed, Message: "stack overflow: calls nest too deep, or too many values at once",
		Where: calledFrom(text), Trace: api.StackTrace,
	}
}

// tracedLine is a line of a traceback that names a file and a line; not one in
// rollsh's own Lua, whose names have a colon.
var tracedLine = nodes.Pattern(`\n\t([^\n:\[]+:\d+):`)

// calledFrom gives the innermost line of a traceback that is a recipe's; empty
// when there is none.
func calledFrom(trace string) string {
	if m := tracedLine().FindStringSubmatch(trace); m != nil {
		return m[1]
	}
	return ""
}

// failure turns a value thrown by error() or by the VM into an Error.
func (h *Host) failure(v glua.LValue) *nodes.Error {
	e := &nodes.Error{Kind: nodes.Failed}
	switch v := v.(type) {
	case glua.LString:
		e.Message = string(v)
		if m := positioned().FindStringSubmatch(string(v)); m != nil {
			e.Where, e.Message = m[1], m[2]
			if e.Message == "__len undefined" { // gopher-lua's words
				e.Message = "attempt to get the length of something that has none"
			}
		} else {
			e.Message = strings.TrimPrefix(e.Message, " ") // where error was called by no Lua function
		}
	case *glua.LTable:
		e.Message = h.tableMessage(v)
		e.Cause = thrownValue{v}
	default:
		e.Message = fmt.Sprintf("error(%s)", textOf(v))
		e.Cause = thrownValue{v}
	}
	return e
}

// tableMessage is what a table that a recipe threw says: its __tostring, its
// message, or what is in it.
func (h *Host) tableMessage(t *glua.LTable) string {
	if mt, ok := t.Metatable.(*glua.LTable); ok && mt.RawGetString("__tostring") != glua.LNil {
		if results, err := h.pcall(h.root, h.root.NewFunction(func(L *glua.LState) int {
			L.Push(L.ToStringMeta(t))
			return 1
		}), nil); err == nil && len(results) == 1 {
			return results[0].String()
		}
	}
	if m, ok := t.RawGetString("message").(glua.LString); ok {
		return string(m)
	}
	return "error with a table: " + strings.Join(strings.Fields(h.Inspect(Raw{t})), " ")
}

// thrownValue keeps a value that a recipe threw itself, so that pcall gives
// that very value back.
type thrownValue struct{ v glua.LValue }

func (t thrownValue) Error() string { return t.v.String() }

// given is what pcall gives of what it caught: an error object as it was thrown,
// with all that a recipe put into it, else what caught makes.
func (h *Host) given(L *glua.LState, err error) glua.LValue {
	var api *glua.ApiError
	if !errors.As(err, &api) || errorOf(api.Object) == nil {
		return h.caught(h.thrown(L, err))
	}
	t, _ := api.Object.(*glua.LTable)
	if e := *errorOf(t); e.Trace == "" {
		e.Trace = api.StackTrace
		t.RawSetString("traceback", glua.LString(e.Trace))
		t.Metatable = h.errorMeta(&e)
	}
	return t
}

// caught gives the Lua value of an error: what the recipe threw where it threw
// a value of its own, else an error object.
func (h *Host) caught(err error) glua.LValue {
	e := nodes.AsError(err, nodes.Internal)
	var own thrownValue
	if errors.As(e.Cause, &own) {
		return own.v
	}
	return h.errorObject(e)
}
