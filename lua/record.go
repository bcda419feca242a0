package lua

import (
	"context"
	"reflect"

	"github.com/rollsh/rollsh/nodes"
)

// Module is one name that recipes see, such as sync, with its functions.
type Module struct {
	Name        string // empty: its functions are globals
	Doc         string // the manual page
	Funcs       []Func
	NodeMethods []Func // become node:NAME and set:NAME
	SetMethods  []Func // become set:NAME
	Classes     []Class
	// Call is what calling the module itself does, as in nodes "prod" and
	// roll{...}. Its Name is the module's.
	Call *Func
	// Values are global names that are not functions, such as here; each is
	// pushed as any result is.
	Values map[string]any
}

// Func is the record of one Lua function.
type Func struct {
	Name    string
	Doc     string         // first sentence says what it does
	Example string         // a line of Lua that a test runs or at least parses
	Returns string         // LuaCATS type: "Results", "string?", "Changeset[]"; the fields of "table" are those of the Go result
	Outcome any            // of Returns "Results": a value of the Go type that each outcome holds
	Mutates bool           // it may change something outside rollsh: a plan records it instead
	Acts    bool           // it may do what its caller wants done, such as a command, and a plan does it too: kept and permitted as what mutates
	Planned map[string]any // what a plan gives as its result: the fields of a typical success
	Bound   bool           // a method that is also called as o.name(...)
	Do      Impl
	// Foresee is called instead of Do in a plan, with the same arguments: it only
	// reads, and its result is a Foreseen. A record that has it is recorded in a
	// plan, like one that mutates.
	Foresee Impl
}

// Foreseen is what a plan knows of a call that it does not make.
type Foreseen struct {
	Value any         // what the recipe is given
	On    []PlannedOn // in order
	Err   error       // what the call would fail with; told after On
}

// PlannedOn is what a call would do on one node, nil for this machine.
type PlannedOn struct {
	Node  *nodes.Node
	Text  string   // in one line; empty: the arguments of the call
	Lines []string // in full
}

// Impl is what a Func does; make one with Go, Method, OnNode, Pure,
// PureMethod, Held, HeldMethod or Script.
type Impl struct {
	args     reflect.Type
	result   reflect.Type                                                    // nil where the Go function gives any
	receiver reflect.Type                                                    // nil for a plain function
	onNode   func(ctx context.Context, n *nodes.Node, args any) (any, error) // nil: not a method of nodes made with OnNode
	script   string
	fleet    bool // made by Func.onSet
	call     func(c *Call, receiver, args any) (any, error)
}

// None stands for no arguments and for no result.
type None struct{}

// Many gives several Lua values as one result.
type Many []any

// Go runs f without the baton: it may block and must see no Lua value.
func Go[A, R any](f func(context.Context, A) (R, error)) Impl {
	return Impl{args: reflect.TypeFor[A](), result: reflect.TypeFor[R](), call: func(c *Call, _, args any) (any, error) {
		return block(c, func(ctx context.Context) (R, error) { return f(ctx, args.(A)) })
	}}
}

// Method is Go for a method of the class whose Go type is T.
func Method[T, A, R any](f func(context.Context, T, A) (R, error)) Impl {
	return Impl{args: reflect.TypeFor[A](), result: reflect.TypeFor[R](), receiver: reflect.TypeFor[T](), call: func(c *Call, receiver, args any) (any, error) {
		return block(c, func(ctx context.Context) (R, error) { return f(ctx, receiver.(T), args.(A)) })
	}}
}

// OnNode is Method for nodes; the host makes it a method of sets too, which
// runs it on all nodes at once.
func OnNode[A, R any](f func(context.Context, *nodes.Node, A) (R, error)) Impl {
	m := Method(f)
	m.onNode = func(ctx context.Context, n *nodes.Node, args any) (any, error) {
		return f(ctx, n, args.(A))
	}
	return m
}

// Pure runs f holding the baton: it must be quick and never block.
func Pure[A, R any](f func(A) (R, error)) Impl {
	return Impl{args: reflect.TypeFor[A](), result: reflect.TypeFor[R](), call: func(_ *Call, _, args any) (any, error) { return f(args.(A)) }}
}

// PureMethod is Pure for a method of the class whose Go type is T.
func PureMethod[T, A, R any](f func(T, A) (R, error)) Impl {
	return Impl{args: reflect.TypeFor[A](), result: reflect.TypeFor[R](), receiver: reflect.TypeFor[T](), call: func(_ *Call, receiver, args any) (any, error) {
		return f(receiver.(T), args.(A))
	}}
}

// Held runs f holding the baton with the call at hand; f gives the baton up
// with Call.Block where it blocks.
func Held[A any](f func(*Call, A) (any, error)) Impl {
	return Impl{args: reflect.TypeFor[A](), call: func(c *Call, _, args any) (any, error) { return f(c, args.(A)) }}
}

// HeldMethod is Held for a method of the class whose Go type is T.
func HeldMethod[T, A any](f func(*Call, T, A) (any, error)) Impl {
	return Impl{args: reflect.TypeFor[A](), receiver: reflect.TypeFor[T](), call: func(c *Call, receiver, args any) (any, error) {
		return f(c, receiver.(T), args.(A))
	}}
}

// Script is a function written in Lua over public names. The source is a chunk
// that returns function(options); it gets one table with every key of A, as
// the caller gave it or with its default, and is called after the checks that
// A stands for.
func Script[A any](source string) Impl {
	return Impl{args: reflect.TypeFor[A](), script: source}
}

// Gives names the Go type of what a script gives, where that is known.
func (i Impl) Gives(v any) Impl {
	i.result = reflect.TypeOf(v)
	return i
}

func block[R any](c *Call, f func(context.Context) (R, error)) (any, error) {
	var r R
	err := c.Block(func(ctx context.Context) (err error) {
		r, err = f(ctx)
		return err
	})
	return r, err
}

// Class is a kind of object that recipes hold: a Go value with methods and
// fields.
type Class struct {
	Name    string
	Doc     string
	Of      any // a value of the Go type, such as (*Checkout)(nil)
	Fields  []Field
	Funcs   []Func
	Seq     *Seq                                 // for #x, x[i], ipairs(x) and x:iter()
	String  func(v any) string                   // for tostring; nil: the class's name
	Lookup  func(v any, name string) (any, bool) // names that are neither method nor field, as in set.web3
	Names   func(v any) []string                 // what Lookup knows, for suggestions and completion
	Unknown func(v any, name string) error       // the error for a name that is none; nil: the usual one
	Hides   string                               // the global that a local of this class often hides
}

// Field is a value that an object shows.
type Field struct {
	Name string
	Type string // LuaCATS
	Doc  string
	get  func(v any) any
}

// FieldOf makes the field of a class whose Go type is T. A nil result is nil
// in Lua.
func FieldOf[T any](name, typ, doc string, get func(T) any) Field {
	return Field{Name: name, Type: typ, Doc: doc, get: func(v any) any { return get(v.(T)) }}
}

// StringOf adapts a typed function for Class.String.
func StringOf[T any](f func(T) string) func(any) string {
	return func(v any) string { return f(v.(T)) }
}

// Seq makes objects sequences.
type Seq struct {
	length func(v any) int
	at     func(v any, i int) any
}

// SeqOf makes the Seq of a class whose Go type is T; at counts from 0.
func SeqOf[T any](length func(T) int, at func(T, int) any) *Seq {
	return &Seq{
		length: func(v any) int { return length(v.(T)) },
		at:     func(v any, i int) any { return at(v.(T), i) },
	}
}
