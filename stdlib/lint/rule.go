package lint

import (
	"context"
	"path"
	"path/filepath"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/rollsh/rollsh/nodes"
)

// Rule says how files of one kind are checked.
type Rule struct {
	Name string
	// Files are globs: *.php is matched against the last element of a path,
	// a glob with a slash against the whole, with ** for any folders; see matches.
	Files []string

	// Optional rules are passed over, with a warning, where their tool is missing.
	Optional bool

	// node is where the rule's tool runs; empty: here.
	node nodes.Name
	// trivial finds texts that are good without a closer look; may be nil.
	trivial func(text []byte) bool
	// beside is what the verdict depends on beside content and tool, such as the
	// file's name; nil: on nothing.
	beside func(f *file) string
	// only chooses among the files that the globs give; nil: all of them.
	only func(f *file) bool
	// tool tells what the verdict depends on beside the text, such as a version;
	// empty when verdicts are not to be remembered. It fails with NotFound when
	// the tool is not installed. Nil means that there is no tool.
	tool func(ctx context.Context) (string, error)
	// begin makes the rule of one check, which has tool and check, and tells how to
	// end it; nil: the rule is as it is.
	begin func(Rule) (Rule, func())
	// check fills in the problems of every job and calls done for each that is
	// finished. It fails when a verdict could not be had.
	check func(ctx context.Context, jobs []*job, done func()) error
}

// generation changes whenever a rule in rollsh judges otherwise than before.
const generation = "5"

// file is a file to be checked.
type file struct {
	path   string // absolute
	name   string // as it is shown
	top    string // the folder that the tree begins with, absolute
	before before // what it was; nil where that is not known
	seen   *seen  // the record of its folder; nil: it is read each time
	stamp  stamp
	sum    string // of the content
	rules  []*ruled
}

// before gives what a file held before the change that is looked at; known is
// false for a file that is new.
type before func(ctx context.Context) (text []byte, known bool, err error)

// ruled is one rule at work on one file.
type ruled struct {
	*job
	rule    *Rule
	cached  bool
	trivial bool
	skipped bool // its tool is missing
}

// job is what a rule works on.
type job struct {
	path     string
	name     string
	top      string // see file
	size     int64  // in bytes, when it was last looked at
	before   before
	problems []Problem
	notes    []string // what a person should know, though it is no error
	open     bool     // the verdict may change though the text does not; not remembered
}

// placeholder stands for the file's own name in a message until it is shown, as
// a file of another name and the same content has the same verdict. Cleaned text
// cannot hold it.
const placeholder = "\x00"

// maxMessage is how much of a tool's message is kept, in bytes.
const maxMessage = 2000

// report adds a problem.
func (j *job) report(line int, message string) {
	parts := strings.Split(j.unnamed(strings.TrimSpace(message)), placeholder)
	for i, part := range parts {
		parts[i] = nodes.Clean(part)
	}
	message = strings.Join(parts, placeholder)
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage], "") + "..."
	}
	j.problems = append(j.problems, Problem{Line: max(0, line), Message: message})
}

// unnamed is what a tool said, with the placeholder for the file's path.
func (j *job) unnamed(said string) string { return strings.ReplaceAll(said, j.path, placeholder) }

// note adds what a person should know.
func (j *job) note(message string) { j.notes = append(j.notes, nodes.Clean(message)) }

func (r *Rule) valid() error {
	switch {
	case r.Name == "":
		return &nodes.Error{Kind: nodes.Usage, Message: "a rule needs a name"}
	case len(r.Files) == 0:
		return &nodes.Error{Kind: nodes.Usage, Message: "rule " + r.Name + " names no files", Hint: `files={"*.zone"}`}
	}
	for _, glob := range r.Files {
		if !doublestar.ValidatePattern(glob) {
			return &nodes.Error{Kind: nodes.Usage, Message: "rule " + r.Name + ": bad pattern '" + glob + "'"}
		}
	}
	return nil
}

// takes reports whether the rule is for the file; project is the folder of the
// session's.
func (r *Rule) takes(f *file, project string) bool {
	return r.matches(f, project) && (r.only == nil || r.only(f))
}

// matches reports whether a glob of the rule is for the file. One with a slash is for
// its path in what is checked, or in the project; ** at its begin stands for folders
// above these, too.
func (r *Rule) matches(f *file, project string) bool {
	base := filepath.Base(f.path)
	for _, glob := range r.Files {
		end, ok := strings.CutPrefix(glob, "*.")
		switch {
		case ok && !strings.ContainsAny(end, `*?[{\/`): // as most are
			ok = strings.HasSuffix(base, glob[1:])
		case path.Base(glob) == glob:
			ok = match(glob, base)
		case strings.HasPrefix(glob, "**/"):
			ok = match(glob, f.path)
		default:
			local, err := filepath.Rel(project, f.path)
			ok = match(glob, f.name) || project != "" && err == nil && match(glob, local)
		}
		if ok {
			return true
		}
	}
	return false
}

func match(glob, path string) bool {
	ok, _ := doublestar.Match(glob, filepath.ToSlash(path)) // patterns were validated
	return ok
}

// builtin lists the rules that rollsh has.
func builtin(s *nodes.Session, lua LuaCheck) []Rule {
	rules := []Rule{
		phpRule(s), jsonRule(), yamlRule(), xmlRule(), jsRule(), cssRule(), shRule(), shellcheckRule(),
		zoneRule(), serialRule(), namedRule(), apacheRule(), puppetRule(), crontabRule(), sudoersRule(), nodesRule(),
	}
	if lua != nil {
		rules = append(rules, luaRule(lua))
	}
	return rules
}
