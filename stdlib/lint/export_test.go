package lint

import "context"

// Suspects gives the files that warm parents hold back for `php -l`.
func Suspects(ctx context.Context, paths []string) ([]string, error) {
	jobs := make([]*job, len(paths))
	for i, p := range paths {
		jobs[i] = &job{path: p, name: p}
	}
	bad, err := sieve(ctx, (&localPHP{}).warm, jobs, func() {})
	var out []string
	for _, j := range bad {
		out = append(out, j.path)
	}
	return out, err
}
