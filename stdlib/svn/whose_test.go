package svn_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/svn"
)

// another is a user of this machine who owns nothing.
const another = "54321"

// tryToChange is what another user does, in a process of its own: it tells how each
// change of a checkout ends, a line each.
func tryToChange(dir string) {
	ctx := context.Background()
	s := svn.New(&nodes.Session{User: "carol", Host: "staging", Cache: os.Getenv("HOME"), Person: &nodetest.Person{}, Events: nodes.Discard{}})
	report := func(what string, err error) {
		e := nodes.AsError(err, nodes.Internal)
		if e == nil {
			e = &nodes.Error{Message: "done"}
		}
		fmt.Printf("%s: %s: %s\n", what, e.Kind, e)
	}
	_, err := s.Checkout(ctx, filepath.Join(filepath.Dir(dir), "new"), svn.CheckoutOptions{URL: os.Getenv("ROLLSH_TEST_URL"), Create: true})
	report("create", err)
	co, err := s.Checkout(ctx, dir, svn.CheckoutOptions{})
	report("open", err)
	if err != nil {
		return
	}
	_, err = co.Update(ctx, "HEAD")
	report("update", err)
	report("cleanup", co.Cleanup(ctx))
	_, err = co.Commit(ctx, "mine", nil)
	report("commit", err)
	_, err = co.Hold(ctx, "roll www")
	report("roll", err)
	m, err := s.Merge(ctx, "^/trunk", co)
	if err == nil {
		_, err = m.Take(ctx, svn.Revisions{}, false)
	}
	report("take", err)
}

// A checkout that this user may not write to is refused before anything is touched, with
// whose it is, who this is and what to do; and what svn may not reach inside one too.
func TestCheckoutOfAnotherUser(t *testing.T) {
	t.Parallel()
	nodetest.Need(t, "setpriv")
	if os.Getuid() != 0 {
		t.Skip("nobody else is to be had without root")
	}
	b := newLine(t)
	b.run("", "chmod", "-R", "a+rwX", b.repo.Path)
	open := t.TempDir()
	for _, p := range []string{open, b.repo.Path} {
		for ; p != filepath.Clean(os.TempDir()) && p != "/"; p = filepath.Dir(p) {
			b.run("", "chmod", "a+x", p)
		}
	}
	self := filepath.Join(open, "try")
	b.run("", "cp", must[string](t)(os.Executable()), self)
	home := filepath.Join(open, "home")
	b.run("", "install", "-d", "-o", another, home)
	co := filepath.Join(open, "co")
	b.run("", "svn", "checkout", "-q", b.repo.File+"/branches/production@3", co)
	b.run("", "svn", "mkdir", "-q", "-m", "more", b.repo.File+"/branches/production/lib/more")
	b.run("", "chmod", "-R", "a+rwX", b.repo.Path)
	try := func(prepare string) map[string]string {
		b.run(co, "sh", "-c", prepare)
		cmd := exec.Command("setpriv", "--reuid", another, "--regid", another, "--clear-groups", self)
		cmd.Env = append(os.Environ(), "HOME="+home, "ROLLSH_TEST_TRY="+co, "ROLLSH_TEST_URL="+b.repo.File+"/trunk")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		told := map[string]string{}
		for line := range strings.Lines(string(out)) {
			what, says, _ := strings.Cut(strings.TrimSpace(line), ": ")
			told[what] = says
		}
		return told
	}
	share := "(hint: ask root to share it with a group of yours (chgrp -R GROUP " + co + "; chmod -R g+rwX " + co + "; umask 002 for all), or take a checkout of your own)"
	before := b.run(co, "find", ".", "-printf", "%p %m %s\n")
	got := try(":")
	for _, what := range []string{"update", "cleanup", "commit", "take", "roll"} {
		if want := "permission: user 54321 may not change the checkout " + co + ": " + co + " belongs to root (group root, mode 0755) " + share; got[what] != want {
			t.Errorf("%s: %s, want %s", what, got[what], want)
		}
	}
	if after := b.run(co, "find", ".", "-printf", "%p %m %s\n"); after != before {
		t.Errorf("something was changed: %s", after)
	}
	if want := "permission: can't make directory '" + filepath.Join(open, "new") + "': Permission denied (hint: " + open + " belongs to root (group root, mode 0755), and this is user 54321: ask root, or choose another place)"; got["create"] != want {
		t.Errorf("create: %s, want %s", got["create"], want)
	}
	if got, want := try("chmod -R a+rwX .; chmod 644 .svn/wc.db")["update"], "permission: user 54321 may not change the checkout "+co+": "+co+"/.svn/wc.db belongs to root (group root, mode 0644) "+share; got != want {
		t.Errorf("a database of another: %s, want %s", got, want)
	}
	if got, want := try("chmod -R a+rwX .; chgrp " + another + " lib; chmod 755 lib")["update"], co+"/lib belongs to root (group 54321, mode 0755), and this is user 54321: ask root to share it (chmod -R g+rwX "+co+"; umask 002 for all), or take a checkout of your own)"; !strings.HasPrefix(got, "permission: ") || !strings.HasSuffix(got, want) {
		t.Errorf("a folder of another: %s, want %s", got, want)
	}
	if got, want := try("chmod 700 .svn")["open"], "(hint: "+co+"/.svn belongs to root (group root, mode 0700), and this is user 54321: "+strings.TrimPrefix(share, "(hint: "); !strings.HasSuffix(got, want) {
		t.Errorf("not to be read: %s, want %s", got, want)
	}
	if got := try("svn cleanup -q; svn revert -qR .; chmod -R a+rwX .")["update"]; got != ": done" {
		t.Errorf("a shared checkout: %s", got)
	}
}
