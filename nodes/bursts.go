package nodes

import (
	"context"
	"sync"
	"time"
)

// Bursts gathers how long the switches of trees take on each node, for somebody
// who tells of the nodes himself.
type Bursts struct {
	mu   sync.Mutex
	took map[Name]time.Duration
}

type burstsKey struct{}

// WithBursts gives a context in which the one who switches a tree leaves it to
// the caller to tell how long that took.
func WithBursts(ctx context.Context) (context.Context, *Bursts) {
	b := &Bursts{took: map[Name]time.Duration{}}
	return context.WithValue(ctx, burstsKey{}, b), b
}

// BurstsOf gives what WithBursts put into ctx; nil where there is nothing.
func BurstsOf(ctx context.Context) *Bursts {
	b, _ := ctx.Value(burstsKey{}).(*Bursts)
	return b
}

// Add notes one switch of a tree on a node.
func (b *Bursts) Add(n Name, took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.took[n] += took
}

// On tells how long the switches on a node took; 0 where there was none.
func (b *Bursts) On(n Name) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.took[n]
}
