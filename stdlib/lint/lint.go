package lint

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rollsh/rollsh/nodes"
)

// Problem is one thing that a rule found in a file.
type Problem struct {
	File    string `lua:"file"` // relative to what was checked, as given for a list
	Line    int    `lua:"line"` // 0 where the tool names none
	Message string `lua:"message"`
	Rule    string `lua:"rule"`
	Node    string `lua:"node,optional"` // whose tool said so; empty: this machine's
}

// String is "file:line: rule: message".
func (p Problem) String() string { return p.err().Error() }

// Result is what a check found.
type Result struct {
	Checked int       `lua:"checked"` // files that a rule is for
	Cached  int       `lua:"cached"`  // those among them whose verdict was known before
	Errors  []Problem `lua:"errors"`  // in the order of the files, then by line
	Missing []string  `lua:"missing"` // rules that were passed over, as their tool is not installed
	Notes   []Problem `lua:"notes"`   // what could not be looked at, and is no error
}

// LuaCheck finds what is wrong in a Lua file; the Line and Message of the
// problems count. The path is absolute.
type LuaCheck func(path string, text []byte) []Problem

// Linter checks files for one session. It is safe from many goroutines.
type Linter struct {
	session *nodes.Session
	mu      sync.Mutex
	rules   []Rule
	said    map[string]bool // rules that were told to be passed over
	checks  atomic.Uint64   // counts them
}

// New makes a linter with the rules that are built in; the lua rule is there
// when a check for it is given.
func New(s *nodes.Session, lua LuaCheck) *Linter {
	return &Linter{session: s, rules: builtin(s, lua), said: map[string]bool{}}
}

// Options narrow a check.
type Options struct {
	Rules   []string         // names; empty means all
	Changes nodes.Changesets // of a Tree: just the files that these touch; nil: not only these
	From    nodes.Revision   // of a Tree: just what differs between these
	To      nodes.Revision
	On      nodes.Set // whose php judges, instead of this machine's
}

// Check checks files and gives what it found; that files have errors is no error
// of Check (see Result.Err). It fails with NotFound for a missing file, tool or
// rule, with Permission for a file that cannot be read, and with Usage.
func (l *Linter) Check(ctx context.Context, w What, o Options) (*Result, error) {
	rules, err := l.chosen(o.Rules)
	if err != nil {
		return nil, err
	}
	rules, end := begun(on(l.session, o.On, rules))
	defer end()
	files, err := w.files(ctx, l.session, o)
	if err != nil {
		return nil, err
	}
	p := newProgress(ctx, l.session, l.checks.Add(1))
	run := &run{session: l.session, progress: p, missing: l.passed(p)}
	run.required = func(r *Rule) bool { return !r.Optional || len(o.Rules) > 0 }
	err = run.all(ctx, files, rules)
	run.progress.finish(err)
	if err != nil {
		return nil, err
	}
	res := run.result()
	for _, n := range res.Notes {
		p.warn(n.String())
	}
	return res, nil
}

// begun makes the rules of one check, and tells how to end them.
func begun(rules []Rule) ([]Rule, func()) {
	var ends []func()
	for i, r := range rules {
		if r.begin != nil {
			var end func()
			rules[i], end = r.begin(r)
			ends = append(ends, end)
		}
	}
	return rules, func() {
		for _, end := range ends {
			end()
		}
	}
}

// on puts the php of the nodes in the place of this machine's.
func on(s *nodes.Session, set nodes.Set, rules []Rule) []Rule {
	at := slices.IndexFunc(rules, func(r Rule) bool { return r.Name == "php" })
	if at < 0 || len(set.Nodes) == 0 {
		return rules
	}
	return slices.Replace(rules, at, at+1, phpRules(s, set)...)
}

// passed warns, once for each rule, that files go without it.
func (l *Linter) passed(p *progress) func(*Rule, error, int) {
	return func(r *Rule, err error, n int) {
		l.mu.Lock()
		said := l.said[r.Name]
		l.said[r.Name] = true
		l.mu.Unlock()
		if !said {
			p.warn(nodes.AsError(err, nodes.NotFound).Message + ", so " + nodes.Count(n, "file") + " passed without the rule " + r.Name)
		}
	}
}

// Require sets whether a missing tool of a rule is an error, or only said. It
// fails with NotFound for an unknown rule.
func (l *Linter) Require(name string, required bool) error {
	if _, err := l.chosen([]string{name}); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rules = slices.Clone(l.rules)
	for i := range l.rules {
		if l.rules[i].Name == name {
			l.rules[i].Optional = !required
		}
	}
	return nil
}

// Add adds a rule; one of the same name, built in or not, is replaced.
func (l *Linter) Add(r Rule) error {
	if err := r.valid(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rules = slices.DeleteFunc(slices.Clone(l.rules), func(old Rule) bool { return old.Name == r.Name })
	l.rules = append(l.rules, r)
	return nil
}

// chosen gives the rules with these names, all without names.
func (l *Linter) chosen(names []string) ([]Rule, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(names) == 0 {
		return slices.Clone(l.rules), nil
	}
	var known []string
	var out []Rule
	for _, r := range l.rules {
		known = append(known, r.Name)
		if slices.Contains(names, r.Name) {
			out = append(out, r)
		}
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			hint := "known are " + strings.Join(known, " ")
			if near := nodes.Suggest(name, known); near != "" {
				hint = "did you mean '" + near + "'?"
			}
			return nil, &nodes.Error{Kind: nodes.NotFound, Message: "no rule '" + name + "'", Hint: hint}
		}
	}
	return out, nil
}
