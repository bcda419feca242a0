package sync

import (
	"context"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
)

type thinStage struct{}

func (e *Engine) thinStage(ctx context.Context, j *job, why string) (*thinStage, *wire.Report, error) {
	return nil, nil, &nodes.Error{Kind: nodes.Permission, Message: why}
}
func (e *Engine) thinLook(ctx context.Context, j *job, why string) (*wire.Report, error) {
	return nil, &nodes.Error{Kind: nodes.Permission, Message: why}
}
func (t *thinStage) drop(ctx context.Context) error                   { return nil }
func (t *thinStage) change(ctx context.Context) (*wire.Report, error) { return nil, nil }
