package nodes

import (
	"context"
	"sync"
)

// Rolling makes the parts of one call on a set one roll: each node's part asks
// for its id, and the first makes it.
type Rolling struct {
	once sync.Once
	id   string
}

type rollingKey struct{}

// WithRolling gives a context whose parts are one roll.
func WithRolling(ctx context.Context) (context.Context, *Rolling) {
	r := &Rolling{}
	return context.WithValue(ctx, rollingKey{}, r), r
}

// RollOf gives the id of the roll that ctx is a part of; where it is of none,
// or is the first to ask, a fresh one.
func RollOf(ctx context.Context, fresh func() string) string {
	r, ok := ctx.Value(rollingKey{}).(*Rolling)
	if !ok {
		return fresh()
	}
	r.once.Do(func() { r.id = fresh() })
	return r.id
}

// ID is the roll's id; empty when nobody asked for it.
func (r *Rolling) ID() string {
	r.once.Do(func() {})
	return r.id
}
