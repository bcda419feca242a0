package lint

import (
	"context"
	"os"
)

// Suspects gives the files that warm parents hold back for `php -l`.
func Suspects(ctx context.Context, paths []string) ([]string, error) {
	jobs := make([]*job, len(paths))
	for i, p := range paths {
		info, err := os.Lstat(p)
		if err != nil {
			return nil, err
		}
		jobs[i] = &job{path: p, name: p, size: info.Size()}
	}
	p := &localPHP{}
	w := &warmth{atOnce: 2, start: p.start}
	defer w.end()
	bad, err := sieve(ctx, w, jobs, func() {})
	var out []string
	for _, j := range bad {
		out = append(out, j.path)
	}
	return out, err
}
