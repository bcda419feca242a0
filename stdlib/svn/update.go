package svn

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/rollsh/rollsh/nodes"
)

// Update brings the checkout to a revision (empty: HEAD) and returns its number.
// It fails with Conflict when conflicts are left afterwards, and with Protocol
// when svn left a part of the checkout behind: success means all of it is there.
func (c *Checkout) Update(ctx context.Context, rev nodes.Revision) (int, error) {
	lock, release, err := c.change(ctx, "update")
	if err != nil {
		return 0, err
	}
	defer release()
	return c.update(ctx, lock, rev)
}

// updatedTo finds what svn says at the end of an update.
var updatedTo = nodes.Pattern(`(?m)^(?:Updated to|At) revision (\d+)\.$`)

// skipped finds what svn says of paths that it left as they were.
var skipped = nodes.Pattern(`(?m)^  Skipped paths: \d+$`)

func (c *Checkout) update(ctx context.Context, lock *os.File, rev nodes.Revision) (int, error) {
	head, err := c.head(ctx)
	if err != nil {
		return 0, err
	}
	want, err := revision(rev, head, head)
	if err != nil {
		return 0, err
	}
	k := c.here("update", "--ignore-externals", "--accept", "postpone", "-r", strconv.Itoa(want), ".")
	k.lines = c.svn.watch(ctx, "update of "+c.Path).line
	a, err := c.mutate(ctx, lock, k)
	if err != nil {
		return 0, err
	}
	w, surveyErr := c.survey(ctx)
	if surveyErr == nil && len(w.conflicts()) > 0 {
		left := w.conflicts()
		return 0, &nodes.Error{
			Kind: nodes.Conflict, Message: fmt.Sprintf("%s: the update to r%d left %s: %s", c.Path, want, count(len(left), "conflict"), some(left)),
			Hint: "resolve them, or take the local changes back with checkout:revert()",
		}
	}
	if err := a.err(); err != nil {
		return 0, err
	}
	if surveyErr != nil {
		return 0, surveyErr
	}
	return want, c.arrived(a, w, want)
}

// arrived makes sure that svn said so and that nothing was left behind.
func (c *Checkout) arrived(a answer, w *survey, want int) error {
	said := updatedTo().FindAllStringSubmatch(a.stdout, -1)
	ok := slices.ContainsFunc(said, func(m []string) bool { return m[1] == strconv.Itoa(want) })
	if ok && w.lo == want && w.hi == want && !skipped().MatchString(a.stdout) {
		return nil
	}
	return &nodes.Error{
		Kind: nodes.Protocol, Stderr: a.stderr, Stdout: a.stdout,
		Message: fmt.Sprintf("%s: the update to r%d is not complete: parts are at r%d to r%d or were skipped", c.Path, want, w.lo, w.hi),
		Hint:    "look with checkout:status(); switched or removed parts do not follow an update",
	}
}

// Revert takes back all local changes of versioned files. Files that svn does
// not know stay.
func (c *Checkout) Revert(ctx context.Context) error {
	lock, release, err := c.change(ctx, "revert")
	if err != nil {
		return err
	}
	defer release()
	return c.revert(ctx, lock)
}

func (c *Checkout) revert(ctx context.Context, lock *os.File) error {
	k := c.here("revert", "-R", ".")
	k.locals = true
	k.lines = c.svn.watch(ctx, "revert of "+c.Path).line
	a, err := c.mutate(ctx, lock, k)
	if err == nil {
		err = a.err()
	}
	return err
}

// committed finds the revision that a commit made; without it nothing was
// committed, whatever the exit code.
var committed = nodes.Pattern(`(?m)^Committed revision (\d+)\.$`)

// Commit commits local changes, of all or of some files, and brings the checkout
// to the revision that it made. Unversioned files are not added. It fails with
// Refused when there is nothing to commit.
func (c *Checkout) Commit(ctx context.Context, message string, files []string) (int, error) {
	lock, release, err := c.change(ctx, "commit")
	if err != nil {
		return 0, err
	}
	defer release()
	return c.commit(ctx, lock, message, files)
}

func (c *Checkout) commit(ctx context.Context, lock *os.File, message string, files []string) (int, error) {
	targets := []string{"."}
	if files != nil {
		targets = nil
	}
	for _, f := range files {
		rel, err := relative(c.Path, f)
		if err != nil {
			return 0, err
		}
		targets = append(targets, local(rel))
	}
	if len(targets) == 0 {
		return 0, c.nothingToCommit()
	}
	rev, err := c.send(ctx, lock, message, targets)
	if err != nil {
		return 0, err
	}
	if _, err := c.update(ctx, lock, nodes.Revision(strconv.Itoa(rev))); err != nil {
		c.svn.warn(ctx, fmt.Sprintf("r%d is committed, but the checkout could not be brought to it: %v", rev, err))
	}
	return rev, nil
}

// send runs the commit itself.
func (c *Checkout) send(ctx context.Context, lock *os.File, message string, targets []string) (int, error) {
	if left, err := c.leftConflicts(ctx); err != nil || len(left) > 0 {
		return 0, firstError(err, c.conflictError(left))
	}
	text, err := messageFile(message)
	if err != nil {
		return 0, err
	}
	defer os.Remove(text)
	list, err := targetsFile(targets)
	if err != nil {
		return 0, err
	}
	defer os.Remove(list)
	k := c.here("commit", "-F", text, "--force-log", "--encoding", "UTF-8", "--targets", list)
	k.lines = c.svn.watch(ctx, "commit of "+c.Path).line
	a, err := c.mutate(ctx, lock, k)
	if m := committed().FindStringSubmatch(a.stdout); m != nil {
		if warned := complaintsOrHook(a); warned != "" {
			c.svn.warn(ctx, "r"+m[1]+" is committed, but: "+warned)
		}
		return number(m[1]), nil
	}
	if err != nil {
		return 0, err
	}
	if err := a.err(); err != nil {
		return 0, err
	}
	return 0, c.nothingToCommit()
}

// complaintsOrHook is what svn warned of in a commit that succeeded.
func complaintsOrHook(a answer) string {
	if m := postCommit().FindString(a.stdout + a.stderr); m != "" {
		return oneLine(m)
	}
	return oneLine(a.stderr)
}

var postCommit = nodes.Pattern(`(?s)Warning: post-commit hook failed.*`)

func (c *Checkout) nothingToCommit() error {
	return &nodes.Error{Kind: nodes.Refused, Message: "there is nothing to commit in " + c.Path}
}

func (c *Checkout) leftConflicts(ctx context.Context) ([]Status, error) {
	list, err := c.Status(ctx)
	return slices.DeleteFunc(list, func(s Status) bool { return !s.Conflicted() }), err
}

func (c *Checkout) conflictError(left []Status) error {
	return &nodes.Error{
		Kind: nodes.Conflict, Message: fmt.Sprintf("%s has %s left: %s", c.Path, count(len(left), "conflict"), some(left)),
		Hint: "at a terminal m:resolve() helps with them, and so does the recipe when it is run again",
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// count writes "1 conflict", "3 conflicts".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
