package nodes

import "context"

// Caller tells which line of a recipe asked for something, for events and
// errors made far below it.
type Caller struct {
	Where string // recipes/prod.lua:14
	Op    string // sync.push
}

type callerKey struct{}

// WithCaller gives a context that carries c.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf finds the Caller; empty when there is none.
func CallerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}
