package lint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rollsh/rollsh/nodes"
)

// run is one check under way.
type run struct {
	session  *nodes.Session
	progress *progress
	required func(*Rule) bool        // a missing tool of the rule is an error
	missing  func(*Rule, error, int) // says that n files go without the rule
	files    []*file
	lacking  []string // rules that were passed over
	asked    map[*Rule]*question
	asking   sync.WaitGroup // those that are under way
}

// question is what the tool of a rule is asked, once.
type question struct {
	begun  atomic.Bool
	answer func() (id string, err error)
}

// all brings every rule to its files.
func (r *run) all(ctx context.Context, files []*file, rules []Rule) error {
	ctx, cancel := context.WithCancel(ctx)
	defer r.asking.Wait()
	defer cancel()
	if err := r.prepare(ctx, files, rules); err != nil {
		return err
	}
	for i := range rules {
		err := r.apply(ctx, &rules[i])
		if errors.Is(err, errMissing) && !r.required(&rules[i]) {
			r.pass(&rules[i], err)
		} else if err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return nodes.Stopped(ctx)
	}
	return nil
}

// pass gives a rule up, as its tool is missing.
func (r *run) pass(rule *Rule, err error) {
	n := 0
	for _, f := range r.files {
		for _, j := range f.rules {
			if j.rule == rule && !j.trivial {
				j.skipped, j.problems = true, nil
				n++
			}
		}
	}
	r.lacking = append(r.lacking, rule.Name)
	r.missing(rule, err, n)
}

// prepare finds the rules of every file and reads the files once.
func (r *run) prepare(ctx context.Context, files []*file, rules []Rule) error {
	project := projectOf(r.session)
	for _, f := range files {
		for i := range rules {
			if rules[i].takes(f, project) {
				f.rules = append(f.rules, &ruled{job: &job{path: f.path, name: f.name, top: f.top, before: f.before}, rule: &rules[i]})
			}
		}
		if len(f.rules) > 0 {
			r.files = append(r.files, f)
		}
	}
	r.progress.start(len(r.files))
	r.asked = questions(ctx, rules)
	buffers := sync.Pool{New: func() any { return new([1 + pieceSize]byte) }}
	err := parallel(ctx, len(r.files), func(i int) error {
		buf := buffers.Get().(*[1 + pieceSize]byte)
		defer buffers.Put(buf)
		err := r.files[i].read(buf[:])
		r.ask(r.files[i])
		return err
	})
	r.remember()
	// A file that went away meanwhile is like one that was deleted.
	r.files = slices.DeleteFunc(r.files, func(f *file) bool { return f.sum == "" })
	return err
}

// questions are those to the tools of rules.
func questions(ctx context.Context, rules []Rule) map[*Rule]*question {
	all := map[*Rule]*question{}
	for i := range rules {
		if ask := rules[i].tool; ask != nil {
			all[&rules[i]] = &question{answer: sync.OnceValues(func() (string, error) { return ask(ctx) })}
		}
	}
	return all
}

// ask begins to ask the tools that a file needs: they answer while other files are
// read.
func (r *run) ask(f *file) {
	for _, j := range f.rules {
		q := r.asked[j.rule]
		if q != nil && !j.trivial && f.sum != "" && q.begun.CompareAndSwap(false, true) {
			r.asking.Go(func() { _, _ = q.answer() }) // shelf takes what it gives
		}
	}
}

// remember keeps what is known of the files of folders.
func (r *run) remember() {
	var records []*seen
	for _, f := range r.files {
		if f.seen == nil {
			continue
		}
		if !slices.Contains(records, f.seen) {
			records = append(records, f.seen)
		}
		f.seen.note(f)
	}
	for _, record := range records {
		record.save()
	}
}

// workers is how many files are worked on at once.
func workers() int { return min(8, runtime.GOMAXPROCS(0)) }

// parallel calls f for 0..n-1 from several goroutines until one fails.
func parallel(ctx context.Context, n int, f func(i int) error) error {
	return parallelN(ctx, workers(), n, f)
}

// parallelN is parallel with this many goroutines.
func parallelN(ctx context.Context, at, n int, f func(i int) error) error {
	var wg sync.WaitGroup
	var next atomic.Int64
	var failed atomic.Bool
	errs := make([]error, at)
	for w := range errs {
		wg.Go(func() {
			for !failed.Load() && ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if errs[w] = f(i); errs[w] != nil {
					failed.Store(true)
				}
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nodes.Stopped(ctx)
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// apply brings one rule to all its files: what is known is taken from the cache,
// the rest is checked and remembered.
func (r *run) apply(ctx context.Context, rule *Rule) error {
	var todo []pair
	open := 0
	for _, f := range r.files {
		for _, j := range f.rules {
			if j.rule == rule {
				todo = append(todo, pair{f, j})
				if !j.trivial {
					open++
				}
			}
		}
	}
	if open == 0 {
		return nil
	}
	shelf, err := r.shelf(rule, open)
	if err != nil {
		return err
	}
	fresh := r.recall(shelf, rule, todo)
	var jobs []*job
	for _, p := range fresh {
		if !p.trivial {
			p.size = p.file.stamp.size
			jobs = append(jobs, p.job)
		}
	}
	if len(jobs) > 0 {
		if err := rule.check(ctx, jobs, r.progress.done); err != nil {
			return err
		}
	}
	err = parallel(ctx, len(fresh), func(i int) error {
		shelf.remember(rule, fresh[i].file, fresh[i].job)
		return nil
	})
	shelf.save()
	return err
}

// pair is a file and one of its rules at work.
type pair struct {
	file *file
	*ruled
}

// recall gives the pairs whose verdict is not known yet.
func (r *run) recall(shelf *shelf, rule *Rule, todo []pair) []pair {
	var fresh []pair
	for _, p := range todo {
		if p.cached = shelf.recall(rule, p.file, p.job); !p.cached {
			fresh = append(fresh, p)
		}
		if p.cached || p.trivial {
			r.progress.done()
		}
	}
	return fresh
}

// shelf opens the record of the rule's verdicts; n files need the rule.
func (r *run) shelf(rule *Rule, n int) (*shelf, error) {
	id := "built in"
	if q := r.asked[rule]; q != nil {
		var err error
		if id, err = q.answer(); err != nil {
			e := *nodes.AsError(err, nodes.NotFound)
			if e.Kind == nodes.NotFound && r.required(rule) {
				e.Message += fmt.Sprintf(", and %s to be checked by the rule %s", nodes.Count(n, "file"), rule.Name)
			}
			return nil, &e
		}
	}
	if id == "" || r.session.Cache == "" {
		return &shelf{}, nil
	}
	return openShelf(filepath.Join(r.session.Cache, "lint"), rule.Name, id), nil
}

// same reports whether the other problem differs at most in the node.
func (p Problem) same(other Problem) bool {
	other.Node = p.Node
	return p.Node != "" && p == other
}

func (r *run) result() *Result {
	res := &Result{Errors: []Problem{}, Notes: []Problem{}, Missing: append([]string{}, r.lacking...)}
	for _, f := range r.files {
		at := len(res.Errors)
		cached, checked := true, false
		for _, j := range f.rules {
			if j.skipped {
				continue
			}
			checked, cached = true, cached && j.cached
			for _, note := range j.notes {
				res.Notes = append(res.Notes, Problem{File: f.name, Rule: j.rule.Name, Message: note})
			}
			for _, p := range j.problems {
				p.File, p.Rule, p.Node = f.name, j.rule.Name, string(j.rule.node)
				p.Message = strings.ReplaceAll(p.Message, placeholder, inLine(f.name))
				if !slices.ContainsFunc(res.Errors[at:], p.same) { // several nodes find the same
					res.Errors = append(res.Errors, p)
				}
			}
		}
		if checked {
			res.Checked++
		}
		if checked && cached {
			res.Cached++
		}
		slices.SortStableFunc(res.Errors[at:], func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	}
	return res
}
