package svn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// prepare makes sure that a merge can begin: the checkout is clean, whole and at
// HEAD, which is that revision.
func (w *work) prepare(ctx context.Context, head int) error {
	c := w.m.Into
	var list []Status
	var at version
	err := together([]func() error{
		func() (err error) { list, err = c.Status(ctx); return err },
		func() error { at = c.svnversion(ctx); return nil },
	})
	if err != nil {
		return err
	}
	var before []string
	var bad []Status
	for _, s := range list {
		switch {
		case s.Item == "unversioned":
			before = append(before, s.Path)
		case s.own() && !(s.Locked && s.Item == "normal" && !c.busy()):
			bad = append(bad, s)
		}
	}
	if len(bad) > 0 {
		return c.notClean(bad)
	}
	base := head
	if !at.whole {
		if err := c.whole(ctx); err != nil {
			return err
		}
	}
	if !at.whole || at.lo != head || at.hi != head {
		if base, err = c.update(ctx, w.lock, ""); err != nil {
			return err
		}
	}
	s := c.svn.session
	w.j = &journal{Source: w.m.From, Target: c.URL, Base: base, Who: s.User, Host: s.Host, Since: time.Now().UTC().Truncate(time.Second), Before: before}
	return nil
}

func (c *Checkout) notClean(bad []Status) error {
	e := &nodes.Error{Kind: nodes.Refused, Message: "the checkout " + c.Path + " is not clean: " + some(bad), Hint: "commit the changes, or take them back with checkout:revert()"}
	missing := !slices.ContainsFunc(bad, func(s Status) bool { return s.Item != "missing" })
	switch {
	case slices.ContainsFunc(bad, Status.Conflicted):
		e.Kind, e.Hint = nodes.Conflict, "resolve the conflicts, or take the changes back with checkout:revert()"
	case missing:
		e.Hint = "checkout:revert() brings missing files back"
	case slices.ContainsFunc(bad, func(s Status) bool { return s.Switched }):
		e.Hint = "a merge into a switched part would be recorded there alone: run `svn switch` back first"
	}
	return e
}

// version is what svnversion tells of a checkout: its lowest and highest revision,
// and whether all of it is there.
type version struct {
	lo, hi int
	whole  bool
}

var versionText = nodes.Pattern(`^(\d+)(?::(\d+))?(M?S?)(P?)\s*$`)

// svnversion asks svn's own summary of a checkout, which is told sooner than what
// each path is at. Where it cannot be had, the zero version says nothing.
func (c *Checkout) svnversion(ctx context.Context) version {
	cmd := exec.Command("svnversion", "-n", ".")
	cmd.Env = environment(os.Environ())
	a, err := call{dir: c.Path}.run(ctx, cmd)
	m := versionText().FindStringSubmatch(a.stdout)
	if err != nil || a.failed || m == nil {
		return version{}
	}
	return version{lo: number(m[1]), hi: number(firstNonEmpty(m[2], m[1])), whole: m[4] == ""}
}

// whole refuses a sparse working copy: merge information would be recorded for
// parts only.
func (c *Checkout) whole(ctx context.Context) error {
	var list []infoXML
	k := c.here("info", "--xml", "-R", ".")
	k.locals, k.read = true, each("entry", func(i infoXML) error {
		if i.Kind == "dir" && i.WC.Depth != "" && i.WC.Depth != "infinity" {
			list = append(list, i)
			return errEnough
		}
		return nil
	})
	if _, err := c.client.must(ctx, k); err != nil && !errors.Is(err, errEnough) {
		return err
	}
	if len(list) == 0 {
		return nil
	}
	return &nodes.Error{
		Kind: nodes.Refused, Message: fmt.Sprintf("the checkout %s is sparse: %s has depth %s", c.Path, oneLine(list[0].Path), list[0].WC.Depth),
		Hint: "run `svn update --set-depth infinity` in it, or use a full checkout",
	}
}
