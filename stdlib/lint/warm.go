package lint

import (
	"context"
	"sync"

	"github.com/rollsh/rollsh/nodes"
)

const (
	batchSize   = 250     // files a child compiles
	smallBatch  = 20      // fewer are not worth a child
	maxWarmSize = 4 << 20 // a larger file goes to `php -l` straight away
	maxBatch    = 8 << 20 // bytes of a batch: the texts may be held all at once
)

// sieve compiles the jobs in children of a warm parent, some batches at once, and
// gives those that do not compile there, for `php -l` to judge. It calls done for
// the others. Where php cannot be kept warm, the jobs that are left are given back.
func sieve(ctx context.Context, w *warmth, jobs []*job, done func()) ([]*job, error) {
	var mu sync.Mutex
	batches, suspects := inBatches(jobs, w.atOnce)
	var wg sync.WaitGroup
	for range min(w.atOnce, len(batches)) {
		wg.Go(func() {
			for batch := range batches {
				bad := sift(ctx, w, batch, done)
				mu.Lock()
				suspects = append(suspects, bad...)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, nodes.Stopped(ctx)
	}
	return suspects, nil
}

// inBatches deals the jobs out; those that are too large for a parent are left.
func inBatches(jobs []*job, atOnce int) (batches chan []*job, left []*job) {
	batches = make(chan []*job, len(jobs)+1)
	var batch []*job
	bytes, size := int64(0), sizeOfBatch(len(jobs), atOnce)
	for i, j := range jobs {
		if j.size > maxWarmSize {
			left = append(left, j)
			continue
		}
		if len(batch) == size || bytes+j.size > maxBatch {
			batches <- batch
			batch, bytes, size = nil, 0, sizeOfBatch(len(jobs)-i, atOnce)
		}
		batch, bytes = append(batch, j), bytes+j.size
	}
	batches <- batch
	close(batches)
	return batches, left
}

// sizeOfBatch is how many of the files that are left make the next batch: the last
// are small, so that all children end at about the same time.
func sizeOfBatch(left, atOnce int) int { return max(smallBatch, min(batchSize, left/(2*atOnce))) }

// sift gives the jobs of the batch that `php -l` must judge. A job that ends a
// child is tried again as the first in a child of its own, as what is left by
// those before it may be the reason; only then it is a suspect.
func sift(ctx context.Context, w *warmth, jobs []*job, done func()) []*job {
	var suspects []*job
	for len(jobs) > 0 && ctx.Err() == nil {
		p := w.parent(ctx)
		if p == nil {
			return append(suspects, jobs...)
		}
		marks, err := p.compile(ctx, jobs)
		passed := 0
		for ; passed < len(marks) && marks[passed] != 'b'; passed++ {
			if marks[passed] == '.' {
				done()
			} else {
				suspects = append(suspects, jobs[passed])
			}
		}
		jobs = jobs[passed:]
		if err != nil {
			w.drop(p)
		}
		if passed == 0 && len(jobs) > 0 {
			suspects, jobs = append(suspects, jobs[0]), jobs[1:]
		}
	}
	return suspects
}
