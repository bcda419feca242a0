package svn_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	_ "modernc.org/sqlite"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/svn"
)

func TestCheckoutIsMadeOpenedAndRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("trunk/a.php", "<?php\n")
	b.commit("bob", "first page, fixes #12")
	ctx := b.ctx()
	dir := filepath.Join(t.TempDir(), "100% #1 @x")

	_, err := b.svn.Checkout(ctx, dir, svn.CheckoutOptions{})
	fails(t, err, nodes.NotFound, "there is no folder", "url=")
	co := must[*svn.Checkout](t)(b.svn.Checkout(ctx, dir, svn.CheckoutOptions{URL: b.repo.File + "/trunk", Create: true}))
	if co.Path != dir || co.Repo != b.repo.File || co.URL != b.repo.File+"/trunk" {
		t.Errorf("checkout is %+v", co)
	}
	must[*svn.Checkout](t)(b.svn.Checkout(ctx, dir, svn.CheckoutOptions{URL: "^/trunk"}))
	_, err = b.svn.Checkout(ctx, dir, svn.CheckoutOptions{URL: b.repo.File + "/branches", Create: true})
	fails(t, err, nodes.Refused, "is a checkout of", "svn switch")
	full := t.TempDir()
	writeFile(t, filepath.Join(full, "mine"), "x")
	_, err = b.svn.Checkout(ctx, full, svn.CheckoutOptions{URL: b.repo.File + "/trunk", Create: true})
	fails(t, err, nodes.Refused, "holds files")
	_, err = b.svn.Checkout(ctx, full, svn.CheckoutOptions{URL: "svn://u:secret@h/x", Create: true})
	fails(t, err, nodes.Usage, "password")
	_, err = b.svn.Checkout(ctx, filepath.Join(full, "n"), svn.CheckoutOptions{URL: b.repo.File + "/nowhere", Create: true})
	fails(t, err, nodes.NotFound)
}

func TestUpdateRevisionCleanStatus(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("trunk/a.php", "1\n")
	b.commit("bob", "r2")
	co := b.checkout("/trunk")
	b.write("trunk/a.php", "2\n")
	b.write("trunk/icon@2x.html", "@\n")
	b.commit("bob", "r3")
	ctx := b.ctx()

	if n := must[int](t)(co.Update(ctx, "")); n != 3 {
		t.Errorf("updated to %d", n)
	}
	if n := must[int](t)(co.Update(ctx, "r2")); n != 2 {
		t.Errorf("updated to %d", n)
	}
	if r := must[nodes.Revision](t)(co.Revision(ctx)); r != "2" {
		t.Errorf("at %s", r)
	}
	_, err := co.Update(ctx, "77")
	fails(t, err, nodes.NotFound, "no revision 77")
	_, err = co.Update(ctx, "--x")
	fails(t, err, nodes.Usage)
	must[int](t)(co.Update(ctx, "HEAD"))
	clean := func(want bool) {
		t.Helper()
		if got := must[bool](t)(co.Clean(ctx)); got != want {
			list, _ := co.Status(ctx)
			t.Errorf("clean is %v: %v", got, list)
		}
	}
	writeFile(t, filepath.Join(co.Path, "new"), "unversioned")
	clean(true)
	if list := must[[]svn.Status](t)(co.Status(ctx)); len(list) != 1 || list[0].Item != "unversioned" {
		t.Errorf("status %v", list)
	}
	writeFile(t, filepath.Join(co.Path, "a.php"), "mine\n")
	clean(false)
	if err := co.Revert(ctx); err != nil {
		t.Fatal(err)
	}
	clean(true)
	_ = os.Remove(filepath.Join(co.Path, "icon@2x.html"))
	clean(false)
	must[int](t)(co.Update(ctx, "HEAD"))
	clean(true)
}

func TestUpdateThatLeavesConflictsFails(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("trunk/a.php", "1\n")
	b.commit("bob", "r2")
	co := b.checkout("/trunk")
	b.write("trunk/a.php", "2\n")
	b.commit("bob", "r3")
	writeFile(t, filepath.Join(co.Path, "a.php"), "mine\n")
	_, err := co.Update(b.ctx(), "")
	fails(t, err, nodes.Conflict, "a.php", "1 conflict", "revert")
	if must[bool](t)(co.Clean(b.ctx())) {
		t.Error("a conflicted checkout is clean")
	}
	_, err = co.Commit(b.ctx(), "x", nil)
	fails(t, err, nodes.Conflict)
}

func TestMixedRevisionsMatterOnlyWhereContentsDiffer(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("trunk/a.php", "1\n")
	b.write("trunk/b.php", "1\n")
	b.commit("bob", "r2")
	co := b.checkout("/trunk")
	ctx := b.ctx()
	writeFile(t, filepath.Join(co.Path, "a.php"), "2\n")
	b.run(co.Path, "svn", "commit", "-q", "-m", "r3")
	if r := must[nodes.Revision](t)(co.Revision(ctx)); r != "3" || !must[bool](t)(co.Clean(ctx)) {
		t.Errorf("after the only change was ours: at %s", r)
	}
	b.run(b.dev, "svn", "update", "-q")
	b.write("trunk/b.php", "2\n")
	b.commit("bob", "r4")
	b.run(co.Path, "svn", "update", "-q", "a.php")
	if must[bool](t)(co.Clean(ctx)) {
		t.Error("b.php is old and the checkout is clean")
	}
}

func TestCommit(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("trunk/a.php", "1\n")
	b.write("trunk/-b@1.php", "1\n")
	b.commit("bob", "r2")
	co := b.checkout("/trunk")
	ctx := b.ctx()
	_, err := co.Commit(ctx, "nothing", nil)
	fails(t, err, nodes.Refused, "nothing to commit")
	writeFile(t, filepath.Join(co.Path, "a.php"), "2\n")
	writeFile(t, filepath.Join(co.Path, "-b@1.php"), "2\n")
	if n := must[int](t)(co.Commit(ctx, "änderung\r\nzwei", []string{"-b@1.php"})); n != 3 {
		t.Errorf("committed r%d", n)
	}
	if list := must[[]svn.Status](t)(co.Status(ctx)); len(list) != 1 || list[0].Path != "a.php" {
		t.Errorf("left: %v", list)
	}
	_, err = co.Commit(ctx, "x", []string{"../../etc/passwd"})
	fails(t, err, nodes.Usage)
	cs := must[nodes.Changesets](t)(co.Changes(ctx, "2", "3"))
	if len(cs) != 1 || cs[0].Message != "änderung\nzwei" {
		t.Errorf("changes %+v", cs)
	}
	hook := filepath.Join(b.repo.Path, "hooks", "pre-commit")
	if err := os.WriteFile(hook, []byte("#!/bin/sh\necho 'no ticket in message' >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err = co.Commit(ctx, "x", nil)
	fails(t, err, nodes.Refused, "no ticket in message")
	_ = os.Rename(hook, filepath.Join(b.repo.Path, "hooks", "post-commit"))
	if n := must[int](t)(co.Commit(ctx, "x", nil)); n != 4 {
		t.Errorf("committed r%d", n)
	}
	if w := b.events.Text(nodes.Warned); !strings.Contains(w, "no ticket in message") {
		t.Errorf("the hook's failure was not told: %q", w)
	}
}

func TestChangesAndFilesBeyondTheCheckout(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("trunk/a.php", "1\n")
	b.write("trunk/lib/é b.php", "1\n")
	b.commit("bob", "r2")
	co := b.checkout("/trunk")
	b.write("trunk/c.php", "1\n")
	b.run(b.dev, "svn", "rm", "-q", "trunk/a.php")
	b.write("trunk/lib/é b.php", "2\n")
	b.commit("carol", "r3 ticket #7")
	b.run(b.dev, "svn", "propset", "-q", "svn:executable", "*", "trunk/c.php")
	b.commit("bob", "r4")
	ctx := b.ctx()
	want := []nodes.Change{{Path: "a.php", Action: "D"}, {Path: "c.php", Action: "A"}, {Path: "lib/é b.php", Action: "M"}}
	if d := cmp.Diff(want, must[[]nodes.Change](t)(co.Files(ctx, "2", "HEAD"))); d != "" {
		t.Error(d)
	}
	if l := must[[]nodes.Change](t)(co.Files(ctx, "2", "")); len(l) != 0 {
		t.Errorf("files up to now: %v", l)
	}
	if l := must[[]nodes.Change](t)(co.Files(ctx, "", "2")); len(l) != 2 {
		t.Errorf("all files: %v", l)
	}
	cs := must[nodes.Changesets](t)(co.Changes(ctx, "2", "HEAD"))
	if cs.Revs() != "r3-4" || cs[0].Author != "carol" || cs[0].Tickets()[0] != "7" || cs[0].Paths[0].Path[0] != '/' {
		t.Errorf("changes %+v", cs)
	}
	if cs := must[nodes.Changesets](t)(co.Changes(ctx, "4", "2")); cs[0].Rev != 4 || len(cs) != 2 {
		t.Errorf("backwards %+v", cs)
	}
	if cs := must[nodes.Changesets](t)(co.Changes(ctx, "HEAD", "HEAD")); len(cs) != 0 {
		t.Errorf("none %+v", cs)
	}
	cs = must[nodes.Changesets](t)(b.svn.Log(ctx, b.repo.File+"/trunk", svn.LogOptions{Author: "bob", Limit: 1}))
	if cs.Revs() != "r4" {
		t.Errorf("log %s", cs.Revs())
	}
	cs = must[nodes.Changesets](t)(b.svn.Log(ctx, co.Path, svn.LogOptions{From: "2", To: "3", Grep: `#\d`}))
	if cs.Revs() != "r3" {
		t.Errorf("log %s", cs.Revs())
	}
}

func TestLockNamesItsHolder(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	co := b.checkout("/trunk")
	ctx := b.ctx()
	release, err := co.Hold(ctx, "roll www")
	if err != nil {
		t.Fatal(err)
	}
	must[int](t)(co.Update(ctx, "")) // the holder itself goes on
	other := must[*svn.Checkout](t)(svn.New(b.session).Checkout(ctx, co.Path, svn.CheckoutOptions{}))
	_, err = other.Update(ctx, "")
	fails(t, err, nodes.Locked, "alice", "staging", "roll www", fmt.Sprint(os.Getpid()))
	if h, _ := other.Holder(ctx); h == nil || h.What != "roll www" {
		t.Errorf("holder %+v", h)
	}
	release()
	must[int](t)(other.Update(ctx, ""))
	if h, _ := other.Holder(ctx); h != nil {
		t.Errorf("holder %+v", h)
	}
}

func TestServerAwayMissingProgramWrongPassword(t *testing.T) {
	b := newBench(t)
	b.repo = nodetest.Svn(t)
	ctx := b.ctx()
	open := func(user, password string) (*svn.Checkout, error) {
		return b.svn.Checkout(ctx, filepath.Join(t.TempDir(), "co"), svn.CheckoutOptions{URL: b.repo.URL + "/trunk", User: user, Password: nodes.NewSecret(password), Create: true})
	}
	_, err := open("rw", "wrong-secret")
	fails(t, err, nodes.Auth, "user=")
	if strings.Contains(err.Error(), "wrong-secret") {
		t.Errorf("the password is in %v", err)
	}
	_, err = open("", "")
	fails(t, err, nodes.Auth)
	co, err := open(b.repo.User, b.repo.Password)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(co.Path, "a"), "a")
	b.run(co.Path, "svn", "add", "-q", "a")
	must[int](t)(co.Commit(ctx, "with a password", nil))
	ro, err := open("ro", "ro-pw")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(ro.Path, "a"), "b")
	_, err = ro.Commit(ctx, "may not", nil)
	if k := nodes.KindOf(err); k != nodes.Auth && k != nodes.Permission {
		t.Errorf("kind %s: %v", k, err)
	}
	b.repo.Close()
	_, err = co.Update(ctx, "")
	fails(t, err, nodes.Unreachable, "refused")
	if e := nodes.AsError(err, ""); e.Code != "E170013" {
		t.Errorf("code %s", e.Code)
	}
	t.Setenv("PATH", t.TempDir())
	_, err = co.Update(ctx, "")
	fails(t, err, nodes.NotFound, "no program svn", "apt-get install subversion")
}

// What anybody may read asks for no login: the hint of a commit has a command that does.
func TestHintOfALoginAsksForOne(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.repo = nodetest.Svn(t)
	writeFile(t, filepath.Join(b.repo.Path, "conf", "svnserve.conf"),
		"[general]\nanon-access = read\nauth-access = write\npassword-db = passwd\nrealm = nodetest\n")
	dir := filepath.Join(t.TempDir(), "co")
	co := must[*svn.Checkout](t)(b.svn.Checkout(b.ctx(), dir, svn.CheckoutOptions{URL: b.repo.URL + "/trunk", Create: true}))
	writeFile(t, filepath.Join(dir, "a"), "a")
	b.run(dir, "svn", "add", "-q", "a")
	_, err := co.Commit(b.ctx(), "x", nil)
	fails(t, err, nodes.Auth, "log in once by hand with `svn commit "+dir+"`")
}

// What a checkout is of is remembered, and forgotten when svn makes it another one.
func TestCheckoutThatIsSwitchedIsSeen(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	co := b.checkout("/branches/production")
	db := filepath.Join(co.Path, ".svn", "wc.db")
	old := time.Now().Add(-time.Minute)
	for range 2 {
		if err := os.Chtimes(db, old, old); err != nil { // long ago, so that it is remembered
			t.Fatal(err)
		}
		must[*svn.Checkout](t)(svn.New(b.session).Checkout(b.ctx(), co.Path, svn.CheckoutOptions{}))
	}
	b.run(co.Path, "svn", "switch", "-q", "--ignore-ancestry", b.repo.File+"/trunk")
	if err := os.Chtimes(db, old, old); err != nil {
		t.Fatal(err)
	}
	now := must[*svn.Checkout](t)(svn.New(b.session).Checkout(b.ctx(), co.Path, svn.CheckoutOptions{}))
	if !strings.HasSuffix(now.URL, "/trunk") {
		t.Errorf("it is of %s", now.URL)
	}
}
