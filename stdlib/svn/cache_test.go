package svn_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/svn"
)

// again previews with the cache on the disk and no memory.
func (b *bench) again(m *svn.Merge, revs svn.Revisions) svn.Preview {
	b.t.Helper()
	fresh := must[*svn.Merge](b.t)(svn.New(b.session).Merge(b.ctx(), "^/trunk", m.Into))
	return must[svn.Preview](b.t)(fresh.Preview(b.ctx(), revs))
}

// What is in the cache and not as it was written is fetched again.
func TestDamagedCacheIsMended(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	m := b.merge()
	want := b.again(m, revs(t, "6,8"))
	if len(want.Conflicts) != 1 {
		t.Fatalf("preview %+v", want)
	}
	for n, how := range []func([]byte) []byte{
		func(text []byte) []byte { text[len(text)-4] ^= 1; return text },
		func(text []byte) []byte { return text[:len(text)/2] },
		func([]byte) []byte { return nil },
	} {
		files := 0
		err := filepath.WalkDir(filepath.Join(b.session.Cache, "svn"), func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			files++
			text, err := os.ReadFile(file)
			if err == nil {
				err = os.WriteFile(file, how(text), 0o600)
			}
			return err
		})
		if err != nil || files < 5 {
			t.Fatal(files, err)
		}
		if d := cmp.Diff(want, b.again(m, revs(t, "6,8"))); d != "" {
			t.Errorf("damage %d: %s", n, d)
		}
	}
}

// A repository that is restored from a backup keeps its UUID, and goes another way:
// what its revisions were is not what they are.
func TestTextsOfARestoredRepositoryAreFetchedAgain(t *testing.T) {
	t.Parallel()
	b := newLine(t)
	m := b.merge()
	if p := b.again(m, revs(t, "6,8")); p.Clean || p.Needs.Revs() != "r4" {
		t.Fatalf("preview %+v", p)
	}
	uuid := strings.TrimSpace(b.run("", "svnlook", "uuid", b.repo.Path))
	b.run("", "sh", "-c", "svnadmin dump -q -r0:5 "+nodes.Quote(b.repo.Path)+" > dump && rm -rf "+nodes.Quote(b.repo.Path+"/db")+
		" && svnadmin create new && mv new/db "+nodes.Quote(b.repo.Path+"/db")+" && svnadmin load -q "+nodes.Quote(b.repo.Path)+
		" < dump && svnadmin setuuid "+nodes.Quote(b.repo.Path)+" "+uuid)
	b.load(svn.Loaded{Author: "bob", Message: "r6", Files: map[string]string{"trunk/a.php": lines("2 two", "9 nine")}})
	b.load(svn.Loaded{Author: "bob", Message: "r7", Files: map[string]string{"trunk/b.php": lines("1 one", "5 five")}})
	b.load(svn.Loaded{Author: "bob", Message: "r8", Files: map[string]string{"trunk/a.php": lines("2 two", "8 eight", "9 nine")}})
	if p := b.again(m, revs(t, "6,8")); !p.Clean || len(p.Needs) > 0 {
		t.Errorf("what was before the restore is taken for what is: %+v", p)
	}
}
