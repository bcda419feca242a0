package sync_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib/sync"
)

func TestRules(t *testing.T) {
	r := newRig(t, 1)
	r.file("index.php", "1")
	r.file("cache/a", "1")
	r.file("config.php", "from source")
	r.file("notes.tmp", "1")
	r.file(".svn/entries", "1")
	r.file("lib/.git/config", "1")
	r.file("lib/a.php", "1")
	r.file("data/x.sql", "1")
	r.file(".rollignore", "# comment\n/data/\n*.tmp\n!keep.tmp\n")
	r.file("keep.tmp", "1")
	write(t, filepath.Join(r.live(0), "config.php"), "the node's")
	write(t, filepath.Join(r.live(0), "data/live.sql"), "the node's")
	write(t, filepath.Join(r.live(0), "hand.html"), "by hand")
	rules := func(o *sync.Options) { o.Exclude, o.Keep = []string{"/cache"}, []string{"config.php"} }
	r.push(rules)
	got := strings.Join(names(t, r.live(0)), " ")
	if want := "config.php data data/live.sql hand.html index.php keep.tmp lib lib/a.php"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	r.push(rules, func(o *sync.Options) { o.Delete = "all" })
	got = strings.Join(names(t, r.live(0)), " ")
	if want := "config.php data data/live.sql index.php keep.tmp lib lib/a.php"; got != want {
		t.Errorf("delete=all: got %s\nwant %s", got, want)
	}
	if b, _ := os.ReadFile(filepath.Join(r.live(0), "config.php")); string(b) != "the node's" {
		t.Errorf("a kept file was changed: %s", b)
	}
	r.remove("index.php")
	r.push(rules, func(o *sync.Options) { o.Delete = "none" })
	if _, err := os.Stat(filepath.Join(r.live(0), "index.php")); err != nil {
		t.Error("delete=false deleted")
	}
	r.push(rules)
	if _, err := os.Stat(filepath.Join(r.live(0), "index.php")); err == nil {
		t.Error("ours was not deleted after all")
	}
}

// An element of only= that is sent nothing of is told of, and why, where it is there.
func TestOnlyWhatIsNotSent(t *testing.T) {
	r := newRig(t, 1)
	r.file("a", "1")
	r.file("config/local.php", "1")
	r.file("b.tmp", "1")
	r.file(".rollignore", "*.tmp\n")
	r.push(func(o *sync.Options) {
		o.Keep, o.Only = []string{"config/local.php"}, []string{"/config/local.php", "b.tmp", "nowhere", "a"}
	})
	said := r.events.Text(nodes.Warned)
	for _, want := range []string{
		"only: '/config/local.php' is in " + r.src + ", but is not sent: exclude=, keep= or .rollignore leaves it out",
		"only: 'b.tmp' is in " + r.src + ", but is not sent", "only: 'nowhere' matches nothing in " + r.src,
	} {
		if !strings.Contains(said, want) {
			t.Errorf("not said: %s\n%s", want, said)
		}
	}
	if strings.Contains(said, "'a'") {
		t.Error(said)
	}
}

func names(t *testing.T, root string) []string {
	t.Helper()
	var out []string
	must(t, filepath.WalkDir(root, func(p string, _ os.DirEntry, err error) error {
		if rel, _ := filepath.Rel(root, p); rel != "." {
			out = append(out, rel)
		}
		return err
	}))
	return out
}

func TestOnly(t *testing.T) {
	r := newRig(t, 1)
	r.file("a.php", "1")
	r.file("b.php", "1")
	r.push()
	r.file("a.php", "22")
	r.file("b.php", "22")
	r.file("new/deep/c.php", "22")
	r.file("sub/a.php", "22")
	res := r.push(func(o *sync.Options) { o.Only = []string{"a.php", "new/deep"} })
	if v := r.stats(res, 0); v.Added != 1 || v.Changed != 1 {
		t.Errorf("%+v", v)
	}
	got := strings.Join(names(t, r.live(0)), " ")
	if want := "a.php b.php new new/deep new/deep/c.php"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if v := r.stats(r.push(func(o *sync.Options) { o.Only = []string{"a.php", "new/deep"} }), 0); v.Added+v.Changed != 0 {
		t.Errorf("not unchanged: %+v", v)
	}
	if b, _ := os.ReadFile(filepath.Join(r.live(0), "b.php")); string(b) != "1" {
		t.Errorf("b.php is %s", b)
	}
	r.push()
	r.equal(0)
}
