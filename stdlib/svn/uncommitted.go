package svn

import (
	"context"
	"slices"
)

// uncommitted brings the blocks into the picture that are noted in the checkout
// and not committed yet: whoever lists right after a block sees it.
func (m *Merge) uncommitted(ctx context.Context, p *picture) error {
	j, err := m.Into.readJournal()
	if err != nil || j == nil {
		return err
	}
	for _, o := range append(slices.Clone(j.Operations), j.Queue...) {
		if o.Kind != "block" && o.Kind != "unblock" {
			return nil // what is merged counts when it is committed
		}
	}
	blocks, err := m.Into.property(ctx, blockProperty)
	if err != nil {
		return err
	}
	merged, err := m.Into.property(ctx, mergeProperty)
	if err != nil {
		return err
	}
	p.blocks, p.root = parseBlocks(blocks), parseMergeinfo(merged)
	return nil
}
