package svn

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// GitCheckout is a git working tree on the deploy host, as far as rolls need it:
// what is pending, update, roll. It is a nodes.Tree and a nodes.Touched.
//
// Revisions are numbers here too: r1 is the first commit of the branch, and each
// step along first parents counts one, so that r12 means the same in every clone.
// Commits that a merge brought carry the number of the merge. A branch whose
// history was rewritten is refused. The branch is the one that was checked out;
// HEAD of the repository is origin's, or the branch itself where there is no
// remote. Submodules are not followed.
type GitCheckout struct {
	Path   string // absolute, the top of the working tree
	URL    string // of the remote called origin; empty where there is none
	Branch string

	lockable
}

var (
	_ nodes.Tree    = (*GitCheckout)(nil)
	_ nodes.Touched = (*GitCheckout)(nil)
)

// branchKey is where git's configuration of the checkout keeps the branch while
// an older revision of it is checked out.
const branchKey = "rollsh.branch"

// gitURL finds the URLs that only a git repository has.
var gitURL = nodes.Pattern(`^(git://|git@|[^/:@]+@[^/:]+:[^/]|((https?|ssh|file):/)?/.*\.git/?$)`)

// Open opens the checkout at a path, Subversion's or git's, or makes it; see
// Checkout. The kind is that of what is there; where nothing is, that of the URL:
// those that end in .git or are written as git alone writes them are git's.
func (s *Svn) Open(ctx context.Context, path string, o CheckoutOptions) (any, error) {
	path, err := s.stead(ctx, path, o)
	if err != nil {
		return nil, err
	}
	root := s.session.Path(path)
	_, noSvn := os.Lstat(filepath.Join(root, ".svn"))
	_, noGit := os.Lstat(filepath.Join(root, ".git"))
	there := noSvn != nil && noGit == nil
	if !there && (noSvn == nil || !gitURL().MatchString(o.URL) && o.Branch == "") {
		c, err := s.Checkout(ctx, path, o)
		if err != nil {
			return nil, err
		}
		return c, nil
	}
	if o.User != "" || o.Password.Reveal() != "" {
		return nil, &nodes.Error{Kind: nodes.Usage, Message: root + " is git's, which has its own stores of credentials", Hint: "leave user= and password= out; see `git help credentials`"}
	}
	if !there {
		if err := s.clone(ctx, root, o); err != nil {
			return nil, err
		}
	}
	g, err := s.openGit(ctx, root)
	if err == nil {
		err = g.isOf(o)
	}
	if err != nil {
		return nil, err
	}
	return g, nil
}

// stead is where a checkout is opened: at its path, or, where a plan finds none
// that it could read and may make none, in a folder of the cache.
func (s *Svn) stead(ctx context.Context, path string, o CheckoutOptions) (string, error) {
	if s.mayChange() || o.URL == "" || !o.Create {
		return path, nil
	}
	root := s.session.Path(path)
	if entries, err := os.ReadDir(root); len(entries) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return path, nil
	}
	dir, _, err := s.scratch("planned") // the next run removes it
	if err == nil {
		s.warn(ctx, "there is no checkout at "+root+" yet: a plan makes none, and reads "+oneLine(o.URL)+" into the cache")
	}
	return dir, err
}

func (s *Svn) clone(ctx context.Context, root string, o CheckoutOptions) error {
	if o.URL == "" || !o.Create {
		return notCheckout(root, root+" is not a checkout", nil)
	}
	if entries, err := os.ReadDir(root); err == nil && len(entries) > 0 {
		return &nodes.Error{Kind: nodes.Refused, Message: root + " holds files and is not a checkout", Hint: "give an empty folder, or one that is not there"}
	}
	args := []string{"clone", "-q", "--no-recurse-submodules"}
	if o.Branch != "" {
		args = append(args, "--branch="+o.Branch)
	}
	_, err := s.git(ctx, "", call{args: append(args, "--", o.URL, root)})
	return err
}

func (s *Svn) openGit(ctx context.Context, root string) (*GitCheckout, error) {
	g := &GitCheckout{Path: root, lockable: lockable{svn: s, path: root}}
	a, err := g.git(ctx, call{args: []string{"rev-parse", "--is-shallow-repository", "--absolute-git-dir"}})
	if err != nil {
		return nil, err
	}
	shallow, admin, _ := strings.Cut(strings.TrimSuffix(a.stdout, "\n"), "\n")
	if g.admin = admin; shallow != "false" {
		return nil, &nodes.Error{Kind: nodes.Refused, Message: root + " is a shallow clone: its revisions cannot be counted", Hint: "run `git fetch --unshallow` in it"}
	}
	g.URL = g.ask(ctx, "config", "--get", "remote.origin.url")
	g.Branch = g.ask(ctx, "symbolic-ref", "-q", "--short", "HEAD")
	if g.Branch == "" {
		g.Branch = g.ask(ctx, "config", "--get", branchKey)
	}
	if g.Branch == "" {
		return nil, &nodes.Error{Kind: nodes.Refused, Message: root + " is at no branch (detached HEAD)", Hint: "run `git checkout BRANCH` in it"}
	}
	return g, nil
}

func (g *GitCheckout) isOf(o CheckoutOptions) error {
	if o.URL != "" && strings.TrimRight(o.URL, "/") != strings.TrimRight(g.URL, "/") {
		return &nodes.Error{Kind: nodes.Refused, Message: g.Path + " is a clone of " + oneLine(g.URL) + ", not of " + oneLine(o.URL), Hint: "give another folder"}
	}
	if o.Branch != "" && o.Branch != g.Branch {
		return &nodes.Error{Kind: nodes.Refused, Message: g.Path + " is at the branch " + oneLine(g.Branch) + ", not at " + oneLine(o.Branch), Hint: "give another folder, or run `git checkout` in it"}
	}
	return nil
}

// git runs the git program; stdin is what it reads. It never asks anybody
// anything, follows no submodules and speaks no helpers' protocols.
func (s *Svn) git(ctx context.Context, stdin string, k call) (answer, error) {
	if ctx.Err() != nil {
		return answer{}, nodes.Stopped(ctx)
	}
	fixed := []string{"--literal-pathspecs", "-c", "core.quotePath=false", "-c", "color.ui=false", "-c", "submodule.recurse=false", "-c", "gc.autoDetach=false", "-c", "status.renames=false"}
	cmd := exec.Command("git", append(fixed, k.args...)...)
	cmd.Env = slices.DeleteFunc(environment(os.Environ()), func(kv string) bool {
		return slices.Contains([]string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY"}, strings.SplitN(kv, "=", 2)[0])
	})
	cmd.Env = append(cmd.Env, "GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0", "GIT_ALLOW_PROTOCOL=file:git:http:https:ssh")
	cmd.Env = append(cmd.Env, k.env...)
	if stdin != "" {
		cmd.Stdin = strings.NewReader(stdin)
	}
	a, err := k.run(ctx, cmd)
	if err == nil && a.failed {
		err = gitFailure(a.stderr)
	}
	return a, err
}

// git runs git in the checkout.
func (g *GitCheckout) git(ctx context.Context, k call) (answer, error) {
	k.dir = g.Path
	return g.svn.git(ctx, "", k)
}

// ask gives one line of git's; empty where git says nothing or no.
func (g *GitCheckout) ask(ctx context.Context, args ...string) string {
	a, err := g.git(ctx, call{args: args})
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(a.stdout, "\n")
}

// gitCauses maps git's words to kinds of errors; git has no numbers. $1 in a hint is
// what the words hold in parentheses, quoted for a shell.
var gitCauses = []struct {
	words func() *regexp.Regexp
	kind  nodes.Kind
	hint  string
}{
	{nodes.Pattern(`non-fast-forward`), nodes.Changed, "the branch's history was rewritten: look at it, then run `git fetch --force` and `git reset` by hand"},
	{nodes.Pattern(`dubious ownership in repository at '(.*)'`), nodes.Permission, "the checkout is another user's; if that shall be: `git config --global --add safe.directory $1`"},
	{nodes.Pattern(`(?i)authentication failed|could not read (username|password)|permission denied \(|access denied`), nodes.Auth, "see `git help credentials`, or load the key into your ssh agent"},
	{nodes.Pattern(`(?i)host key verification failed`), nodes.HostKey, "connect once by hand with ssh and look at the key"},
	{nodes.Pattern(`(?i)certificate`), nodes.Protocol, "the server's certificate is not trusted: `git config http.sslCAInfo FILE` names its authority"},
	{nodes.Pattern(`(?i)could not resolve|connection (refused|reset|timed out)|(unable|failed) to connect|couldn't connect|network is unreachable|no route to host|unable to look up`), nodes.Unreachable, "is the git server up, and is its name right?"},
	{nodes.Pattern(`index\.lock|another git process`), nodes.Locked, "checkout:cleanup() when no git runs there"},
	{nodes.Pattern(`would be overwritten`), nodes.Conflict, "commit the local changes, or take them back with checkout:revert()"},
	{nodes.Pattern(`[Nn]ot possible to fast-forward|diverging branches`), nodes.Refused, "the checkout has commits of its own: push them first"},
	{nodes.Pattern(`(?i)no space left`), nodes.Space, ""},
	{nodes.Pattern(`(?i)permission denied|read-only file system`), nodes.Permission, ""},
	{nodes.Pattern(`(?i)not a git repository|does not appear to be a git|not found|does not exist|exists on disk, but not in|couldn't find remote ref|unknown revision|bad object`), nodes.NotFound, ""},
}

// gitFailure makes the error of what git wrote: its fatal and error lines.
func gitFailure(stderr string) *nodes.Error {
	var lines, rest []string
	for line := range strings.Lines(stderr) {
		if n := len(lines); n > 0 && line[0] == '\t' && !strings.HasPrefix(line, "\tgit config ") { // a file, not advice
			between := ": "
			if strings.Contains(lines[n-1], between) {
				between = " "
			}
			lines[n-1] += between + oneLine(line)
			continue
		}
		line = sentence(line)
		said, is := strings.CutPrefix(strings.Replace(line, "error: ", "fatal: ", 1), "fatal: ")
		switch {
		case (is || strings.HasPrefix(line, "! ")) && len(lines) < 4:
			lines = append(lines, sentence(said))
		case line != "" && len(rest) < 4:
			rest = append(rest, line)
		}
	}
	if len(lines) == 0 {
		lines = rest
	}
	e := &nodes.Error{Kind: nodes.Protocol, Message: "git: " + strings.Join(lines, ": "), Stderr: stderr}
	if len(lines) == 0 {
		e.Message = "git failed and said nothing"
	}
	for _, c := range gitCauses {
		if m := c.words().FindStringSubmatch(stderr); m != nil {
			e.Kind, e.Hint = c.kind, c.hint
			if strings.Contains(c.hint, "$1") {
				e.Hint = strings.ReplaceAll(c.hint, "$1", nodes.Quote(m[1]))
			}
			break
		}
	}
	return e
}
