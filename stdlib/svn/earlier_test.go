package svn_test

import (
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rollsh/rollsh/nodes"
)

// TestEarlier: what a file was at a revision, and before it was changed here.
func TestEarlier(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("trunk/a b@1.zone", "one\n")
	b.commit("alice", "first")
	b.write("trunk/a b@1.zone", "two\n")
	b.write("trunk/new.zone", "new\n")
	b.commit("alice", "second")
	ctx, co := b.ctx(), b.checkout("/trunk")
	now := must[nodes.Revision](t)(co.Revision(ctx))
	all := must[nodes.Changesets](t)(co.Changes(ctx, "0", now))
	var rev []nodes.Revision
	for _, c := range all[len(all)-2:] {
		rev = append(rev, nodes.Revision(strconv.Itoa(c.Rev)))
	}
	writeFile(t, filepath.Join(co.Path, "a b@1.zone"), "three\n")
	writeFile(t, filepath.Join(co.Path, "added.zone"), "x\n")
	b.run(co.Path, "svn", "add", "-q", "added.zone")
	for _, c := range []struct {
		path string
		rev  nodes.Revision
		want string
	}{{"a b@1.zone", rev[0], "one\n"}, {"a b@1.zone", rev[1], "two\n"}, {"a b@1.zone", "", "two\n"}, {"new.zone", "", "new\n"}} {
		if got := must[[]byte](t)(co.Earlier(ctx, c.path, c.rev)); string(got) != c.want {
			t.Errorf("%s at %q: %q, want %q", c.path, c.rev, got, c.want)
		}
	}
	for path, rev := range map[string]nodes.Revision{"new.zone": rev[0], "added.zone": "", "nowhere.zone": ""} {
		_, err := co.Earlier(ctx, path, rev)
		fails(t, err, nodes.NotFound)
	}
}

// TestGitEarlier: the same of a git working tree.
func TestGitEarlier(t *testing.T) {
	t.Parallel()
	b := newGit(t)
	b.story()
	ctx, co := b.ctx(), b.clone()
	writeFile(t, filepath.Join(co.Path, "a.php"), "3\n")
	writeFile(t, filepath.Join(co.Path, "added"), "x\n")
	for rev, want := range map[nodes.Revision]string{"1": "1\n", "2": "2\n", "": "2\n"} {
		if got := must[[]byte](t)(co.Earlier(ctx, "a.php", rev)); string(got) != want {
			t.Errorf("at %q: %q, want %q", rev, got, want)
		}
	}
	for path, rev := range map[string]nodes.Revision{"side.php": "1", "added": "", "nowhere": ""} {
		_, err := co.Earlier(ctx, path, rev)
		fails(t, err, nodes.NotFound)
	}
}
