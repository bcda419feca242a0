package sync_test

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	gosync "sync"
	"testing"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/nodes/nodetest"
	"github.com/rollsh/rollsh/stdlib/sync"
)

func TestSFTPOnly(t *testing.T) {
	r := newRig(t, 2, nodetest.SFTPOnly(1))
	r.file("index.html", "one")
	r.file("d/with space/'quote", "two")
	r.file("turns", "a file")
	link(t, "index.html", filepath.Join(r.src, "l"))
	r.wholeSeconds()
	r.push()
	r.equal(0)
	r.equal(1)
	if text := r.events.Text(nodes.Warned); !strings.Contains(text, "over SFTP alone") {
		t.Errorf("nothing was said of SFTP: %q", text)
	}
	r.file("index.html", "one and more")
	r.remove("turns")
	r.file("turns/into", "a folder")
	r.remove("d")
	r.file("d", "a file")
	r.wholeSeconds()
	p, err := r.engine.Plan(r.ctx(), r.set, r.options())
	if err != nil {
		t.Fatal(err)
	}
	a, _ := p.Node("web1")
	b, _ := p.Node("web2")
	if strings.Join(a.Changed, " ") != strings.Join(b.Changed, " ") || strings.Join(a.Added, " ") != strings.Join(b.Added, " ") {
		t.Errorf("plans differ: %+v %+v", a, b)
	}
	if _, err := p.Apply(r.ctx()); err != nil {
		t.Fatal(err)
	}
	r.equal(0)
	r.equal(1)
	if v := r.stats(r.push(), 1); v.Added+v.Changed+v.Deleted != 0 {
		t.Errorf("not unchanged: %+v", v)
	}
	write(t, filepath.Join(r.live(1), "index.html"), "by hand")
	r.file("index.html", "other")
	_, err = r.try()
	wantKind(t, err, nodes.Changed, "web2", "index.html")
	if got := strings.Join(r.state(1), " "); strings.Contains(got, "stage-") || strings.Contains(got, "lock") || strings.Count(got, "undo-") != 2 {
		t.Errorf("left behind: %v", got)
	}
	if _, err := os.Stat(filepath.Join(r.live(0), "d")); err != nil {
		t.Error(err)
	}
}

// What SFTP alone cannot do is refused, with what to do and why it is SFTP, and
// nothing is made on the node.
func TestRefusedOverSFTP(t *testing.T) {
	r := newRig(t, 1, nodetest.SFTPOnly())
	r.file("a", "1")
	for what, change := range map[string]func(*sync.Options){
		`layout="release"`: release,
		"owner=":           func(o *sync.Options) { o.Owner = "+1:+1" },
		"hard_links=true":  func(o *sync.Options) { o.Hard = true },
	} {
		_, err := r.try(change)
		wantKind(t, err, nodes.Refused, what+" is not to be had over SFTP alone", "(hint: ")
	}
	if text := r.events.Text(nodes.Warned); !strings.Contains(text, "over SFTP alone") || !strings.Contains(text, "it allows only sftp, no commands") {
		t.Errorf("why it is SFTP was not said: %q", text)
	}
	if got := names(t, r.bed.Dir(0)); len(got) > 0 {
		t.Errorf("on the node: %v", got)
	}
}

// link makes a symlink.
func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

// unflushed is a node whose disk takes a name, but not that it is flushed.
type unflushed struct{ nodes.Conn }

// Files gives files of which COMMIT cannot be flushed.
func (u unflushed) Files(ctx context.Context) (nodes.Files, error) {
	f, err := u.Conn.Files(ctx)
	return unflushedFiles{f}, err
}

type unflushedFiles struct{ nodes.Files }

// Create makes a file.
func (u unflushedFiles) Create(name nodes.RemotePath, perm os.FileMode) (nodes.FileWriter, error) {
	w, err := u.Files.Create(name, perm)
	if path.Base(string(name)) == "COMMIT" {
		w = unflushedFile{w}
	}
	return w, err
}

type unflushedFile struct{ nodes.FileWriter }

// Sync fails.
func (unflushedFile) Sync() error { return &nodes.Error{Kind: nodes.Space, Message: "no space left"} }

// A switch that failed before it began is not finished by whoever comes next.
func TestSwitchOverSFTPThatDidNotBegin(t *testing.T) {
	b := newBench(t)
	here := b.s.Here
	b.revision(1)
	b.push()
	old := snapshot(t, b.live)
	b.s.Here = unflushed{here}
	b.renew()
	b.engine.NoAgent()
	b.revision(2)
	wantKind(t, b.try(), nodes.Space, "no space left")
	b.s.Here = here
	b.renew()
	p, err := b.engine.Plan(t.Context(), nodes.Set{Nodes: []*nodes.Node{b.node}}, sync.Options{From: nodes.Dir(b.src)})
	must(t, err)
	if n, err := p.Node("here"); err != nil || n.Pending != "" {
		t.Errorf("%v: %q", err, n.Pending)
	}
	must(t, b.undo())
	if got := snapshot(t, b.live); len(got) >= len(old) {
		t.Errorf("it was not the first roll that was undone: %d files", len(got))
	}
}

// Folders, links and files that come and go while a tree is looked at over SFTP are
// passed over.
func TestSFTPTreeThatMoves(t *testing.T) {
	r := newRig(t, 1, nodetest.SFTPOnly())
	r.file("index.html", "one")
	r.file("odd.txt", "one")
	r.wholeSeconds()
	r.push()
	odd := filepath.Join(r.live(0), "odd.txt")
	comes := map[string]func(p string) error{
		"folder": func(p string) error { return os.Mkdir(p, 0o755) },
		"link":   func(p string) error { return os.Symlink("index.html", p) },
	}
	quit := make(chan struct{})
	var wg gosync.WaitGroup
	for name, come := range comes {
		wg.Go(func() {
			for !closed(quit) {
				for i := range 20 {
					p := filepath.Join(r.live(0), fmt.Sprint(name, i))
					if come(p) != nil || os.Remove(p) != nil {
						t.Error(p)
					}
				}
			}
		})
	}
	wg.Go(func() {
		for !closed(quit) {
			if os.WriteFile(odd, []byte("one"), 0o600) != nil || os.Remove(odd) != nil {
				t.Error(odd)
			}
		}
	})
	checksum := r.options()
	checksum.Verify = "checksum"
	for range 25 {
		if _, err := r.engine.Plan(r.ctx(), r.set, checksum); err != nil {
			t.Error(err)
			break
		}
	}
	close(quit)
	wg.Wait()
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
