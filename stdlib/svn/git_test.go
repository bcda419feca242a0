package svn_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/svn"
)

// gitBench is a bare repository with a clone of the developer.
type gitBench struct {
	*bench
	url string
}

func newGit(t *testing.T) *gitBench {
	t.Helper()
	nodetest.Need(t, "git")
	dir, rec := t.TempDir(), &nodetest.Recorder{}
	b := &gitBench{bench: &bench{t: t, events: rec, dev: filepath.Join(dir, "dev")}, url: filepath.Join(dir, "www.git")}
	b.session = &nodes.Session{Project: t.TempDir(), Cache: t.TempDir(), User: "alice", Host: "staging", Events: rec, Person: &nodetest.Person{}}
	b.bench.svn = svn.New(b.session)
	b.run("", "git", "init", "-q", "--bare", "-b", "main", b.url)
	b.run("", "git", "clone", "-q", b.url, b.dev)
	b.run(b.dev, "git", "checkout", "-q", "-b", "main")
	return b
}

// commit commits files of the developer as an author; an empty text removes the
// file.
func (b *gitBench) commit(author, message string, files map[string]string) {
	b.t.Helper()
	for name, text := range files {
		if text == "" {
			b.run(b.dev, "git", "rm", "-q", "--", name)
			continue
		}
		writeFile(b.t, filepath.Join(b.dev, name), text)
	}
	b.run(b.dev, "git", "add", "-A")
	b.run(b.dev, "git", "-c", "user.name="+author, "-c", "user.email=x@example.org", "commit", "-q", "--allow-empty", "-m", message)
}

func (b *gitBench) push() { b.t.Helper(); b.run(b.dev, "git", "push", "-q", "origin", "main") }

func (b *gitBench) clone() *svn.GitCheckout {
	b.t.Helper()
	c := must[any](b.t)(b.bench.svn.Open(b.ctx(), filepath.Join(b.t.TempDir(), "co"), svn.CheckoutOptions{URL: b.url, Branch: "main", Create: true}))
	return c.(*svn.GitCheckout)
}

// story makes r1 to r4; r3 is a merge of two commits of carol's branch.
func (b *gitBench) story() {
	b.t.Helper()
	b.commit("bob", "first", map[string]string{"a.php": "1\n", "lib/é b@1.php": "1\n", "old": "x\n"})
	b.commit("alice", "second, fixes #12", map[string]string{"a.php": "2\n", "old": ""})
	b.run(b.dev, "git", "checkout", "-q", "-b", "feature", "HEAD~1")
	b.commit("carol", "on the side #34", map[string]string{"side.php": "1\n"})
	b.commit("dave", "on the side too", map[string]string{"side.php": "2\n"})
	b.run(b.dev, "git", "checkout", "-q", "main")
	b.run(b.dev, "git", "-c", "user.name=alice", "-c", "user.email=x@example.org", "merge", "-q", "--no-ff", "-m", "merge of feature", "feature")
	b.commit("bob", "last\n\nwith \x1b[31ma body\n:100644 100644 a b M", map[string]string{"-dash.php": "1\n", "name\nwith line": "1\n"})
	b.push()
}

func TestGitChangesAndFiles(t *testing.T) {
	t.Parallel()
	b := newGit(t)
	b.story()
	ctx, co := b.ctx(), b.clone()
	if r := must[nodes.Revision](t)(co.Revision(ctx)); r != "4" {
		t.Errorf("at %s", r)
	}
	cs := must[nodes.Changesets](t)(co.Changes(ctx, "1", "HEAD"))
	var got []string
	for _, c := range cs {
		got = append(got, fmt.Sprintf("r%d %s %q %d", c.Rev, c.Author, c.Subject(), len(c.Paths)))
	}
	want := []string{`r2 alice "second, fixes #12" 2`, `r3 carol "on the side #34" 1`, `r3 dave "on the side too" 1`, `r3 alice "merge of feature" 1`, `r4 bob "last" 2`}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if cs.Revs() != "r2-4" || strings.Join(cs.Tickets(), ",") != "12,34" || cs[0].Date.IsZero() || cs[0].Paths[0] != (nodes.ChangedPath{Path: "/a.php", Action: "M"}) {
		t.Errorf("changes %+v", cs)
	}
	if back := must[nodes.Changesets](t)(co.Changes(ctx, "4", "3")); len(back) != 1 || back[0].Rev != 4 {
		t.Errorf("back %+v", back)
	}
	files := must[[]nodes.Change](t)(co.Files(ctx, "1", "4"))
	wantFiles := []nodes.Change{{Path: "-dash.php", Action: "A"}, {Path: "a.php", Action: "M"}, {Path: "name\nwith line", Action: "A"}, {Path: "old", Action: "D"}, {Path: "side.php", Action: "A"}}
	if d := cmp.Diff(wantFiles, files); d != "" {
		t.Error(d)
	}
	if all := must[[]nodes.Change](t)(co.Files(ctx, "", "")); len(all) != 5 {
		t.Errorf("all files %v", all)
	}
	times := dates(t, co)
	if len(times) != 5 || times["a.php"].IsZero() {
		t.Errorf("times %v", times)
	}
	_, err := co.Changes(ctx, "1", "77")
	fails(t, err, nodes.NotFound, "no revision 77")
}

func TestGitUpdateStatusAndAt(t *testing.T) {
	t.Parallel()
	b := newGit(t)
	b.story()
	ctx, co := b.ctx(), b.clone()
	writeFile(t, filepath.Join(co.Path, "upload/pic"), "unversioned\n")
	for _, rev := range []nodes.Revision{"1", "HEAD", "3", "2"} {
		b.sameAt(co, rev)
	}
	if _, done, err := co.At(ctx, ""); err == nil { // what it is at
		done()
	}
	reopened := must[any](t)(b.bench.svn.Open(ctx, co.Path, svn.CheckoutOptions{})).(*svn.GitCheckout) // at an older revision
	must[int](t)(reopened.Update(ctx, "HEAD"))
	if got := strings.TrimSpace(b.run(co.Path, "git", "status", "-sb")); !strings.HasPrefix(got, "## main...origin/main\n?? upload/") {
		t.Errorf("left %q", got)
	}
	writeFile(t, filepath.Join(co.Path, "a.php"), "mine\n")
	_ = os.Remove(filepath.Join(co.Path, "side.php"))
	var words []string
	for _, s := range must[[]svn.Status](t)(co.Status(ctx)) {
		words = append(words, s.String())
	}
	if d := cmp.Diff([]string{"a.php (modified)", "side.php (missing)", "upload (unversioned)"}, words); d != "" {
		t.Error(d)
	}
	_, err := co.Update(ctx, "1")
	fails(t, err, nodes.Conflict, "a.php", "revert")
	_, _, err = co.At(ctx, "1")
	fails(t, err, nodes.Conflict, "a.php")
	must[int](t)(co.Update(ctx, "4")) // brings the missing file back
	if _, err := os.Stat(filepath.Join(co.Path, "side.php")); err != nil {
		t.Error(err)
	}
	if err := co.Revert(ctx); err != nil || !must[bool](t)(co.Clean(ctx)) {
		t.Errorf("revert: %v", err)
	}
}

// sameAt holds that a checkout as it is at a revision is what an update makes of it.
func (b *gitBench) sameAt(co *svn.GitCheckout, rev nodes.Revision) {
	t, ctx := b.t, b.ctx()
	t.Helper()
	at, done, err := co.At(ctx, rev)
	if err != nil {
		t.Fatal(err)
	}
	shown, times := sources(t, at.Root()), dates(t, at)
	done()
	n := must[int](t)(co.Update(ctx, rev))
	if d := cmp.Diff(sources(t, co.Path), shown); d != "" { // the shadow may be the checkout itself
		t.Errorf("at %s: %s", rev, d)
	}
	if d := cmp.Diff(dates(t, co), times); d != "" {
		t.Errorf("times at %s: %s", rev, d)
	}
	if r := must[nodes.Revision](t)(co.Revision(ctx)); string(r) != fmt.Sprint(n) {
		t.Errorf("at %s, not %d", r, n)
	}
	if !must[bool](t)(co.Clean(ctx)) {
		t.Error("not clean")
	}
}

// sources are the files below a folder but for git's own.
func sources(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := tree(t, dir)
	maps.DeleteFunc(out, func(name, _ string) bool { return strings.HasPrefix(name, ".git") })
	return out
}

func TestGitRefusals(t *testing.T) {
	t.Parallel()
	b := newGit(t)
	b.story()
	ctx, co := b.ctx(), b.clone()
	release, err := co.Hold(ctx, "roll www")
	if err != nil {
		t.Fatal(err)
	}
	other := must[any](t)(svn.New(b.session).Open(ctx, co.Path, svn.CheckoutOptions{})).(*svn.GitCheckout)
	_, err = other.Update(ctx, "")
	fails(t, err, nodes.Locked, "roll www", "alice")
	release()
	_, err = b.bench.svn.Open(ctx, co.Path, svn.CheckoutOptions{URL: "https://other.example.org/x.git"})
	fails(t, err, nodes.Refused, "is a clone of")
	_, err = b.bench.svn.Open(ctx, filepath.Join(t.TempDir(), "n"), svn.CheckoutOptions{URL: "ext::touch pwned.git", Branch: "main", Create: true})
	if err == nil {
		t.Error("ext:: was run")
	}
	_, err = b.bench.svn.Open(ctx, filepath.Join(t.TempDir(), "n"), svn.CheckoutOptions{URL: filepath.Join(t.TempDir(), "none.git"), Branch: "main", Create: true})
	fails(t, err, nodes.NotFound)
	_, err = b.bench.svn.Open(ctx, filepath.Join(t.TempDir(), "n"), svn.CheckoutOptions{URL: "git://127.0.0.1:9/x.git", Create: true})
	fails(t, err, nodes.Unreachable)
	writeFile(t, filepath.Join(co.Path, ".git/index.lock"), "")
	writeFile(t, filepath.Join(b.dev, "new"), "1\n")
	b.commit("bob", "r5", nil)
	b.push()
	_, err = co.Update(ctx, "")
	fails(t, err, nodes.Locked, "cleanup")
	if err := co.Cleanup(ctx); err != nil {
		t.Fatal(err)
	}
	if n := must[int](t)(co.Update(ctx, "")); n != 5 {
		t.Errorf("at r%d", n)
	}
	b.run(co.Path, "git", "-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-q", "--allow-empty", "-m", "own")
	_, err = co.Update(ctx, "")
	fails(t, err, nodes.Refused, "no revision of main")
	if must[bool](t)(co.Clean(ctx)) {
		t.Error("a commit of its own is clean")
	}
	b.run(co.Path, "git", "reset", "-q", "--hard", "HEAD~1")
	b.run(b.dev, "git", "reset", "-q", "--hard", "HEAD~2")
	b.commit("bob", "rewritten", nil)
	b.run(b.dev, "git", "push", "-q", "--force", "origin", "main")
	_, err = co.Update(ctx, "HEAD")
	fails(t, err, nodes.Changed, "rewritten")
	shallow := filepath.Join(t.TempDir(), "shallow")
	b.run("", "git", "clone", "-q", "--depth=1", "file://"+b.url, shallow)
	_, err = b.bench.svn.Open(ctx, shallow, svn.CheckoutOptions{})
	fails(t, err, nodes.Refused, "shallow", "unshallow")
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = co.Update(cancelled, "")
	fails(t, err, nodes.Cancelled)
}

// A clone of somebody else is not looked into; the hint is a command that can be
// copied.
func TestGitCloneOfAnother(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root may give files away")
	}
	b := newGit(t)
	b.story()
	theirs := filepath.Join(t.TempDir(), "their clone")
	b.run("", "git", "clone", "-q", b.url, theirs)
	b.run("", "chown", "-R", another, theirs)
	_, err := b.bench.svn.Open(b.ctx(), theirs, svn.CheckoutOptions{})
	fails(t, err, nodes.Permission, "dubious ownership in repository at '"+theirs+"'", "(hint: ", "safe.directory '"+theirs+"'`")
	if strings.Count(err.Error(), "git config") != 1 {
		t.Errorf("the command is told more than once: %v", err)
	}
}

// A branch is only ever a name, a detached head is a revision, and a server that
// wants a login is told from one that is away.
func TestGitFromOutside(t *testing.T) {
	t.Parallel()
	b := newGit(t)
	b.story()
	ctx, co := b.ctx(), b.clone()
	for _, branch := range []string{"--upload-pack=touch pwned", "$(touch pwned)", "a b;touch pwned", "../../pwned", "-"} {
		if _, err := b.bench.svn.Open(ctx, filepath.Join(t.TempDir(), "n"), svn.CheckoutOptions{URL: b.url, Branch: branch, Create: true}); err == nil {
			t.Errorf("branch %q was taken", branch)
		}
	}
	if found, _ := filepath.Glob(filepath.Join(b.session.Project, "*pwned*")); len(found) > 0 {
		t.Error("a branch was run as a command")
	}
	at := must[nodes.Revision](t)(co.Revision(ctx))
	b.run(co.Path, "git", "checkout", "-q", "--detach", "HEAD~1")
	if rev := must[nodes.Revision](t)(co.Revision(ctx)); rev == at || !must[bool](t)(co.Clean(ctx)) {
		t.Errorf("a detached head is at r%s", rev)
	}
	if n := must[int](t)(co.Update(ctx, "")); strconv.Itoa(n) != string(at) {
		t.Errorf("updated to r%d, not r%s", n, at)
	}
	shut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer shut.Close()
	_, err := b.bench.svn.Open(ctx, filepath.Join(t.TempDir(), "n"), svn.CheckoutOptions{URL: shut.URL + "/x.git", Create: true})
	fails(t, err, nodes.Auth, "git help credentials")
	shut.Close()
	_, err = b.bench.svn.Open(ctx, filepath.Join(t.TempDir(), "n"), svn.CheckoutOptions{URL: shut.URL + "/x.git", Create: true})
	fails(t, err, nodes.Unreachable)
}

// The numbers are those that git itself counts.
func TestGitNumbersAreGitsCount(t *testing.T) {
	t.Parallel()
	b := newGit(t)
	b.story()
	co := b.clone()
	cmd := exec.Command("git", "rev-list", "--count", "--first-parent", "HEAD")
	cmd.Dir = co.Path
	out, err := cmd.Output()
	if err != nil || strings.TrimSpace(string(out)) != string(must[nodes.Revision](t)(co.Revision(b.ctx()))) {
		t.Errorf("git counts %s, %v", out, err)
	}
}
