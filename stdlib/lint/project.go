package lint

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// inProject reports whether a file is in one of the folders of a project of
// rollsh: a folder that has recipes/ too.
func inProject(f *file, folders ...string) bool {
	dir := filepath.Dir(f.path)
	if !slices.Contains(folders, filepath.Base(dir)) {
		return false
	}
	info, err := os.Stat(filepath.Join(filepath.Dir(dir), "recipes"))
	return err == nil && info.IsDir()
}

// nodesRule reads nodes files: the files without extension in nodes/ of a
// project.
func nodesRule() Rule {
	r := textRule("nodes", []string{"*"}, 1<<20, nil)
	r.only = func(f *file) bool { return !strings.ContainsAny(filepath.Base(f.name), ".~#") && inProject(f, "nodes") }
	r.tool = forgetful // it includes other files
	r.check = func(ctx context.Context, jobs []*job, done func()) error {
		return parallel(ctx, len(jobs), func(i int) error {
			defer done()
			nodesLint(jobs[i])
			return nil
		})
	}
	return r
}

// nodesLint reports every mistake that loading the file meets, in it or in what
// it includes.
func nodesLint(j *job) {
	_, err := nodes.Load(os.DirFS(filepath.Dir(j.path)), filepath.Base(j.path))
	for _, e := range leaves(err) {
		file, line, _ := strings.Cut(e.Where, ":")
		n, _ := strconv.Atoi(line) // 0 where none is named
		message := e.Message
		if e.Hint != "" {
			message += " (" + e.Hint + ")"
		}
		if file != "" && path.Base(file) != filepath.Base(j.path) {
			n, message = 0, e.Where+": "+message
		}
		j.report(n, message)
	}
}

// leaves are the errors that an error is made of.
func leaves(err error) []*nodes.Error {
	if err == nil {
		return nil
	}
	e := nodes.AsError(err, nodes.Usage)
	if len(e.Errors) == 0 {
		return []*nodes.Error{e}
	}
	var out []*nodes.Error
	for _, sub := range e.Errors {
		out = append(out, leaves(sub)...)
	}
	return out
}
